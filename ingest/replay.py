"""The audit: history judged again from stored readings, and held against what is current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alerts.core.vocabulary import DAY, HOUR, MINUTE, Judgement
from alerts.recompute import Task, readings_needed_from, recompute
from alerts.track import Series, iso
from ingest.judge import layout_of
from ingest.link import wall_clock
from storage.alerts import read_alerts_since
from storage.followers import load_newest
from storage.judging import (
    last_receipt,
    read_judgements,
    read_progress,
    read_series,
    readings_kept_from,
)
from storage.registry_load import load_registry
from storage.times import to_micros
from storage.watch import channel_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg
    from rich.console import Console

    from alerts.core.limits import Limits
    from alerts.core.records import Alert, JudgementRows
    from alerts.layout import Layout
    from alerts.recompute import Recomputed

GRACE = MINUTE + 5_000_000  # microseconds after which the clock has judged what readings did not


@dataclass(frozen=True, slots=True)
class _Audit:
    """What is audited: [start, end), readings of batches up to ``batch``, judged until ``now``."""

    conn: asyncpg.Connection
    layout: Layout
    start: int
    end: int
    batch: int
    now: int | None


async def replay(
    conn: asyncpg.Connection,
    start: datetime,
    end: datetime,
    default_zone: str,
    console: Console,
) -> list[str]:
    """Return a line for each judgement or alert of [start, end) that comes out differently.

    Judgements count by the start of their block, alerts by their ``opened_at``. Shows its progress
    on ``console``; what cannot be recomputed because its readings were dropped is said there.
    """
    now = wall_clock()
    layout = layout_of(await load_registry(conn, now, default_zone))
    begin = to_micros(start)
    kept = await readings_kept_from(conn)
    if kept is not None and kept > begin:
        begin = kept + 2 * DAY  # the first day's windows reach back into what was dropped
        console.print(f"readings before {iso(kept)} were dropped: recomputed from {iso(begin)} on")
    received = await last_receipt(conn) or now
    audit = _Audit(
        conn,
        layout,
        begin,
        to_micros(end),
        await read_progress(conn, "alerts"),
        now if now - received > GRACE else None,
    )
    newest = await load_newest(conn, layout.channels)
    channels = np.unique(layout.limit_channel[newest[layout.limit_channel] >= begin])
    names = await channel_names(conn, channels.tolist())
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found: list[str] = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=len(channels))
        for channel in channels.tolist():
            found += await _differences(audit, channel, int(newest[channel]), names[channel])
            progress.advance(task)
    return found


async def _differences(audit: _Audit, channel: int, newest: int, name: str) -> list[str]:
    layout = audit.layout
    _, rows = layout.limits_by_channel.of_channels(np.array([channel], np.int32))
    limits = layout.limits_of(rows)
    numbers = layout.limit_number[rows].tolist()
    until = newest // MINUTE * MINUTE
    if audit.now is not None:
        horizon = (newest + int(layout.longest[channel])) // MINUTE * MINUTE
        until = max(until, min((audit.now - MINUTE) // MINUTE * MINUTE, horizon))
    task = Task(
        channel,
        int(layout.period[channel]),
        layout.zones[layout.zone[channel]],
        audit.start,
        audit.end,
        audit.start,
        until,
    )
    known: dict[int, list[Alert]] = {}
    for alert in await read_alerts_since(audit.conn, numbers, audit.start):
        known.setdefault(alert.limit, []).append(alert)
    start = readings_needed_from(task, limits, known)
    stored = await read_series(audit.conn, [channel], start, until + HOUR, audit.batch)
    series = Series(stored["time"].copy(), stored["value"].copy(), stored["valid"] == 1)
    result = recompute(task, limits, known, series, start)
    judged = await read_judgements(audit.conn, numbers, audit.start, audit.end)
    return [
        *_judgement_differences(audit, name, result.judgements, judged, limits),
        *(
            line
            for number in numbers
            for line in _alert_differences(audit, name, known.get(number, ()), result, number)
        ),
    ]


def _judgement_differences(
    audit: _Audit,
    name: str,
    computed: JudgementRows,
    stored: np.ndarray,
    limits: Limits,
) -> list[str]:
    windows = dict(zip(limits.limit.tolist(), limits.window.tolist(), strict=True))
    here = (computed.start >= audit.start) & (computed.start < audit.end)
    columns = ("limit", "start", "version", "mean", "count", "expected", "state")
    new = {
        (row[0], row[1]): row[2:]
        for row in zip(*(getattr(computed, c)[here].tolist() for c in columns), strict=True)
    }
    old = {
        (row[0], row[1]): row[2:]
        for row in zip(*(stored[c].tolist() for c in columns), strict=True)
    }
    lines = []
    for key in sorted({*new, *old}):
        was, now = old.get(key), new.get(key)
        if repr(was) == repr(now) or (was is None and now is not None and now[2] == 0):
            continue
        if now is None and was is not None and was[2] == 0:
            continue  # emptied by a revision: the same as if it were not there
        place = f"{name} {windows[key[0]] // MINUTE} min from {iso(key[1])}"
        lines.append(f"judgement {place}: stored {_judgement(was)}, recomputed {_judgement(now)}")
    return lines


def _judgement(row: tuple[int, float, int, int, int] | None) -> str:
    if row is None:
        return "nothing"
    version, mean, count, expected, state = row
    return f"{Judgement(state).label} (mean {mean:g}, {count}/{expected}, version {version})"


def _alert_differences(
    audit: _Audit, name: str, known: Sequence[Alert], result: Recomputed, limit: int
) -> list[str]:
    old = {
        a.opened_at: (a.resolved_at, a.severity, a.worst, a.peak, a.peak_at)
        for a in known
        if a.state in {"open", "resolved"} and audit.start <= a.opened_at < audit.end
    }
    new = {
        e.opened_at: (e.resolved_at, e.severity.label, e.worst.label, e.peak, e.peak_at)
        for e in result.courses[limit].episodes
        if e.confirmed and audit.start <= e.opened_at < audit.end
    }
    return [
        f"alert {name} opened {iso(opened)}: stored {_alert(old.get(opened))}, "
        f"recomputed {_alert(new.get(opened))}"
        for opened in sorted({*old, *new})
        if old.get(opened) != new.get(opened)
    ]


def _alert(course: tuple[int | None, str, str, float, int] | None) -> str:
    if course is None:
        return "nothing"
    resolved, severity, worst, peak, peak_at = course
    ended = "open" if resolved is None else f"resolved {iso(resolved)}"
    return f"{ended}, {severity}, at worst {worst}, peak {peak:g} at {iso(peak_at)}"
