"""The course of one limit's alerts along time: what ``machine.step`` says, M after M, at once.

Run lengths are computed for all evaluations together; the alerts are then found by jumping from
one event to the next, so that the cost is that of the episodes and not of the minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from alerts.core.episodes import Change, Episode
from alerts.core.machine import State, Thresholds, compare, lasted
from alerts.core.vocabulary import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Change", "Episode", "course"]


def course(  # noqa: PLR0913, PLR0917 - the arguments of machine.step, along time
    at: NDArray[np.int64],
    mean: NDArray[np.float64],
    assessable: NDArray[np.bool_],
    in_force: NDArray[np.bool_] | np.bool_,
    thresholds: Thresholds,
    step_us: int,
    state: State,
) -> tuple[list[Episode], State]:
    """Return the episodes of one limit over the evaluations ``at``, and the state after them.

    ``at`` ascends; ``mean``, ``assessable``, ``in_force`` and the thresholds are parallel to it
    (or of length 1). ``state`` has length 1 and is left as it is. Exactly what ``machine.step``
    would make of each evaluation in turn; a pending run that ended without opening leaves nothing,
    one that still goes on is the last episode, not confirmed.
    """
    in_force = np.broadcast_to(in_force, at.shape)
    walk = _Walk(state, step_us)
    edges = np.flatnonzero(np.diff(in_force)) + 1
    for begin, end in zip((0, *edges), (*edges, len(at)), strict=True):
        if begin == end:
            continue
        if not in_force[begin]:
            walk.lapse(int(at[begin]))
            continue
        rows = begin + np.flatnonzero((assessable & ~np.isnan(mean))[begin:end])
        walk.follow(at[rows], mean[rows], thresholds.take(rows))
    return walk.finish()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Evaluations of a limit in force, all assessed, and where the machine's conditions hold."""

    at: NDArray[np.int64]
    mean: NDArray[np.float64]
    runs: tuple[NDArray[np.int32], ...]
    rise: NDArray[np.int64]
    raised: NDArray[np.int64]
    lowered: NDArray[np.int64]
    cleared: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        at: NDArray[np.int64],
        mean: NDArray[np.float64],
        thresholds: Thresholds,
        step_us: int,
        before: tuple[int, ...],
    ) -> _Stretch:
        now = compare(mean, np.True_, thresholds)
        conditions = (
            now.over_warning,
            now.over_exceedance,
            now.below_exceedance,
            now.below_warning,
        )
        runs = tuple(_runs(one, length) for one, length in zip(conditions, before, strict=True))
        raised = lasted(runs[1], thresholds.open_after, step_us)
        return cls(
            at,
            mean,
            runs,
            rise=np.flatnonzero(raised | lasted(runs[0], thresholds.open_after, step_us)),
            raised=np.flatnonzero(raised),
            lowered=np.flatnonzero(lasted(runs[2], thresholds.clear_after, step_us)),
            cleared=np.flatnonzero(lasted(runs[3], thresholds.clear_after, step_us)),
        )

    def run_begins(self, place: int) -> int:
        """Return where the run over the warning threshold began; below 0: before the stretch."""
        return place - int(self.runs[0][place]) + 1

    def change(
        self, place: int, state: Literal["pending", "open", "resolved"], severity: Severity
    ) -> Change:
        return Change(int(self.at[place]), state, severity, float(self.mean[place]))


