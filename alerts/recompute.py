"""Judge a stretch of one channel's history again, from its stored readings alone.

The same computation serves late and revised readings, a backlog, a start with a cold memory, a
changed registry and the audit: each says only which readings are new and how far to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.course import course
from alerts.core.machine import State, Thresholds
from alerts.core.means import assessable, judge, mean
from alerts.core.records import BlockRows, JudgementRows
from alerts.core.slots import step_for
from alerts.core.vocabulary import HOUR, MINUTE, NEVER, Severity
from alerts.core.zones import block_edges, expected_slots
from alerts.track import Track, granule_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.core.course import Episode
    from alerts.core.limits import Limits
    from alerts.core.records import Alert, Series

STANDARD_WINDOWS = (20 * MINUTE, HOUR)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be judged again of a channel.

    Readings in [``touched_from``, ``touched_to``] are new or changed; rolling means and blocks are
    judged up to ``until``, and were judged up to ``judged_until`` before. Readings older than
    ``kept_from`` were dropped: what rests on them stays as it was decided.
    """

    channel: int
    period: int
    zone: str
    touched_from: int
    touched_to: int
    judged_until: int
    until: int
    kept_from: int = NEVER


@dataclass(frozen=True, slots=True)
class LimitCourse:
    """What a limit's rolling means did from ``start`` on: episodes, and where it stands now."""

    start: int
    episodes: list[Episode]
    state: State
    track: Track
    window: int


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The outcome: courses by limit number, blocks, judgements, and slots to go on from.

    ``tracks`` are by the width of their slots, ``newest`` is the newest reading (NEVER: none).
    """

    courses: dict[int, LimitCourse]
    blocks: BlockRows
    judgements: JudgementRows
    tracks: dict[int, Track]
    newest: int


def first_affected(task: Task, window: int) -> int:
    """Return the first M that holds a touched reading or was not judged yet."""
    step = step_for(window)
    return min(task.touched_from, task.judged_until) // step * step + step


def course_start(task: Task, window: int, known: Sequence[Alert]) -> int:
    """Return the M from which the limit's course is computed anew."""
    return outside_alerts(first_affected(task, window), known)


def outside_alerts(start: int, known: Sequence[Alert]) -> int:
    """Return ``start``, or where the alert opened that it lies within.

    Outside every alert the machine is at rest, so its state is known there.
    """
    for alert in known:
        ended = alert.resolved_at
        if alert.opened_at < start and (ended is None or ended >= start):
            start = alert.opened_at
    return start


def readings_needed_from(task: Task, limits: Limits, known: Mapping[int, Sequence[Alert]]) -> int:
    """Return the time from which the channel's readings must be at hand."""
    earliest = min(task.touched_from, task.judged_until, task.until)
    starts = [earliest - 2 * HOUR]
    for limit, window in limit_windows(limits).items():
        starts.append(course_start(task, window, known.get(limit, ())) - window)
        if window > HOUR:
            # A day may have 25 hours where a zone changes its offset.
            starts.append(earliest - window - 2 * HOUR)
    return min(starts)


def limit_windows(limits: Limits) -> dict[int, int]:
    """Return the window of each limit by its number."""
    return {int(n): int(w) for n, w in zip(limits.limit, limits.window, strict=True)}


def recompute(  # noqa: PLR0913, PLR0917 - a task and what it is judged from
    task: Task,
    limits: Limits,
    known: Mapping[int, Sequence[Alert]],
    series: Series,
    start: int,
    first: int | None = None,
) -> Recomputed:
    """Judge ``task`` anew from ``series``, which is complete from ``start`` on.

    ``first``: before it nothing was ever decided; if not said, before the first of the series.
    """
    newest = int(series.time[-1]) if len(series.time) else NEVER
    if first is None:
        first = int(series.time[0]) if len(series.time) else NEVER
    if first > task.touched_from:
        task, start = _shortened(task, first, limits, known, start)
    tracks = {
        granule: Track.of(series, task.period, granule, start, max(newest, task.until) + 1)
        for granule in {
            granule_in(task.zone, window, task.period) for window in _windows(task, limits)
        }
    }
    courses = {}
    for limit, window in limit_windows(limits).items():
        versions = np.flatnonzero(limits.limit == limit)
        track = tracks[granule_in(task.zone, window, task.period)]
        courses[limit] = limit_course(task, limits, versions, track, known.get(limit, ()))
    blocks, judgements = _blocks(task, limits, tracks)
    return Recomputed(courses, blocks, judgements, tracks, newest)


def _shortened(
    task: Task, first: int, limits: Limits, known: Mapping[int, Sequence[Alert]], start: int
) -> tuple[Task, int]:
    """Leave out the time before ``first``, where every window is empty."""
    task = replace(task, touched_from=first, judged_until=max(task.judged_until, first))
    return task, max(start, readings_needed_from(task, limits, known))


