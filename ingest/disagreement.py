"""Compares what units report with what was measured, and keeps the alerts of disagreement.

What is due stands in the database, put there by the transactions that store reported means and
that change blocks of ours; it is taken out in the transaction that stores the alerts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import structlog

from alerts.disagreement import Compared, Series, record_agreement
from alerts.journal import Cause, Journal
from ingest.patience import GivenUp
from storage.alerts import read_disagreements
from storage.comparisons import are_followed, done, due_channels, lock_due, read_course, read_due
from storage.pool import unavailable
from storage.queries.durations import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from alerts.core.records import Alert, BlockRows
    from ingest.judging import JudgingStore
    from storage.comparisons import Beside

_log = structlog.get_logger(__name__)

AT_ONCE = 2_000  # means in a transaction


@dataclass(slots=True)
class _Group:
    """The means of one series that are due, by start, and the alerts that they may concern."""

    rows: list[Beside]
    followed: bool
    known: list[Alert]

    @property
    def series(self) -> Series:
        first = self.rows[0]
        return Series(first.channel, first.window, duration_text(first.window))

    @property
    def first(self) -> int:
        """End of the first block."""
        return self.rows[0].finish

    @property
    def goes_on(self) -> bool:
        """Whether these simply follow what was compared before."""
        return (
            not self.followed
            and all(row.first_time for row in self.rows)
            and len(self.known) <= 1
            and all(
                alert.resolved_at is None and max(alert.changed_at, alert.peak_at) < self.first
                for alert in self.known
            )
        )


@dataclass(slots=True)
class Disagreements:
    """Follows what is stored: ``reported`` and ``blocks_written`` say that there is news."""

    store: JudgingStore
    _waiting: set[int] = field(default_factory=set)  # channels with means that are due
    _news: set[int] = field(default_factory=set)  # those of them to be looked at
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def reported(self, channels: Iterable[int]) -> None:
        """Take note of channels with news among their reported means, or beside them."""
        self._waiting.update(channels)
        self._look(set(channels))

    def blocks_written(self, blocks: BlockRows, beside: set[int]) -> None:
        """Take note of blocks of ours, for which reported means may be waiting.

        ``beside``: the channels where that is known, since the blocks were others before.
        """
        self.reported(beside)
        if self._waiting and len(blocks):
            waiting = np.fromiter(self._waiting, np.int32)
            written = np.zeros(int(max(waiting.max(), blocks.channel.max())) + 1, np.bool_)
            written[blocks.channel] = True
            self._look(set(waiting[written[waiting]].tolist()))

    def _look(self, channels: set[int]) -> None:
        if channels:
            self._news |= channels
            self._wake.set()

    async def run(self) -> None:
        """Compare until cancelled; what is due already first."""
        try:
            await self._restore()
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._compare_all()
        except GivenUp:
            _log.warning("comparing stops before its end; the next start goes on from there")

    async def finish(self) -> None:
        """Compare what there is news of."""
        try:
            await self._compare_all()
        except GivenUp:
            _log.warning("comparing stops before its end; the next start goes on from there")

    async def _restore(self) -> None:
        async def read() -> set[int]:
            async with unavailable("read what is to be compared"), self.store.pool.acquire() as c:
                return await due_channels(c)

        self.reported(await self.store.patience.until_done("read what is to be compared", read))

    async def _compare_all(self) -> None:
        news, self._news = self._news, set()
        while news and await self._compare(sorted(news)):
            pass

    async def _compare(self, channels: list[int]) -> bool:
        """Compare some of what is due of channels; return whether there may be more."""

        async def compare() -> tuple[bool, list[Journal]]:
            async with unavailable("compare means"), self.store.pool.acquire() as conn:
                return await self._transaction(conn, channels)

        more, journals = await self.store.patience.until_done("compare means", compare)
        for journal in journals:
            self.store.announce(journal)
        return more

    async def _transaction(
        self, conn: asyncpg.Connection, channels: list[int]
    ) -> tuple[bool, list[Journal]]:
        journals = [Journal(), Journal(cause=Cause.LATE)]
        async with conn.transaction():
            places = await lock_due(conn, channels, AT_ONCE)
            if places:
                for group in await _groups(conn, await read_due(conn, places)):
                    await _record(conn, group, *journals)
                journals = [journal for journal in journals if journal.after]
                for journal in journals:
                    await self.store.write_journal(conn, journal)
                await done(conn, places)
        return len(places) == AT_ONCE, journals if places else []


async def _groups(conn: asyncpg.Connection, rows: Sequence[Beside]) -> list[_Group]:
    """Return means by series, with what is known of each."""
    parts = [list(part) for _, part in groupby(rows, attrgetter("channel", "window"))]
    firsts = [(part[0].channel, part[0].window, part[0].start) for part in parts]
    followed = await are_followed(conn, firsts)
    groups = [_Group(part, late, []) for part, late in zip(parts, followed, strict=True)]
    series = {(g.series.channel, g.series.average): g for g in groups}
    wanted = [(*key, group.first) for key, group in series.items()]
    for alert in await read_disagreements(conn, wanted):
        series[alert.channel, alert.average].known.append(alert)
    return groups


async def _record(
    conn: asyncpg.Connection, group: _Group, ordinary: Journal, late: Journal
) -> None:
    series = group.series
    if group.goes_on:
        record_agreement(ordinary, series, _compared(group.rows), group.known, whole=False)
        return
    since = min([group.first, *(alert.opened_at for alert in group.known)])
    rows = await read_course(conn, series.channel, series.window, since)
    record_agreement(late, series, _compared(rows), group.known, whole=True)


def _compared(rows: Sequence[Beside]) -> Compared:
    """Return those that can be compared as columns."""
    kept = [row for row in rows if row.comparable]

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([getattr(row, name) for row in kept], np.float64)

    return Compared(
        start=np.array([row.start for row in kept], np.int64),
        finish=np.array([row.finish for row in kept], np.int64),
        reported=column("reported"),
        ours=column("ours"),
        share=column("share"),
        low=column("low"),
        high=column("high"),
    )
