"""The courses of limits' alerts along time: what ``machine.step`` says, M after M, at once.

What happens (a run over a threshold has lasted, or one below it) is found for all limits together
and put in order; how severe an alert is follows from what happened last. So the cost beside one
look at each evaluation is that of what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.episodes import Change, Episode
from alerts.core.happened import LAPSE, Happened, happened
from alerts.core.machine import State, compare, needed
from alerts.core.spans import Alerts, Spans, alerts_of, spans_of
from alerts.core.spells import Evaluations, spells
from alerts.core.vocabulary import NEVER, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.machine import Thresholds
    from alerts.core.spells import Spells

__all__ = ["Alerts", "Change", "Courses", "Episode", "Evaluations", "course", "follow"]

_RUNS = ("over_warning", "over_exceedance", "below_exceedance", "below_warning")


@dataclass(frozen=True, slots=True)
class Courses:
    """The alerts of n limits along their evaluations; ``episodes`` and ``state`` for more."""

    alerts: Alerts
    _given: Evaluations
    _before: State
    _runs: tuple[Spells, ...]
    _events: Happened
    _spans: Spans

    def episodes(self, limit: int) -> list[Episode]:
        """Return the alerts of the limit at a place, with their changes."""
        alerts = self.alerts
        first, last = np.searchsorted(alerts.limit, [limit, limit + 1])
        return [
            Episode(
                opened_at=int(alerts.opened_at[row]),
                confirmed=bool(alerts.confirmed[row]),
                resolved_at=None if (at := int(alerts.resolved_at[row])) == NEVER else at,
                severity=Severity(int(alerts.severity[row])),
                worst=Severity(int(alerts.worst[row])),
                peak=float(alerts.peak[row]),
                peak_at=int(alerts.peak_at[row]),
                value=float(alerts.value[row]),
                changes=self._changes(row),
                continued=bool(alerts.continued[row]),
            )
            for row in range(first, last)
        ]

    def _changes(self, alert: int) -> list[Change]:
        at, mean, events = self._given.at, self._given.mean, self._events
        _, opens, ends, begin, start, _ = (int(one[alert]) for one in self._spans)
        changes = []
        if begin == start and (opens > ends or begin < events.row[opens]):
            changes.append(Change(int(at[begin]), "pending", Severity.WARNING, float(mean[begin])))
        for event in range(opens, ends + 1):
            severity, previous = int(events.severity[event]), int(events.previous[event])
            if severity == previous or events.carried[event]:
                continue
            if events.kind[event] == LAPSE:
                moment, value = int(self._given.lapse[events.stretch[event]]), np.nan
            else:
                moment, value = int(at[events.row[event]]), float(mean[events.row[event]])
            if severity:
                changes.append(Change(moment, "open", Severity(severity), value))
            else:
                lapsed = events.kind[event] == LAPSE
                left = Severity(previous) if lapsed else Severity.WARNING
                changes.append(Change(moment, "resolved", left, value))
        return changes

    def state(self) -> State:
        """Return the state of the n limits at the end."""
        given, alerts = self._given, self.alerts
        n = len(self._before)
        last = np.searchsorted(given.limit, np.arange(n), side="right") - 1
        state = State.empty(n)
        for name, run in zip(_RUNS, self._runs, strict=True):
            length = np.where(given.lapse != NEVER, 0, run.at_the_end(given))
            getattr(state, name)[:] = length[last]
        end = given.first[last + 1]
        seen = end > given.first[given.carrying]
        state.value[:] = self._before.value
        state.value[seen] = given.mean[end[seen] - 1]
        on = np.flatnonzero(alerts.resolved_at == NEVER)
        limit = alerts.limit[on]
        state.pending[limit] = ~alerts.confirmed[on]
        for name in ("severity", "worst"):
            getattr(state, name)[limit] = np.where(
                alerts.confirmed[on], getattr(alerts, name)[on], 0
            )
        for name in ("opened_at", "peak", "peak_at"):
            getattr(state, name)[limit] = getattr(alerts, name)[on]
        return state


def follow(given: Evaluations, before: State) -> Courses:
    """Return the courses of n limits, of which ``before`` is the state at their beginning.

    Exactly what ``machine.step`` would make of each evaluation in turn. A pending run that ended
    without opening leaves nothing; one that still goes on is the last alert, not confirmed.
    """
    carried = np.zeros((len(_RUNS) + 1, len(given.limit)), np.int32)
    carrying = given.carrying
    for run, name in zip(carried, (*_RUNS, "severity"), strict=True):
        run[carrying] = getattr(before, name)
    runs = tuple(
        spells(given, getattr(given.now, name), run)
        for name, run in zip(_RUNS, carried, strict=False)
    )
    calm = not len(runs[0].start) and not carried[0].any() and not carried[-1].any()
    if calm:  # for speed alone
        nothing: Any = np.zeros(0, np.intp)
        events, spans = Happened(*[nothing] * 7), Spans(*[nothing] * 6)
        return Courses(Alerts.none(), given, before, runs, events, spans)
    events = happened(given, runs, carried[-1])
    spans = spans_of(given, events, runs[0])
    return Courses(alerts_of(given, before, events, spans), given, before, runs, events, spans)


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
    (or of length 1). ``state`` has length 1 and is left as it is. As ``follow`` says.
    """
    in_force = np.broadcast_to(in_force, at.shape)
    edges = np.flatnonzero(np.diff(in_force, prepend=np.True_))
    lapses, begins = edges[::2], np.append(0, edges[1::2])
    lapse = np.full(len(begins), NEVER)
    lapse[: len(lapses)] = at[lapses]
    rows = np.flatnonzero(in_force & assessable & ~np.isnan(mean))
    first = np.append(np.searchsorted(rows, begins), len(rows))
    own = thresholds.take(rows)
    opening, clearing = (
        np.broadcast_to(needed(duration, step_us), rows.shape)
        for duration in (own.open_after, own.clear_after)
    )
    changes = np.flatnonzero((np.diff(opening) != 0) | (np.diff(clearing) != 0)) + 1
    piece = np.union1d(first[:-1], changes)
    given = Evaluations(
        at=at[rows],
        mean=mean[rows],
        now=compare(mean[rows], np.True_, own),
        limit=np.zeros(len(begins), np.intp),
        first=first,
        lapse=lapse,
        piece=piece,
        opening=np.append(opening, 1)[piece],
        clearing=np.append(clearing, 1)[piece],
    )
    found = follow(given, state)
    return found.episodes(0), found.state()
