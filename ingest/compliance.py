"""Compliance by rule sets in the running server: follows stored blocks, beside the judge.

The judge notes changed blocks with the blocks themselves; here they are taken up, the periods that
depend on them are judged anew, and what differs is stored together with the forecasts' alerts.
Nobody waits for it: while it is behind, its verdicts are a little older.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from alerts.compliance import changed
from alerts.core.compliance import FIGURES
from alerts.core.records import FORECAST
from alerts.core.vocabulary import DAY, MINUTE, Judgement
from alerts.journal import Journal
from alerts.scope import FAR, depends, judge_scopes, merged
from alerts.warnings import record_forecasts
from ingest.compliance_data import Chunk, chunk_of
from storage import due, verdicts
from storage.alerts import read_alerts_since
from storage.begun import note_begun
from storage.carried import drop_carried, write_carried
from storage.errors import Unavailable
from storage.judging import read_progress, write_progress
from storage.pool import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from alerts.core.records import Alert
    from ingest.judging import JudgingStore
    from ingest.metrics import Metrics

    Span = tuple[int, int]

_log = structlog.get_logger(__name__)

EVERY = 5.0  # seconds
SETTLED = 2 * MINUTE  # after the end of a block nothing of it is waited for
QUIET_EVERY = 10 * MINUTE
DUE_AT_ONCE = 20_000
CHANNELS_AT_ONCE = 1000
CELLS = 100_000  # short-term averages in memory at once; a verdict of each takes 1 kB
APART = DAY  # changes further from each other are judged apart


@dataclass(slots=True)
class Follower:
    """Judges what is due; ``until`` tells as of when: all blocks that end before are stored."""

    store: JudgingStore
    metrics: Metrics
    default_zone: str
    until: Callable[[], int]
    _watched: due.Watched = due.NOTHING
    _failed: set[int] = field(default_factory=set)
    _quiet_at: int = 0
    _counted_at: int = 0
    _version: int = -1

    @property
    def pool(self) -> asyncpg.Pool:
        """The judge's own."""
        return self.store.pool

    async def watch(self) -> None:
        """Learn which blocks matter. Raises Unavailable."""
        async with unavailable("read what compliance rests on"), self.pool.acquire() as conn:
            self._watched = await due.read_watched(conn)
        self.store.watched = self._watched
        self._failed.clear()

    async def run(self) -> None:
        """Work until cancelled; while the database is away, later."""
        while True:
            try:
                async with unavailable("judge compliance"):
                    await self.work()
            except Unavailable as error:
                _log.warning("left for later", work="compliance", error=str(error))
            await asyncio.sleep(EVERY)

    async def work(self) -> None:
        """Judge all that is due now. Raises Unavailable."""
        until = self.until() - SETTLED
        await self._look(until)
        after = 0
        while True:
            async with self.pool.acquire() as conn:
                found = await due.read_due(conn, after, DUE_AT_ONCE)
            if not len(found):
                break
            after = int(found["id"].max())
            settled = found["last"] + self._watched.longest(found["channel"]) <= until
            found = found[settled | (found["last"] >= FAR)]
            await self._judge_all(self._spans(found), until)
            done = [int(row["id"]) for row in found if not self._fails(int(row["channel"]))]
            async with self.pool.acquire() as conn:
                await due.forget_due(conn, done)
        if until - self._counted_at >= MINUTE:  # there may be millions
            await self._count()
            self._counted_at = until

    async def _count(self) -> None:
        async with self.pool.acquire() as conn:
            counts = await verdicts.count_running(conn)
        for judgement in Judgement:
            self.metrics.compliance.labels(judgement.label).set(counts.get(int(judgement), 0))

    async def _look(self, until: int) -> None:
        """Note what the clock ended and what a registry changed since it was last looked at.

        The blocks to be noted are learned first: what is stored meanwhile is noted, or found.
        """
        async with self.pool.acquire() as conn:
            version = await due.newest_registry(conn)
        if version != self._version:
            await self.watch()
            self._version = version
        async with self.pool.acquire() as conn, conn.transaction():
            await due.note_ended(conn, until)
            if until - self._quiet_at >= QUIET_EVERY:
                await due.note_quiet(conn, until)
                self._quiet_at = until
            known = await read_progress(conn, "compliance")
            if version > known:
                await due.note_registry(conn, known, until)
                await write_progress(conn, "compliance", version)

    def _spans(self, found: NDArray[np.void]) -> dict[int, list[Span]]:
        """Return the spans that changed, by value channel."""
        by_block: dict[int, list[Span]] = {}
        for row in found:
            span = (int(row["first"]), int(row["last"]))
            by_block.setdefault(int(row["channel"]), []).append(span)
        by_value: dict[int, list[Span]] = {}
        for block, spans in by_block.items():
            for value in self._watched.values(block):
                by_value.setdefault(value, []).extend(spans)
        return {
            value: merged(spans, APART)
            for value, spans in by_value.items()
            if value not in self._failed
        }

    def _fails(self, block: int) -> bool:
        return not self._failed.isdisjoint(self._watched.values(block))

    async def _judge_all(self, spans: dict[int, list[Span]], until: int) -> None:
        while spans:
            once = {channel: rest.pop(0) for channel, rest in spans.items()}
            spans = {channel: rest for channel, rest in spans.items() if rest}
            order = dict(sorted(once.items(), key=lambda item: item[1]))
            await self._in_parts(order, CHANNELS_AT_ONCE, until)

    async def _in_parts(self, spans: dict[int, Span], most: int, until: int) -> None:
        """Judge ``most`` channels at a time.

        What cannot be judged (a rule that contradicts itself) is left out until the next registry
        or start, and harms no others.
        """
        order = list(spans)
        for at in range(0, len(order), most):
            part = {channel: spans[channel] for channel in order[at : at + most]}
            try:
                await self._judge(part, until)
            except (ValueError, ArithmeticError, LookupError, TypeError) as error:
                if len(part) > 1:
                    await self._in_parts(part, 1, until)
                    continue
                self._failed |= set(part)
                _log.error("not judged", channels=list(part), error=repr(error))

    async def _judge(self, spans: dict[int, Span], until: int) -> None:
        """Judge some channels, fewer at a time where their periods are long."""
        began = time.monotonic()
        async with self.pool.acquire() as conn:
            chunk = await chunk_of(conn, spans, self.default_zone, until)
            most = max(1, CELLS // max(1, chunk.rows))
            if len(spans) <= most:
                await self._judge_chunk(conn, chunk, until)
        if len(spans) > most:
            reading = chunk.reading(CELLS // len(spans))
            far = {channel: spans[channel] for channel in spans if channel in reading}
            near = {channel: spans[channel] for channel in spans if channel not in reading}
            if far and near:  # those of a day need not wait for those of a year
                await self._in_parts(near, CHANNELS_AT_ONCE, until)
                spans = far
            await self._in_parts(spans, most, until)
        else:
            self.metrics.compliance_seconds.observe(time.monotonic() - began)

    async def _judge_chunk(self, conn: asyncpg.Connection, chunk: Chunk, until: int) -> None:
        if not len(chunk.changes):
            return
        averages = await chunk.averages(conn)
        judged = await asyncio.to_thread(
            judge_scopes, chunk.scopes, averages, chunk.columns, chunk.changes, until
        )
        rows = judged.rows
        stored = await verdicts.read_current(conn, chunk.changes)
        stored = stored[depends(stored, chunk.changes)]
        news, revision = await asyncio.to_thread(changed, rows, stored, FIGURES)
        running = rows[~rows["over"]]
        journal = Journal()
        async with conn.transaction():
            await verdicts.write_verdicts(conn, news, revision)
            await verdicts.replace_running(conn, chunk.changes, running, until)
            await note_begun(conn, chunk.begun())
            await drop_carried(conn, chunk.changes[~chunk.changes["carried"]])
            await write_carried(conn, judged.carried)
            await self._forecast(conn, journal, chunk, running, until)
        if journal.history:
            self.store.announce(journal)

    async def _forecast(
        self,
        conn: asyncpg.Connection,
        journal: Journal,
        chunk: Chunk,
        running: NDArray[np.void],
        until: int,
    ) -> None:
        limits = chunk.changes["limit"].tolist()
        open_alerts = await read_alerts_since(conn, limits, FAR, FORECAST)
        still = await verdicts.limits_running(conn, [alert.limit for alert in open_alerts])
        by_limit = {int(row["limit"]): row for row in running}
        unresolved: dict[int, Alert] = {
            alert.limit: alert
            for alert in open_alerts
            if alert.limit in by_limit or alert.limit not in still
        }
        record_forecasts(journal, by_limit, unresolved, chunk.alternatives(), until)
        if journal.after:
            await self.store.write_journal(conn, journal)
