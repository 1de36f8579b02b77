"""An engine over readings kept in a list: the real engine, and a database in a page of Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.board import Board
from alerts.core.limits import Limits
from alerts.core.records import Readings, Series
from alerts.core.rounding import exact_fraction, thresholds
from alerts.core.vocabulary import MINUTE, NEVER
from alerts.engine import Engine
from alerts.layout import Layout
from alerts.rejudge import Span
from tests.oracles import OUTSIDE_RANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from alerts.core.records import Alert, BlockRows, Entry, JudgementRows
    from alerts.journal import Journal
    from tests.oracles import Limit, Reading

FOREVER = 2**62
CHANNEL = 1


def limits_of(versions: Sequence[Limit], *, limit: int = 1, channel: int = CHANNEL) -> Limits:
    warn = [thresholds(float(v.value), v.warn_at, v.clear_at) for v in versions]
    coverage = [exact_fraction(v.coverage) for v in versions]
    n = len(versions)
    return Limits(
        limit=np.full(n, limit, np.int32),
        version=np.arange(1, n + 1, dtype=np.int32),
        channel=np.full(n, channel, np.int32),
        window=np.array([v.window for v in versions]),
        valid_after=np.array([v.valid_after for v in versions], np.int64),
        valid_until=np.array([min(v.valid_until, FOREVER) for v in versions], np.int64),
        value=np.array([float(v.value) for v in versions]),
        warn=np.array([w[0] for w in warn]),
        clear_exceedance=np.array([w[1] for w in warn]),
        clear_warning=np.array([w[2] for w in warn]),
        coverage_numerator=np.array([c.numerator for c in coverage]),
        coverage_denominator=np.array([c.denominator for c in coverage]),
        open_after=np.array([v.open_after for v in versions], np.int64),
        clear_after=np.array([v.clear_after for v in versions], np.int64),
        legal=np.ones(n, np.bool_),
    )


def layout_of(versions: Sequence[Limit], zone: str = "+05:00") -> Layout:
    period = np.array([MINUTE, versions[0].period], np.int64)
    return Layout.of(
        limits_of(versions),
        active=np.array([False, True]),
        period=period,
        zone=np.zeros(2, np.int32),
        zones=(zone,),
    )


@dataclass
class MemoryStore:
    """The engine's database: readings by batch, alerts by id, blocks with their revisions."""

    readings: list[tuple[int, Reading]] = field(default_factory=list)
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)
    notices: list[tuple[UUID, str]] = field(default_factory=list)
    blocks: dict[tuple[int, int], list[tuple[float, int]]] = field(default_factory=dict)
    judgements: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    judged: int = 0
    closed: set[tuple[int, int]] = field(default_factory=set)  # by the engine that runs

    async def save_alerts(self, journal: Journal, batch: int) -> None:
        assert batch >= self.judged
        self.alerts |= journal.after
        self.history += journal.history
        self.notices += journal.notices()

    async def save_blocks(
        self, blocks: BlockRows, judgements: JudgementRows, batch: int | None, *, compare: bool
    ) -> None:
        for window, start, mean, count, samples in zip(
            blocks.window.tolist(),
            blocks.start.tolist(),
            blocks.mean.tolist(),
            blocks.count.tolist(),
            blocks.samples.tolist(),
            strict=True,
        ):
            known = self.blocks.get((window, start), [])
            assert compare or (window, start) not in self.closed, "a block was closed twice"
            self.closed.add((window, start))
            new = (mean, count)
            if (samples or known) and (not known or repr(known[-1]) != repr(new)):
                self.blocks[window, start] = [*known, new]
        for limit, start, version, state in zip(
            judgements.limit.tolist(),
            judgements.start.tolist(),
            judgements.version.tolist(),
            judgements.state.tolist(),
            strict=True,
        ):
            known_states = self.judgements.setdefault((limit, start), [])
            if not known_states or known_states[-1] != (version, state):
                known_states.append((version, state))
        if batch is not None:
            self.judged = batch

    async def touch_alerts(self, alerts: Sequence[Alert]) -> None:
        assert all(alert.peak_at >= alert.opened_at for alert in alerts)
        self.alerts |= {alert.id: alert for alert in alerts}

    async def read_series(
        self, channels: Sequence[int], start: int, end: int, batch: int
    ) -> Mapping[int, Series]:
        current = {r.time: r for number, r in self.readings if number <= batch}
        rows = [current[time] for time in sorted(current) if start <= time <= end]
        series = Series(
            np.array([r.time for r in rows], np.int64),
            np.array([np.nan if r.value is None else r.value for r in rows]),
            np.array([r.counts for r in rows], np.bool_),
            np.zeros(len(rows), np.int8),
        )
        return dict.fromkeys(channels, series)

    async def read_alerts(self, limits: Sequence[int], since: int) -> list[Alert]:
        return sorted(
            (
                alert
                for alert in self.alerts.values()
                if alert.limit in limits
                and alert.state != "withdrawn"
                and (alert.resolved_at is None or alert.resolved_at >= since)
            ),
            key=lambda alert: alert.opened_at,
        )


