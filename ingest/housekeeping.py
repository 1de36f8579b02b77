"""What a running server does on the side: roll-ups, partitions, retention, disk, gauges."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from storage import disk, followers, partitions, retention
from storage.errors import Unavailable
from storage.pool import unavailable
from storage.watch import count_others, count_waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import asyncpg

    from ingest.judge import Judge
    from ingest.metrics import Metrics
    from ingest.pipeline import Pipeline
    from ingest.prepare import Preparer

_log = structlog.get_logger(__name__)

COMPRESS_AFTER = timedelta(hours=2)  # after a chunk closed
REST = 10  # a work waits at least so many times as long as it took: it may be large here
FULL = "disk nearly full: {free:,} bytes free where the database keeps its data"


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The server's recurring work; each kind goes on though another fails."""

    pool: asyncpg.Pool
    pipeline: Pipeline
    preparer: Preparer
    judge: Judge
    metrics: Metrics
    retention_days: int
    directories: list[Path]
    clock: Callable[[], int]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work, every in (
                (self._disk, 2.0),
                (self._roll_up, 5.0),
                (self._gauges, 5.0),
                (self._newest, 60.0),
                (self._partitions, 3600.0),
                (self._retention, 3600.0),
            ):
                tasks.create_task(_regularly(work, every), name=work.__name__)

    async def _disk(self) -> None:
        """Stop the intake before the database would run out of room, and say so."""
        room = disk.room(self.directories)
        if room is None:
            return
        self.metrics.disk_free.set(room.free)
        if room.nearly_full and not self.pipeline.paused:
            self.pipeline.pause(FULL.format(free=room.free))
            _log.error("intake stopped", reason=self.pipeline.paused, action="free disk space")
        elif not room.nearly_full and self.pipeline.paused:
            self.pipeline.resume()
            _log.info("intake goes on", free=room.free)

    async def _roll_up(self) -> None:
        async with self.pool.acquire() as conn:
            done = -1
            while (now := await followers.roll_up(conn)) > done:
                done = now

    async def _newest(self) -> None:
        # What is committed by now is in the array: it is ahead of the batches, never behind.
        batch = self.pipeline.last_batch
        newest = self.preparer.newest.saved()
        async with self.pool.acquire() as conn:
            await followers.save_newest(conn, newest, batch)
            done = -1
            while (now := await followers.slim(conn)) > done:
                done = now

    async def _partitions(self) -> None:
        async with self.pool.acquire() as conn:
            await partitions.make_partitions(conn, self.clock(), self.retention_days)

    async def _retention(self) -> None:
        def tell(kept_from: int) -> None:
            self.judge.engine.kept_from = kept_from

        async with self.pool.acquire() as conn:
            dropped = await retention.apply_retention(conn, self.clock(), self.retention_days, tell)
            await retention.compress(conn, self.clock(), after=COMPRESS_AFTER)
        if dropped:
            _log.info("old readings dropped", days=self.retention_days, dropped=dropped)

    async def _gauges(self) -> None:
        metrics = self.metrics
        engine = self.judge.engine
        metrics.channels.set(int(engine.board.layout.active.sum()))
        counts: dict[tuple[str, str], int] = {}
        for alert in engine.unresolved.values():
            kind = (alert.state, alert.severity)
            counts[kind] = counts.get(kind, 0) + 1
        quarantine, notices = await count_waiting(self.pool)
        for kind, count in (await count_others(self.pool)).items():
            counts[kind] = counts.get(kind, 0) + count
        metrics.set_alerts(counts)
        metrics.quarantine_items.set(quarantine)
        metrics.notices_waiting.set(notices)


async def _regularly(work: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        began = time.monotonic()
        try:
            async with unavailable(work.__name__.strip("_")):
                await work()
        except Unavailable as error:
            _log.warning("left for later", work=work.__name__.strip("_"), error=str(error))
        took = time.monotonic() - began
        await asyncio.sleep(max(every - took, REST * took, 0.1))
