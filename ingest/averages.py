"""The intake of means that units report: received, judged, committed, acknowledged in that order.

It has a connection and a session of its own, so that it holds up no readings and nothing of them
holds it up; one delivery at a time is quick enough for what comes once in a block.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from ingest.careful import Refused
from ingest.held import MAX_HELD, Held
from ingest.patience import GivenUp, Patience
from ingest.reasons import Reason
from ingest.report_draft import Drafter, Message
from storage.errors import DataError
from storage.held import load_held
from storage.pool import unavailable
from storage.quarantine import AVERAGES
from storage.reported import read_seen, store_reports
from storage.retries import take_retries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import asyncpg

    from ingest.inbox import Delivery
    from ingest.metrics import Metrics
    from ingest.report_draft import Decoded
    from storage.registry import Registry
    from storage.reported import Reports, Stored
    from storage.retries import Retry

_log = structlog.get_logger(__name__)

MAX_MESSAGES = 500  # in a transaction
MAX_WAIT = 0.05  # seconds that a message waits for company
LARGE = 64 * 1024  # bytes of payload that are judged in a thread
PAUSE = 1.0  # seconds between two looks at whether to receive again


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
        self._drafter = Drafter(registry, accept_from)
        self._next_registry: Registry | None = None
        self._held = Held()
        self._number = 0  # of the last transaction
        self._stopping = False
        self._retry_wanted = True  # what was marked while no server ran
        self._halt = asyncio.Event()  # something else comes before the next delivery

    def use(self, registry: Registry) -> None:
        """Judge what is taken from now on by ``registry``."""
        self._next_registry = registry

    def _exchange_registry(self) -> None:
        """Go over to the next registry: not while messages are on their way by another."""
        if self._next_registry is not None:
            self._drafter = Drafter(self._next_registry, self._accept_from)
            self._next_registry = None

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
        self._exchange_registry()
        at = delivery.received_at
        pairs = zip(delivery.topics, delivery.payloads, strict=True)
        messages = [Message(topic, payload, at) for topic, payload in pairs]
        decoded = await self._decode(messages)
        seen = await self._seen(messages, decoded)
        repeats = [n for n, one in enumerate(seen) if one and self._concerned(messages[n])]
        if repeats:  # as of when their values first came
            again = await self._decode([messages[n] for n in repeats], self._held.first)
            for number, one in zip(repeats, again, strict=True):
                decoded[number] = one
        reports = self._reports(at, messages, decoded, seen)
        self._held.note(reports.aside_values, at)
        await self._commit(reports, messages, decoded)
        self._acknowledge(delivery)

    def _concerned(self, message: Message) -> bool:
        unit = self._drafter.unit(message)
        return unit is not None and self._held.concerns(unit.id)

    async def _decode(
        self,
        messages: Sequence[Message],
        held: Mapping[tuple[int, bytes], int] | None = None,
    ) -> list[Decoded]:
        """Return what the messages hold; large ones take a while, which is a thread's."""
        drafter = self._drafter
        if sum(len(message.payload) for message in messages) > LARGE:
            return await asyncio.to_thread(drafter.decode, messages, held)
        return drafter.decode(messages, held)

    async def _seen(self, messages: Sequence[Message], decoded: Sequence[Decoded]) -> list[bool]:
        heads = [self._drafter.head(*pair) for pair in zip(messages, decoded, strict=True)]

        async def look() -> list[bool]:
            async with unavailable("look up reported messages"), self._pool.acquire() as conn:
                return await read_seen(conn, heads)

        return await self.patience.until_done("look up reported messages", look)

    def _reports(
        self,
        received_at: int,
        messages: Sequence[Message],
        decoded: Sequence[Decoded],
        seen: list[bool],
    ) -> Reports:
        """Return messages ready for a transaction of their own."""
        self._number = max(self._number + 1, received_at)
        return self._drafter.reports(self._number, received_at, messages, decoded, seen)

    async def _commit(
        self, reports: Reports, messages: Sequence[Message], decoded: Sequence[Decoded]
    ) -> None:
        """Store messages; if the database refuses them, one by one, and aside what it refuses."""
        at = reports.received_at
        try:
            self._observe(await self._store(reports))
        except DataError as error:
            if len(messages) == 1:
                refused = Refused(Reason.REFUSED_BY_DATABASE, str(error))
                alone = self._reports(at, messages, [refused], [False])
                self._observe(await self._store(alone))
                return
            for message, one, seen in zip(messages, decoded, reports.seen, strict=True):
                await self._commit(self._reports(at, [message], [one], [seen]), [message], [one])

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
            self._exchange_registry()
            messages = [
                Message(one.topic, one.payload, one.received_at, one.digest is not None)
                for one in retries
            ]
            decoded = await self._decode(messages)
            seen = await self._seen(messages, decoded)
            # A value that is retried came with a message that was received before.
            seen = [one or m.fragment for one, m in zip(seen, messages, strict=True)]
            await self._store(self._reports(self._clock(), messages, decoded, seen), retries)

    async def _marked(self) -> list[Retry]:
        async with unavailable("take the retries"), self._pool.acquire() as conn:
            return await take_retries(conn, kind=AVERAGES)