@dataclass
class Judging:
    """Feeds an engine batch by batch, as the server would."""

    versions: Sequence[Limit]
    zone: str = "+05:00"
    store: MemoryStore = field(default_factory=MemoryStore)
    batch: int = 0

    def __post_init__(self) -> None:
        layout = layout_of(self.versions, self.zone)
        self.engine = Engine(self.store, Board(layout), {})
        self._known: dict[int, Reading] = {}

    async def feed(self, readings: Sequence[Reading], received_at: int) -> None:
        """Commit readings as one batch and have it judged."""
        self.batch += 1
        newest = max(self._known, default=NEVER)
        rows, fresh = [], []
        for reading in readings:
            if self._known.get(reading.time) == reading:
                continue
            rows.append(reading)
            fresh.append(reading.time > newest)
            newest = max(newest, reading.time)
            self._known[reading.time] = reading
            self.store.readings.append((self.batch, reading))
        await self.engine.take(
            Readings(
                batch=self.batch,
                received_at=received_at,
                channel=np.full(len(rows), CHANNEL, np.int32),
                time=np.array([r.time for r in rows], np.int64),
                value=np.array([np.nan if r.value is None else r.value for r in rows]),
                valid=np.array([r.counts for r in rows], np.bool_),
                fresh=np.array(fresh, np.bool_),
                status=np.zeros(len(rows), np.int8),
            )
        )

    async def restart(self, kept_from: int = NEVER) -> None:
        """Go on with a new engine that knows only what the database holds."""
        layout = layout_of(self.versions, self.zone)
        board = Board(layout)
        if self._known:
            board.cold[CHANNEL] = True
            board.newest[CHANNEL] = max(self._known)
        unresolved = {
            alert.limit: alert
            for alert in self.store.alerts.values()
            if alert.state in {"pending", "open"}
        }
        self.engine = Engine(self.store, board, unresolved, self.batch, kept_from)
        # How far the clock came nobody wrote down: what it closed is closed again, to no effect.
        self.store.closed.clear()
        if self._known:
            await self.engine.wake([self._left_unjudged()])

    def _left_unjudged(self) -> Span:
        ends: dict[int, int] = {}
        for window, start in self.store.blocks:
            ends[window] = max(ends.get(window, 0), start + window)
        judged_until = min(ends.values(), default=min(self._known))
        fresh = [r.time for number, r in self.store.readings if number > self.store.judged]
        if not fresh:
            return Span(CHANNEL, judged_until)
        return Span(CHANNEL, judged_until, min(fresh), max(fresh))

    async def finish(self, until: int) -> None:
        """Let the clock judge what no reading moved on, up to ``until``."""
        await self.engine.sweep(until + MINUTE)
        await self.engine.flush()

    def final_alerts(self) -> list[Alert]:
        """Return the alerts that opened, oldest first."""
        opened = (a for a in self.store.alerts.values() if a.state in {"open", "resolved"})
        return sorted(opened, key=lambda alert: alert.opened_at)


__all__ = ["CHANNEL", "OUTSIDE_RANGE", "Judging", "MemoryStore", "limits_of"]
