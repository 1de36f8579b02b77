"""The audit: history judged again from stored readings, and held against what is current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alerts.core.vocabulary import DAY, HOUR, MINUTE, Judgement
from alerts.recompute import Task, readings_needed_from, recompute
from alerts.track import iso
from ingest.archive import Archive, groups, limits_of
from ingest.judge import layout_of
from ingest.judging import series_of
from ingest.link import wall_clock
from ingest.replay_compliance import compliance_differences
from ingest.replay_together import alert_differences, block_differences, judge_together
from storage.judging import read_judgements
from storage.registry_load import load_registry
from storage.times import to_micros
from storage.watch import channel_names

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg
    from rich.console import Console

    from alerts.core.limits import Limits
    from alerts.core.records import JudgementRows
    from alerts.layout import Layout
    from ingest.replay_together import Lines


@dataclass(frozen=True, slots=True)
class _Audit:
    """What is audited: [start, end) of what the archive holds."""

    archive: Archive
    layout: Layout
    start: int
    end: int


async def replay(
    conn: asyncpg.Connection,
    start: datetime,
    end: datetime,
    default_zone: str,
    console: Console,
) -> list[str]:
    """Return a line for each judgement or alert of [start, end) that comes out differently.

    Judgements count by the start of their block, alerts by their ``opened_at``, verdicts of rule
    sets where their period touches the span. Shows its progress on ``console``; what cannot be
    recomputed because its readings were dropped is said there.
    """
    now = wall_clock()
    layout = layout_of(await load_registry(conn, now, default_zone))
    archive = await Archive.of(conn, layout.channels, now)
    begin, kept = to_micros(start), archive.kept_from
    if kept > begin:
        begin = kept + 2 * DAY  # the first day's windows reach back into what was dropped
        console.print(f"readings before {iso(kept)} were dropped: recomputed from {iso(begin)} on")
    newest = archive.newest_of(layout)
    audit = _Audit(archive, layout, begin, to_micros(end))
    channels = np.unique(layout.limit_channel[newest[layout.limit_channel] >= begin])
    names = await channel_names(conn, channels.tolist())
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found: list[str] = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=len(channels))
        upto = int(archive.judged_until(layout, channels)[1].max(initial=begin)) + HOUR
        parts = groups(layout, channels, begin, upto)
        async for group in archive.shelved(layout, parts, begin, upto):
            together = await judge_together(archive, layout, group, (begin, audit.end))
            for channel in together.doubtful:
                found += await _differences(audit, channel, names[channel])
            found += block_differences(together, names)
            progress.advance(task, len(group))
    return found + await compliance_differences(
        archive, (to_micros(start), audit.end), default_zone, console.print
    )


async def _differences(audit: _Audit, channel: int, name: str) -> list[str]:
    """Return what differs from both of what may be: judged by readings only, or by the clock too.

    How far the clock has come nobody wrote down: it may have been stopped with the server. So an
    alert may also be that of its own last change.
    """
    archive, layout, one = audit.archive, audit.layout, np.array([channel], np.int32)
    limits = limits_of(layout, one)
    numbers = np.unique(limits.limit).tolist()
    ends = archive.judged_until(layout, one)
    by_readings, by_clock = (int(end[0]) for end in ends)
    known = await archive.alerts(limits, audit.start)
    task = _task(audit, channel, by_readings)
    start = readings_needed_from(task, limits, known)
    rows = await archive.read(layout, one, start // task.period * task.period, ends[1] + HOUR)
    read = series_of(rows, layout.derived.sources(one).tolist())
    span = (audit.start, audit.end)
    judged = await read_judgements(archive.conn, numbers, *span)

    def compared(until: int) -> Lines:
        series = layout.derived.series(channel, read, until)
        result = recompute(_task(audit, channel, until), limits, known, series, start)
        lines = _judgement_differences(audit, name, result.judgements, judged, limits)
        for number in numbers:
            episodes = result.courses[number].episodes
            lines |= alert_differences(name, number, known.get(number, ()), episodes, span)
        return lines

    lines = compared(by_readings)
    if lines and by_clock > by_readings:
        lines = {key: line for key, line in compared(by_clock).items() if key in lines}
    for alert in (one for some in known.values() for one in some):
        key = ("alert", alert.limit, alert.opened_at)
        # The clock came at least so far; an alert says by itself as of when it is right.
        until = max(alert.changed_at, alert.peak_at)
        if key in lines and by_readings < until < by_clock and key not in compared(until):
            del lines[key]
    return list(lines.values())


def _task(audit: _Audit, channel: int, until: int) -> Task:
    layout = audit.layout
    zone, period = layout.zones[layout.zone[channel]], int(layout.period[channel])
    return Task(channel, period, zone, audit.start, audit.end, audit.start, until)


def _judgement_differences(
    audit: _Audit,
    name: str,
    computed: JudgementRows,
    stored: np.ndarray,
    limits: Limits,
) -> Lines:
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
    lines: Lines = {}
    for key in sorted({*new, *old}):
        was, now = old.get(key), new.get(key)
        if repr(was) == repr(now) or (was is None and now is not None and now[2] == 0):
            continue
        if now is None and was is not None and was[2] == 0:
            continue  # emptied by a revision: the same as if it were not there
        place = f"{name} {windows[key[0]] // MINUTE} min from {iso(key[1])}"
        lines["judgement", *key] = (
            f"judgement {place}: stored {_judgement(was)}, recomputed {_judgement(now)}"
        )
    return lines


def _judgement(row: tuple[int, float, int, int, int] | None) -> str:
    if row is None:
        return "nothing"
    version, mean, count, expected, state = row
    return f"{Judgement(state).label} (mean {mean:g}, {count}/{expected}, version {version})"