class _Walk:
    """Goes along a course from event to event and gathers the episodes."""

    def __init__(self, state: State, step_us: int) -> None:
        self._step = step_us
        self._episodes: list[Episode] = []
        self._runs = tuple(int(getattr(state, name)[0]) for name in _RUNS)
        self._value = float(state.value[0])
        self._current = _continued(state)  # the alert that is open or pending

    def lapse(self, at: int) -> None:
        """End whatever goes on: the limit is no longer in force."""
        if self._current and self._current.confirmed:
            self._current.resolved_at = at
            change = Change(at, "resolved", self._current.severity, np.nan)
            self._current.changes.append(change)
            self._episodes.append(self._current)
        self._current = None
        self._runs = (0, 0, 0, 0)

    def follow(
        self, at: NDArray[np.int64], mean: NDArray[np.float64], thresholds: Thresholds
    ) -> None:
        """Go along evaluations that were all assessed, of a limit in force."""
        if not len(at):
            return
        stretch = _Stretch.of(at, mean, thresholds, self._step, self._runs)
        place, begin = -1, 0
        while True:
            alert = self._current
            if alert is None or not alert.confirmed:
                found = _next(stretch.rise, place)
                if found is None:
                    self._pend(stretch)
                    break
                place, begin = found, stretch.run_begins(found)
                alert = self._open(stretch, begin, place)
            end = _climb(alert, stretch, place)
            _note(alert, stretch, begin, len(at) - 1 if end is None else end)
            if end is None:
                break
            self._episodes.append(alert)
            self._current, place = None, end
        self._runs = tuple(int(run[-1]) for run in stretch.runs)
        self._value = float(mean[-1])

    def _begin(self, stretch: _Stretch, begin: int) -> Episode:
        """Return the pending alert of a run that began there, which may be the one carried on."""
        if begin < 0 and self._current:
            return self._current
        at, mean = int(stretch.at[begin]), float(stretch.mean[begin])
        warning = Severity.WARNING
        return Episode(at, False, None, warning, warning, mean, at, mean)  # noqa: FBT003

    def _open(self, stretch: _Stretch, begin: int, place: int) -> Episode:
        alert = self._current = self._begin(stretch, begin)
        if 0 <= begin < place:
            alert.changes.append(stretch.change(begin, "pending", Severity.WARNING))
        alert.confirmed = True
        raised = _next(stretch.raised, place - 1) == place
        alert.severity = alert.worst = Severity.EXCEEDANCE if raised else Severity.WARNING
        alert.changes.append(stretch.change(place, "open", alert.severity))
        return alert

    def _pend(self, stretch: _Stretch) -> None:
        """Keep the run over the threshold that goes on at the end of a stretch, if any."""
        last = len(stretch.at) - 1
        begin = stretch.run_begins(last)
        if begin > last:
            self._current = None
            return
        alert = self._current = self._begin(stretch, begin)
        if begin >= 0:
            alert.changes.append(stretch.change(begin, "pending", Severity.WARNING))
        _note(alert, stretch, begin, last)

    def finish(self) -> tuple[list[Episode], State]:
        """Return the episodes and the state at the end."""
        state = State.empty(1)
        for name, run in zip(_RUNS, self._runs, strict=True):
            getattr(state, name)[0] = run
        state.value[0] = self._value
        alert = self._current
        if alert is None:
            return self._episodes, state
        state.pending[0] = not alert.confirmed
        if alert.confirmed:
            state.severity[0], state.worst[0] = alert.severity, alert.worst
        state.opened_at[0], state.peak[0], state.peak_at[0] = (
            alert.opened_at,
            alert.peak,
            alert.peak_at,
        )
        return [*self._episodes, alert], state


_RUNS = ("over_warning", "over_exceedance", "below_exceedance", "below_warning")


def _continued(state: State) -> Episode | None:
    severity = Severity(int(state.severity[0]))
    if not severity and not state.pending[0]:
        return None
    return Episode(
        opened_at=int(state.opened_at[0]),
        confirmed=severity > Severity.NONE,
        resolved_at=None,
        severity=severity or Severity.WARNING,
        worst=Severity(int(state.worst[0])) or Severity.WARNING,
        peak=float(state.peak[0]),
        peak_at=int(state.peak_at[0]),
        value=float(state.value[0]),
        continued=True,
    )


def _climb(alert: Episode, stretch: _Stretch, place: int) -> int | None:
    """Follow an open alert's severity from ``place`` on; return where it resolves, if it does."""
    while True:
        if alert.severity == Severity.EXCEEDANCE:
            found = _next(stretch.lowered, place)
            if found is None:
                return None
            place, alert.severity = found, Severity.WARNING
            if _next(stretch.cleared, place - 1) != place:
                alert.changes.append(stretch.change(place, "open", Severity.WARNING))
                continue
            end: int | None = place
        else:
            up, end = _next(stretch.raised, place), _next(stretch.cleared, place)
            if up is not None and (end is None or up < end):
                place, alert.severity, alert.worst = up, Severity.EXCEEDANCE, Severity.EXCEEDANCE
                alert.changes.append(stretch.change(place, "open", Severity.EXCEEDANCE))
                continue
        if end is not None:
            alert.resolved_at = int(stretch.at[end])
            alert.changes.append(stretch.change(end, "resolved", Severity.WARNING))
        return end


def _note(alert: Episode, stretch: _Stretch, begin: int, end: int) -> None:
    """Take the highest and the last mean of an alert's evaluations, ``end`` included."""
    means = stretch.mean[max(begin, 0) : end + 1]
    top = int(np.argmax(means))
    if means[top] > alert.peak:
        alert.peak, alert.peak_at = float(means[top]), int(stretch.at[max(begin, 0) + top])
    alert.value = float(means[-1])


def _runs(condition: NDArray[np.bool_], before: int) -> NDArray[np.int32]:
    """Return how many evaluations in a row, up to each, met the condition."""
    place = np.arange(1, len(condition) + 1)
    broken = np.maximum.accumulate(np.where(condition, -before, place))
    return (place - broken).astype(np.int32)


def _next(places: NDArray[np.int64], after: int) -> int | None:
    """Return the first of ascending places that comes after one."""
    i = int(np.searchsorted(places, after, side="right"))
    return int(places[i]) if i < len(places) else None
