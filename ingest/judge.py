"""The engine at work: batches in their order, the clock between them, a registry that changes."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import numpy as np
import structlog

from alerts.adopt import not_judged_by
from alerts.core.versions import earlier_of
from alerts.core.vocabulary import NEVER
from alerts.deriving import with_derived
from alerts.engine import Engine
from alerts.layout import Layout
from ingest.judging import JudgingStore, readings_of
from ingest.patience import GivenUp
from ingest.resume import resume, tail
from ingest.spans import read_spans
from storage.alerts import read_unresolved
from storage.batches import next_batch
from storage.followers import load_newest
from storage.judging import read_progress, readings_kept_from
from storage.pool import unavailable
from storage.registry_versions import read_ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ingest.checkpoint import Checkpoint
    from storage.received import Committed, Received
    from storage.registry import Registry

_log = structlog.get_logger(__name__)

FLUSH_EVERY = 1.0  # seconds
FLUSHES_A_SWEEP = 2
FLUSHES_A_CHECKPOINT = 300


class Judge:
    """Gives the engine one thing to do at a time.

    When the server stops while the database is away nothing more is judged: the next start begins
    with what is left. ``waiting_since`` tells when the oldest message was received that is not
    judged yet: by the clock nothing is judged beyond. Else an outage would make every channel look
    silent, and all that waited would come late.
    """

    def __init__(
        self,
        engine: Engine,
        store: JudgingStore,
        registry: Registry,
        clock: Callable[[], int],
        checkpoint: Checkpoint,
    ) -> None:
        self.engine = engine
        self._store = store
        self._checkpoint = checkpoint
        self._kept = -1
        self._given_up = False
        self._registry = registry
        self._clock = clock
        self.waiting_since: Callable[[], int | None] = lambda: None
        self._turn = asyncio.Lock()

    async def judge(self, received: Received, committed: Committed) -> None:
        """Judge a committed batch."""
        readings = readings_of(received, committed)
        await self._in_turn(lambda: self.engine.take(readings))

    async def follow(self, registry: Registry) -> None:
        """Judge by another registry from now on, and what it judges otherwise of the past."""

        async def adopt() -> None:
            if registry is not self._registry:
                self._registry = registry
                await self.engine.adopt(layout_of(registry))
                await self._store.note_registry(registry.version)

        await self._in_turn(adopt)

    async def run(self) -> None:
        """Judge by the clock and have results written, until cancelled."""
        for tick in itertools.count():
            await asyncio.sleep(FLUSH_EVERY)
            if tick % FLUSHES_A_SWEEP == 0:
                await self._in_turn(lambda: self.engine.sweep(self._swept_until()))
            await self._in_turn(self.engine.flush)
            if tick % FLUSHES_A_CHECKPOINT == FLUSHES_A_CHECKPOINT - 1:
                await self.keep()

    def _swept_until(self) -> int:
        now, waiting = self._clock(), self.waiting_since()
        return now if waiting is None else min(now, waiting)

    async def finish(self) -> None:
        """Have everything written that is decided."""
        await self._in_turn(self.engine.flush)
        await self.keep()

    async def keep(self) -> None:
        """Keep the board in its file, for a restart to go on from."""
        written = False

        async def write() -> None:
            nonlocal written
            batch = self.engine.batch
            await self.engine.flush()
            mark = await self._store.read_mark(batch)
            if mark and batch != self._kept:
                written = await asyncio.to_thread(self._checkpoint.write, self.engine.board, mark)
                self._kept = batch

        await self._in_turn(write)
        if written:
            await asyncio.to_thread(self._checkpoint.publish)

    async def _in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._turn:
            if self._given_up:
                return
            try:
                await work()
            except GivenUp:
                self._given_up = True
                _log.warning("judging stops before its end; the next start goes on from there")


def layout_of(registry: Registry) -> Layout:
    """Arrange a registry for the engine."""
    channels = registry.channels
    return Layout.of(
        registry.limits,
        active=channels.active | registry.derived.closing(len(channels.active)),
        period=channels.period,
        zone=channels.zone,
        zones=registry.zones,
        derived=registry.derived,
    )


async def start_judging(
    store: JudgingStore, registry: Registry, clock: Callable[[], int], checkpoint: Checkpoint
) -> Judge:
    """Return a judge that goes on where the last server stopped.

    What was committed and not judged is judged first, with its notices; then what a registry that
    was applied meanwhile judges otherwise. Raises Unavailable.
    """
    now = clock()
    layout = layout_of(registry)
    async with unavailable("restore the judging"), store.pool.acquire() as conn:
        measured = await load_newest(conn, layout.channels)
        newest = with_derived(layout.derived, measured)
        unresolved = {alert.limit: alert for alert in await read_unresolved(conn)}
        last = await next_batch(conn) - 1
        board, after = await resume(conn, checkpoint, layout, newest, last)
        board.received[newest > 0] = now
        alerting = np.isin(layout.limit_number, list(unresolved))
        spans = await read_spans(
            conn, layout, newest, board.cold, now, layout.limit_channel[alerting]
        )
        judged_version = await read_progress(conn, "registry")
        ended = await read_ended(conn, judged_version)
        kept_from = await readings_kept_from(conn)
    in_memory = ~board.cold
    engine = Engine(store, board, unresolved, last, NEVER if kept_from is None else kept_from)
    warm = int((~board.cold & (board.evaluated != NEVER)).sum())
    await engine.wake(spans, tail(store.pool, board, in_memory, (after, last), now))
    await engine.judge_from(earlier_of(not_judged_by(layout, judged_version), ended))
    await engine.flush()
    await store.note_registry(registry.version)
    _log.info(
        "judging restored",
        channels_kept=warm,
        channels_read=len(spans),
        batches=last - after,
        alerts=len(engine.unresolved),
    )
    return Judge(engine, store, registry, clock, checkpoint)
