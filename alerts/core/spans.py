"""Where alerts are along their limits' evaluations, and what each of them comes to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.core.happened import CLEARED, LAPSE
from alerts.core.vocabulary import NEVER, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.core.happened import Happened
    from alerts.core.machine import State
    from alerts.core.spells import Evaluations, Rows, Spells

    Times = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts of many limits, by limit and time: parallel arrays (A,); the rest as in ``Episode``.

    ``limit``: the place of the limit, or its number. ``resolved_at`` is NEVER while an alert goes
    on.
    """

    limit: Rows
    opened_at: Times
    confirmed: Flags
    resolved_at: Times
    severity: Codes
    worst: Codes
    peak: Floats
    peak_at: Times
    value: Floats
    continued: Flags

    @classmethod
    def none(cls) -> Alerts:
        """Return no alerts."""
        number, time = np.zeros(0, np.intp), np.zeros(0, np.int64)
        figure, code, flag = np.zeros(0), np.zeros(0, np.int8), np.zeros(0, np.bool_)
        return cls(number, time, flag, time, code, code, figure, time, figure, flag)

    @classmethod
    def joined(cls, parts: Sequence[Alerts]) -> Alerts:
        """Return the alerts of several parts by limit and time."""
        columns = {
            one.name: np.concatenate([getattr(part, one.name) for part in (cls.none(), *parts)])
            for one in fields(cls)
        }
        order = np.lexsort((columns["opened_at"], columns["limit"]))
        return cls(**{name: column[order] for name, column in columns.items()})


class Spans(NamedTuple):
    """Where alerts are, (A,): events ``opens`` to ``ends``, rows ``start`` to before ``stop``.

    ``begin``: the row with which its first run began, before ``start`` if it is carried on. A
    pending alert has no events: ``opens`` lies behind ``ends``.
    """

    stretch: Rows
    opens: Rows
    ends: Rows
    begin: Rows
    start: Rows
    stop: Rows


def spans_of(given: Evaluations, events: Happened, over_warning: Spells) -> Spans:
    """Return where alerts are, pending ones that go on among them; ``over_warning``: its runs."""
    over = len(events.row)
    opens = np.flatnonzero((events.previous == 0) & (events.severity > 0))
    closes = np.flatnonzero((events.previous > 0) & (events.severity == 0))
    last = np.append(np.flatnonzero(events.carried)[1:], over) - 1  # of each stretch
    stretch = events.stretch[opens]
    ends = np.append(closes, over)[np.searchsorted(closes, opens)]
    ends = np.minimum(ends, last[stretch])
    stop = np.where(events.kind[ends] == CLEARED, events.row[ends] + 1, given.first[stretch + 1])
    # Runs over the warning threshold that go on and did not open an alert yet.
    run = over_warning.at_the_end(given)
    pending = np.flatnonzero(
        (run > 0) & (given.lapse == NEVER) & (events.severity[last] == Severity.NONE)
    )
    till, none = given.first[pending + 1], np.full(len(pending), over)
    both = zip(
        (stretch, opens, ends, events.begin[opens], stop),
        (pending, none, none - 1, till - run[pending], till),
        strict=True,
    )
    columns = [np.concatenate(pair) for pair in both]
    order = np.argsort(columns[0], kind="stable")
    stretch, opens, ends, begin, stop = (column[order] for column in columns)
    return Spans(stretch, opens, ends, begin, np.maximum(begin, given.first[stretch]), stop)


def alerts_of(given: Evaluations, before: State, events: Happened, spans: Spans) -> Alerts:
    """Return what became of the alerts; ``before``: the state of the n limits at the beginning."""
    limit = given.limit[spans.stretch]
    confirmed, continued = spans.opens <= spans.ends, spans.begin < spans.start
    at, mean = np.append(given.at, NEVER), np.append(given.mean, np.nan)
    ends = np.where(confirmed, spans.ends, 0)
    lapsed, cleared = events.kind[ends] == LAPSE, events.kind[ends] == CLEARED
    resolved_at = np.where(cleared, at[events.row[ends]], NEVER)
    resolved_at = np.where(lapsed, given.lapse[spans.stretch], resolved_at)
    severity = np.where(cleared, Severity.WARNING, events.severity[ends])
    severity = np.where(lapsed, events.previous[ends], severity)
    exceeded = np.append(0, np.cumsum(events.severity == Severity.EXCEEDANCE))
    worst = np.where(exceeded[ends + 1] > exceeded[np.where(confirmed, spans.opens, 0)], 2, 1)
    before_worst = np.where(continued, before.worst[limit], Severity.NONE)
    peak, place = _peaks(given.mean, spans.start, spans.stop)
    higher = ~continued | (peak > before.peak[limit])
    return Alerts(
        limit=limit,
        opened_at=np.where(continued, before.opened_at[limit], at[spans.start]),
        confirmed=confirmed,
        resolved_at=np.where(confirmed, resolved_at, NEVER),
        severity=np.where(confirmed, severity, Severity.WARNING).astype(np.int8),
        worst=np.where(confirmed, np.maximum(worst, before_worst), Severity.WARNING).astype(
            np.int8
        ),
        peak=np.where(higher, peak, before.peak[limit]),
        peak_at=np.where(higher, at[place], before.peak_at[limit]),
        value=np.where(spans.stop > spans.start, mean[spans.stop - 1], before.value[limit]),
        continued=continued,
    )


def _peaks(mean: Floats, start: Rows, stop: Rows) -> tuple[Floats, Rows]:
    """Return the highest of the rows ``start`` to before ``stop``, and which is the first one."""
    bounds = np.stack([start, stop], axis=1).ravel()
    top = np.maximum.reduceat(np.append(mean, -np.inf), bounds)[::2]
    length = stop - start
    top[length == 0] = -np.inf
    offset = np.cumsum(length) - length
    rows = np.repeat(start - offset, length) + np.arange(int(length.sum()))
    highest = np.flatnonzero(mean[rows] == np.repeat(top, length))
    place, some = start.copy(), length > 0
    place[some] = rows[highest[np.searchsorted(highest, offset[some])]]
    return top, place