def _windows(task: Task, limits: Limits) -> list[int]:
    """Return the windows that means of the channel are kept of."""
    standard = {window for window in STANDARD_WINDOWS if window % task.period == 0}
    return sorted({*standard, *limits.window.tolist()})


def limit_course(
    task: Task,
    limits: Limits,
    versions: NDArray[np.intp],
    track: Track,
    known: Sequence[Alert],
) -> LimitCourse:
    """Follow one limit's rolling means, by its ``versions`` (rows of ``limits``)."""
    window = int(limits.window[versions[0]])
    step = step_for(window)
    start, before = course_start(task, window, known), State.empty(1)
    whole = -(-(task.kept_from + window) // step) * step if task.kept_from != NEVER else NEVER
    if start < whole:
        start, before = whole, _state_at(whole, known)
    # Beyond the last reading's last window every mean is missing and changes nothing, but for a
    # limit that ends, for good or a while.
    until = min(task.until, max(track.newest, start) + window + step)
    at, means, count = track.rolling(start, until, window)
    lapses = limits.take(versions).lapses()
    beyond = lapses[(lapses > until) & (lapses <= task.until)]
    at, means = np.append(at, beyond), np.append(means, np.full(len(beyond), np.nan))
    count = np.append(count, np.zeros(len(beyond), count.dtype))
    version, in_force = _version_along(limits, versions, at)
    enough = assessable(
        count,
        window // task.period,
        limits.coverage_numerator[version],
        limits.coverage_denominator[version],
    )
    episodes, state = course(
        at,
        means,
        enough & ~np.isnan(means),
        in_force,
        Thresholds.of(limits, version),
        step,
        before,
    )
    return LimitCourse(start, episodes, state, track, window)


def _state_at(at: int, known: Sequence[Alert]) -> State:
    """Return where the machine stood before ``at``, as the stored alerts tell; its runs begin."""
    state = State.empty(1)
    for alert in known:
        if alert.opened_at < at and (alert.resolved_at is None or alert.resolved_at >= at):
            state.pending[0] = alert.state == "pending"
            if alert.state != "pending":
                state.severity[0] = Severity[alert.severity.upper()]
                state.worst[0] = Severity[alert.worst.upper()]
            state.opened_at[0], state.peak_at[0] = alert.opened_at, alert.peak_at
            state.peak[0], state.value[0] = alert.peak, alert.value
    return state


def version_at(
    limits: Limits, versions: NDArray[np.intp], ends: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the version (a row of ``limits``) for windows that end at ``ends``.

    Where none is in force the row is the nearest one and the second array says so.
    """
    place = np.searchsorted(limits.valid_until[versions], ends, side="left")
    row = versions[np.minimum(place, len(versions) - 1)]
    return row, (place < len(versions)) & (ends > limits.valid_after[row])


def _version_along(
    limits: Limits, versions: NDArray[np.intp], at: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the same of ascending ``at``, as arrays of length 1 where it is one throughout."""
    version, in_force = version_at(limits, versions, at[[0, -1]] if len(at) else at)
    if len(at) and version[0] == version[1] and in_force.all():
        return version[:1], in_force[:1]
    return version_at(limits, versions, at)


def _blocks(
    task: Task, limits: Limits, tracks: Mapping[int, Track]
) -> tuple[BlockRows, JudgementRows]:
    blocks, judgements = [], []
    for window in _windows(task, limits):
        track = tracks[granule_in(task.zone, window, task.period)]
        start, finish = _edges(task, window)
        total, samples, count = track.blocks(start, finish)
        expected = expected_slots(start, finish, task.period).astype(np.int32)
        means = mean(total, samples)
        n = len(start)
        if not n:
            continue
        blocks.append(
            BlockRows(
                np.full(n, task.channel, np.int32),
                np.full(n, window),
                start,
                finish,
                means,
                total,
                samples,
                count,
                expected,
            )
        )
        here = np.flatnonzero(limits.window == window)
        for limit in np.unique(limits.limit[here]):
            versions = here[limits.limit[here] == limit]
            version, in_force = version_at(limits, versions, finish)
            in_force &= limits.legal[version]
            states = judge(
                means,
                count,
                expected,
                limits.value[version],
                limits.coverage_numerator[version],
                limits.coverage_denominator[version],
            )
            judgements.append(
                JudgementRows(
                    np.full(n, limit, np.int32)[in_force],
                    limits.version[version][in_force],
                    start[in_force],
                    finish[in_force],
                    means[in_force],
                    count[in_force],
                    expected[in_force],
                    states.astype(np.int16)[in_force],
                )
            )
    return BlockRows.joined(blocks), JudgementRows.joined(judgements)


def _edges(task: Task, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Blocks to be judged: those with touched readings, and those that ended since."""
    start, finish = block_edges(
        window, task.zone, min(task.touched_from, task.judged_until), task.until
    )
    touched = (start <= task.touched_to) & (finish > task.touched_from)
    wanted = (finish <= task.until) & (touched | (finish > task.judged_until))
    wanted &= start >= task.kept_from
    return start[wanted], finish[wanted]
