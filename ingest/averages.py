"""The intake of means that units report: received, judged, committed, acknowledged in that order.

It has a connection and a session of its own, so that it holds up no readings and nothing of them
holds it up; one delivery at a time is quick enough for what comes once in a block.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import structlog

from ingest.aside import aside_message, aside_value
from ingest.careful import NO_BOOT, NO_SEQ, Context, Refused
from ingest.checks import oldest_accepted
from ingest.held import MAX_HELD, Held
from ingest.patience import GivenUp, Patience
from ingest.reasons import Reason
from ingest.reports import Report, decode_report
from ingest.topics import Topics
from storage.errors import DataError
from storage.held import load_held
from storage.pool import unavailable
from storage.quarantine import AVERAGES
from storage.reported import Mean, Reports, Stored, read_seen, store_reports
from storage.retries import take_retries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import asyncpg

    from ingest.inbox import Delivery
    from ingest.metrics import Metrics
    from storage.registry import Registry
    from storage.retries import Retry

_log = structlog.get_logger(__name__)

MAX_MESSAGES = 500  # in a transaction
MAX_WAIT = 0.05  # seconds that a message waits for company
LARGE = 64 * 1024  # bytes of payload that are judged in a thread
PAUSE = 1.0  # seconds between two looks at whether to receive again

Decoded = Report | Refused


class Averages:
    """Runs until ``stop``. ``paused`` says why nothing is to be received, "" if it is.

    ``on_stored`` hears the numbers of the channels with news after each commit.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        pool: asyncpg.Pool,
        registry: Registry,
        metrics: Metrics,
        *,
        receive: Callable[[int, float], Awaitable[Delivery]],
        acknowledge: Callable[[Delivery], None],
        clock: Callable[[], int],
        accept_from: int | None,
        paused: Callable[[], str] = lambda: "",
        on_stored: Callable[[set[int]], None] = lambda _: None,
    ) -> None:
        self.patience = Patience(metrics)
        self._pool = pool
        self._metrics = metrics
        self._receive = receive
        self._acknowledge = acknowledge
        self._clock = clock
        self._accept_from = accept_from
        self._paused = paused
        self._on_stored = on_stored
        self._topics = Topics(registry, "averages")
        self._held = Held()
        self._number = 0  # of the last transaction
        self._stopping = False
        self._retry_wanted = True  # what was marked while no server ran
        self._halt = asyncio.Event()  # something else comes before the next delivery

    def use(self, registry: Registry) -> None:
        """Judge what is received from now on by ``registry``."""
        self._topics = Topics(registry, "averages")

    def retry(self) -> None:
        """Process again, soon, what is marked for it in quarantine."""
        self._retry_wanted = True
        self._halt.set()

    def stop(self) -> None:
        """Receive nothing more; what was received is committed, unless the database is away."""
        self._stopping = True
        self._halt.set()
        self.patience.give_up()

    async def run(self) -> None:
        """Work until ``stop``."""
        try:
            known = await self.patience.until_done("load the means held back", self._load_held)
            self._held = Held(known)
            while not self._stopping:
                self._halt.clear()
                if self._retry_wanted:
                    self._retry_wanted = False
                    await self._retries()
                elif self._paused():
                    await asyncio.sleep(PAUSE)
                elif (delivery := await self._next()) is not None:
                    await self._take(delivery)
        except GivenUp:
            _log.warning("reported means wait at the broker for the next start")

    async def _load_held(self) -> list[tuple[int, bytes, int]]:
        async with unavailable("load the means held back"), self._pool.acquire() as conn:
            return await load_held(conn, Reason.IN_THE_FUTURE, MAX_HELD, AVERAGES)

    async def _next(self) -> Delivery | None:
        """Return the next delivery, or None when something else comes first."""
        delivery = asyncio.ensure_future(self._receive(MAX_MESSAGES, MAX_WAIT))
        halt = asyncio.ensure_future(self._halt.wait())
        try:
            await asyncio.wait((delivery, halt), return_when=asyncio.FIRST_COMPLETED)
        finally:
            halt.cancel()
            delivery.cancel()
            await asyncio.wait((delivery, halt))
        return None if delivery.cancelled() else delivery.result()

    async def _take(self, delivery: Delivery) -> None:
        topics, payloads, at = delivery.topics, delivery.payloads, delivery.received_at
        decoded = await self._decode(topics, payloads, [at] * len(topics))
        seen = await self._seen(topics, decoded)
        repeats = [n for n, one in enumerate(seen) if one and self._concerned(topics[n])]
        if repeats:  # as of when their values first came
            again = await self._decode(
                [topics[n] for n in repeats],
                [payloads[n] for n in repeats],
                [at] * len(repeats),
                held=self._held.first,
            )
            for number, one in zip(repeats, again, strict=True):
                decoded[number] = one
        reports = self._reports(topics, payloads, decoded, seen, at)
        self._held.note(reports.aside_values, at)
        await self._commit(reports, topics, payloads, decoded)
        self._acknowledge(delivery)

    def _concerned(self, topic: str) -> bool:
        unit = self._topics.find(topic)
        return unit is not None and self._held.concerns(unit.id)

    async def _decode(
        self,
        topics: Sequence[str],
        payloads: Sequence[bytes],
        received_at: Sequence[int],
        *,
        held: Mapping[tuple[int, bytes], int] | None = None,
        fragments: Sequence[bool] | None = None,
    ) -> list[Decoded]:
        """Return what the messages hold, each judged as of its own receipt (us)."""
        known = self._topics

        def decode() -> list[Decoded]:
            found: list[Decoded] = []
            for number, (topic, payload, at) in enumerate(
                zip(topics, payloads, received_at, strict=True)
            ):
                unit = known.find(topic)
                if unit is None:
                    found.append(known.explain(topic))
                    continue
                oldest = oldest_accepted(at, self._accept_from)
                context = Context(unit, known.registry.channels, at, oldest, held)
                alone = bool(fragments and fragments[number])
                found.append(decode_report(payload, context, known.registry, fragment=alone))
            return found

        if sum(map(len, payloads)) > LARGE:
            return await asyncio.to_thread(decode)
        return decode()

    async def _seen(self, topics: Sequence[str], decoded: Sequence[Decoded]) -> list[bool]:
        heads = [self._head(topic, one) for topic, one in zip(topics, decoded, strict=True)]

        async def look() -> list[bool]:
            async with unavailable("look up reported messages"), self._pool.acquire() as conn:
                return await read_seen(conn, heads)

        return await self.patience.until_done("look up reported messages", look)

    def _head(self, topic: str, one: Decoded) -> tuple[int, str, int]:
        """Return unit, boot and seq of a message that is not set aside whole."""
        unit = self._topics.find(topic)
        if unit is None or isinstance(one, Refused):
            return 0, NO_BOOT, NO_SEQ
        return unit.id, one.boot, one.seq

    def _reports(
        self,
        topics: Sequence[str],
        payloads: Sequence[bytes],
        decoded: Sequence[Decoded],
        seen: list[bool],
        at: int,
    ) -> Reports:
        """Return the messages ready for their transaction."""
        self._number = max(self._number + 1, at)
        units = [self._topics.find(topic) for topic in topics]
        heads = [self._head(topic, one) for topic, one in zip(topics, decoded, strict=True)]
        ids = [0 if unit is None else unit.id for unit in units]
        reports = Reports(self._number, at, heads, ids, seen)
        for number, (topic, one, unit) in enumerate(zip(topics, decoded, units, strict=True)):
            if isinstance(one, Refused):
                aside = aside_message(number, topic, payloads[number], one, "averages")
                reports.aside_messages.append(aside)
            elif unit is not None:
                reports.means += _means(number, one)
                reports.aside_values += [aside_value(number, topic, unit, a) for a in one.asides]
        return reports

    async def _commit(
        self,
        reports: Reports,
        topics: Sequence[str],
        payloads: Sequence[bytes],
        decoded: Sequence[Decoded],
    ) -> None:
        """Store messages; if the database refuses them, one by one, and aside what it refuses."""
        try:
            self._observe(await self._store(reports))
        except DataError as error:
            if len(topics) == 1:
                refused = Refused(Reason.REFUSED_BY_DATABASE, str(error))
                alone = self._reports(topics, payloads, [refused], [False], reports.received_at)
                self._observe(await self._store(alone))
                return
            for n, seen in enumerate(reports.seen):
                here = slice(n, n + 1)
                parts = topics[here], payloads[here], decoded[here]
                alone = self._reports(*parts, [seen], reports.received_at)
                await self._commit(alone, *parts)

    async def _store(self, reports: Reports, retries: Sequence[Retry] = ()) -> Stored:
        async def attempt() -> Stored:
            async with unavailable("store reported means"), self._pool.acquire() as conn:
                return await store_reports(conn, reports, retries)

        stored = await self.patience.until_done("store reported means", attempt)
        if stored.channels:
            self._on_stored(stored.channels)
        return stored

    def _observe(self, stored: Stored) -> None:
        self._metrics.observe_reported(stored.means, stored.messages)

    async def _retries(self) -> None:
        """Process again all that is marked, some of it at a time; nothing of it is counted."""
        while retries := await self.patience.until_done("take the retries", self._marked):
            topics = [one.topic for one in retries]
            payloads = [one.payload for one in retries]
            fragments = [one.digest is not None for one in retries]
            times = [one.received_at for one in retries]
            decoded = await self._decode(topics, payloads, times, fragments=fragments)
            seen = await self._seen(topics, decoded)
            # A value that is retried came with a message that was received before.
            seen = [one or alone for one, alone in zip(seen, fragments, strict=True)]
            reports = self._reports(topics, payloads, decoded, seen, self._clock())
            await self._store(reports, retries)

    async def _marked(self) -> list[Retry]:
        async with unavailable("take the retries"), self._pool.acquire() as conn:
            return await take_retries(conn, kind=AVERAGES)


def _means(number: int, report: Report) -> list[Mean]:
    columns = (report.channel, report.start, report.finish, report.value, report.status)
    return [
        Mean(number, channel, report.window, start, finish, _or_none(value), status)
        for channel, start, finish, value, status in zip(*columns, strict=True)
    ]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
