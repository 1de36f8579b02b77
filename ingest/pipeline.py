"""From the broker to the database and back: receive, prepare, commit, acknowledge, judge.

While one delivery is being committed the next is decoded; commits, acknowledgements and judging
keep the order of receipt. Nothing is acknowledged before its commit. Every queue here is short:
what does not fit waits unacknowledged in the link, and behind it at the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ingest.committer import Committer
from ingest.patience import GivenUp, Patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ingest.draft import Draft
    from ingest.inbox import Delivery
    from ingest.metrics import Metrics
    from ingest.prepare import Prepared, Preparer
    from storage.boots import Boot
    from storage.invalidating import Revised
    from storage.received import Committed, Received
    from storage.registry import Registry
    from storage.retries import Retry

T = TypeVar("T")

MAX_WAIT = 0.05  # seconds that a message waits for company
BATCH_READINGS = 40_000  # aimed at
MIN_MESSAGES, MAX_MESSAGES = 20, 20_000  # in a batch
CAREFUL_BYTES = 64 * 1024  # of payload that the careful decoder judges at once: some 50 ms
REVISING = 1.0  # seconds of invalidating before a delivery has its turn
UNJUDGED = 4  # batches that may wait to be judged before commits wait too


@dataclass(frozen=True, slots=True)
class Ports:
    """What the pipeline works with, all of it given.

    Whatever asks the database raises Unavailable while it is away, ``commit`` and ``settle`` also
    DataError. ``revise`` does the next piece of what is to be invalidated, as the batch of the
    number given. ``look_up_boots`` takes (unit number, boot) pairs and the receipt (us).
    ``receipt`` takes enterprise, unit, boot, the number up to which all is committed, and the time
    (us).
    ``judge`` is called in order of batches, ``follow`` before the first batch of a new registry.
    """

    receive: Callable[[int, float], Awaitable[Delivery]]
    acknowledge: Callable[[Delivery], None]
    commit: Callable[[Received], Awaitable[Committed]]
    look_up_boots: Callable[[Sequence[tuple[int, str]], int], Awaitable[Iterable[Boot]]]
    take_retries: Callable[[], Awaitable[Sequence[Retry]]]
    settle: Callable[[Received, Sequence[Retry]], Awaitable[Committed]]
    revise: Callable[[int], Awaitable[Revised | None]]
    receipt: Callable[[str, str, str, int, int], None]
    judge: Callable[[Received, Committed], Awaitable[None]]
    follow: Callable[[Registry], Awaitable[None]]
    clock: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Work:
    """A delivery on its way, or retries; ``done`` is set when it is committed.

    ``prepared`` None: the next piece of what is to be invalidated.
    """

    prepared: Prepared | None
    delivery: Delivery | None
    done: asyncio.Event


class Pipeline:
    """Runs until ``stop``; ``paused`` is why nothing is received meanwhile, "" if it is."""

    def __init__(
        self, ports: Ports, preparer: Preparer, metrics: Metrics, *, next_batch: int
    ) -> None:
        self.patience = Patience(metrics)
        self.paused = ""
        self._ports = ports
        self._preparer = preparer
        self._metrics = metrics
        self._committer = Committer(
            ports.commit,
            ports.settle,
            ports.revise,
            self.patience,
            metrics,
            next_batch=next_batch,
        )
        self._prepared: asyncio.Queue[_Work | None] = asyncio.Queue(1)
        self._committed: asyncio.Queue[tuple[Registry, Received, Committed] | None] = asyncio.Queue(
            UNJUDGED
        )
        self._unjudged: deque[int] = deque()  # receipts of what is committed and not judged
        self._next_registry: Registry | None = None
        self._readings_each = 10.0  # readings in a message, of late
        self._stopping = False
        self._retry_wanted = self._revision_wanted = True  # asked for while no server ran
        self._open = asyncio.Event()
        self._open.set()
        self._halt = asyncio.Event()  # something else comes before the next delivery
        metrics.intake_paused.set(0)

    @property
    def last_batch(self) -> int:
        """The last batch committed."""
        return self._committer.last

    @property
    def oldest_unjudged_at(self) -> int | None:
        """Receipt (us) of the oldest batch that is committed and not judged."""
        return self._unjudged[0] if self._unjudged else None

    def use(self, registry: Registry) -> None:
        """Judge what is received from now on by ``registry``."""
        self._next_registry = registry

    def retry(self) -> None:
        """Process again, soon, what is marked for it in quarantine."""
        self._retry_wanted = True
        self._halt.set()

    def revise(self) -> None:
        """Do, soon, what is asked to be invalidated or restored."""
        self._revision_wanted = True
        self._halt.set()

    def pause(self, reason: str) -> None:
        """Receive nothing more until ``resume``; what has been received is still committed."""
        self.paused = reason
        self._open.clear()
        self._halt.set()
        self._metrics.intake_paused.set(1)

    def resume(self) -> None:
        """Receive again."""
        self.paused = ""
        self._open.set()
        self._metrics.intake_paused.set(0)

    def stop(self) -> None:
        """Receive nothing more; ``run`` returns when what was received is committed and judged.

        While the database is away ``run`` waits for nothing: what is unacknowledged comes again.
        """
        self._stopping = True
        self._open.set()
        self._halt.set()
        self.patience.give_up()

    async def run(self) -> None:
        """Work until ``stop``."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._intake(), name="intake")
            tasks.create_task(self._commits(), name="commits")
            tasks.create_task(self._judging(), name="judging")

    # ---- receiving and preparing ----

    async def _intake(self) -> None:
        with contextlib.suppress(GivenUp):
            while True:
                while not self._open.is_set():
                    await self._open.wait()
                if self._stopping:
                    break
                self._halt.clear()
                self._exchange_registry()
                if self._retry_wanted:
                    self._retry_wanted = False
                    await self._retries()
                    continue
                if self._revision_wanted:
                    await self._revisions()
                if (delivery := await self._receive()) is not None:
                    self._exchange_registry()  # one may have come into use meanwhile
                    await self._prepare(delivery)
        await self._prepared.put(None)

    async def _receive(self) -> Delivery | None:
        """Return the next delivery, or None when something else comes first."""
        limit = int(BATCH_READINGS / max(self._readings_each, 1.0))
        limit = min(MAX_MESSAGES, max(MIN_MESSAGES, limit))
        delivery = asyncio.ensure_future(self._ports.receive(limit, MAX_WAIT))
        halt = asyncio.ensure_future(self._halt.wait())
        soon = 2 * MAX_WAIT if self._revision_wanted else None
        try:
            await asyncio.wait((delivery, halt), timeout=soon, return_when=asyncio.FIRST_COMPLETED)
        finally:
            halt.cancel()
            delivery.cancel()
            await asyncio.wait((delivery, halt))
        return None if delivery.cancelled() else delivery.result()

    def _exchange_registry(self) -> None:
        if self._next_registry is not None:
            self._preparer.use(self._next_registry)
            self._next_registry = None

    async def _prepare(self, delivery: Delivery) -> None:
        preparer = self._preparer
        draft = preparer.decode(delivery.topics, delivery.payloads, delivery.received_at)
        await _carefully(draft, draft.left, lambda: preparer.judge(draft))
        messages, readings = len(delivery.payloads), len(draft.readings.channel)
        weight = messages / (messages + 1000)
        self._readings_each += weight * (readings / messages - self._readings_each)
        await self._look_up_boots(draft)
        repeatable = preparer.repeatable(draft)
        prepared = await _carefully(draft, repeatable, lambda: preparer.finish(draft))
        self._metrics.careful.inc(draft.careful)
        await self._prepared.put(_Work(prepared, delivery, asyncio.Event()))

    async def _retries(self) -> None:
        """Process again all that is marked, some of it at a time."""
        ports = self._ports
        while True:
            retries = await self.patience.until_done("take the retries", ports.take_retries)
            if not retries or self._stopping:
                return
            decode = self._preparer.decode_retries
            draft = await asyncio.to_thread(decode, retries, ports.clock())
            await self._look_up_boots(draft)
            prepared = self._preparer.finish(draft, retries)
            work = _Work(prepared, None, asyncio.Event())
            await self._prepared.put(work)
            await work.done.wait()  # until then they are still marked

    async def _revisions(self) -> None:
        """Invalidate for a while; what is left of it waits for its next turn.

        A piece is read where it is committed, behind what was received before.
        """
        until = time.monotonic() + REVISING
        while self._revision_wanted and not self._stopping:
            work = _Work(None, None, asyncio.Event())
            await self._prepared.put(work)
            await work.done.wait()
            if time.monotonic() > until:
                return

    async def _look_up_boots(self, draft: Draft) -> None:
        unknown = self._preparer.unknown_boots(draft)
        if not unknown:
            return
        boots = await self.patience.until_done(
            "number the boots", lambda: self._ports.look_up_boots(unknown, draft.received_at)
        )
        for boot in boots:
            self._preparer.sequences.remember(boot.unit, boot.boot, boot.id, boot.ranges)

    # ---- committing and judging ----

    async def _commits(self) -> None:
        given_up = False
        while (work := await self._prepared.get()) is not None:
            if not given_up:
                given_up = not await self._commit(work)
            work.done.set()
        await self._committed.put(None)

    async def _commit(self, work: _Work) -> bool:
        """Commit and acknowledge; return False when the server stops before that."""
        try:
            if work.prepared is None:
                return await self._revise()
            parts = await self._committer.commit(work.prepared)
        except GivenUp:
            return False
        self._unjudged.extend(received.received_at for received, _ in parts)
        if work.delivery is not None:
            self._ports.acknowledge(work.delivery)
        now = self._ports.clock()
        for receipt in work.prepared.receipts:
            self._ports.receipt(receipt.enterprise, receipt.unit, receipt.boot, receipt.seq, now)
        for received, committed in parts:
            await self._committed.put((work.prepared.registry, received, committed))
            self._metrics.unjudged_batches.set(self._committed.qsize())
        return True

    async def _revise(self) -> bool:
        """Do a piece of what is to be invalidated and have it judged."""
        self._revision_wanted = False
        done = await self._committer.revise()
        self._revision_wanted |= done is not None
        if done is not None and done.batch is not None:
            self._unjudged.append(done.batch[0].received_at)
            await self._committed.put((self._preparer.registry, *done.batch))
            self._metrics.unjudged_batches.set(self._committed.qsize())
        return True

    async def _judging(self) -> None:
        registry = self._preparer.registry
        while (item := await self._committed.get()) is not None:
            if item[0] is not registry:
                registry = item[0]
                await self._ports.follow(registry)
            began = time.perf_counter()
            await self._ports.judge(item[1], item[2])
            self._unjudged.popleft()
            self._metrics.evaluation_seconds.observe(time.perf_counter() - began)
            self._metrics.unjudged_batches.set(self._committed.qsize())


async def _carefully(draft: Draft, numbers: Sequence[int], work: Callable[[], T]) -> T:
    """Return what ``work`` returns, which may let the careful decoder judge these messages.

    When they are large, in a thread: it would hold up the event loop for seconds. Only intake
    touches what the thread works on, and intake waits for it.
    """
    if sum(len(draft.payloads[number]) for number in numbers) > CAREFUL_BYTES:
        return await asyncio.to_thread(work)
    return work()
