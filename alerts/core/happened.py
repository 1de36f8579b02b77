"""What happens along the courses of limits' alerts, in order, and how severe it leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.core.vocabulary import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.spells import Evaluations, Rows, Spells

    Codes = NDArray[np.int8]

BEGIN, RISE, RAISED, LOWERED, CLEARED, LAPSE = range(6)


class Happened(NamedTuple):
    """Events of all stretches in order, the last one of each evaluation: parallel arrays (E,).

    ``row`` is that of the evaluation; a stretch begins with an event of its own, ``carried`` for
    the alert that goes on there, and a lapse comes after its last row. ``begin``: the row with
    which the latest run over the warning threshold began. ``severity``: of the alert after the
    event, ``previous`` before it; 0 for none.
    """

    row: Rows
    stretch: Rows
    kind: Codes
    begin: Rows
    carried: NDArray[np.bool_]
    severity: Codes
    previous: Codes


def happened(given: Evaluations, runs: tuple[Spells, ...], carried: Codes) -> Happened:
    """Put together what ``runs`` (over warning and exceedance, below these) come to.

    ``carried`` (S,): the severity of the alerts that stretches begin with.
    """
    first, every = given.first[:-1], np.arange(len(given.limit))
    warned, exceeded = (np.flatnonzero(carried == one) for one in (1, 2))
    lapsed = np.flatnonzero(given.lapse != NEVER)
    needed = (given.opening, given.opening, given.clearing, given.clearing)
    lasted = [run.lasted(given, one) for run, one in zip(runs, needed, strict=True)]
    # What a stretch begins with comes before its rows, its lapse after them; and of what happens
    # in one evaluation, what decides comes last.
    parts = (
        (BEGIN, first, first - 1, every, 0),
        (RISE, first[warned], first[warned] - 1, warned, 0),
        (RAISED, first[exceeded], first[exceeded] - 1, exceeded, 0),
        *(
            (kind, rows, begin, given.stretch(rows), 1)
            for kind, (rows, begin) in zip((RISE, RAISED, LOWERED, CLEARED), lasted, strict=True)
        ),
        (LAPSE, given.first[1:][lapsed], given.first[1:][lapsed], lapsed, 1),
    )
    row, begin, stretch = (np.concatenate([part[n] for part in parts]) for n in (1, 2, 3))
    kind, after = (
        np.concatenate([np.full(len(part[1]), part[n], np.int8) for part in parts]) for n in (0, 4)
    )
    place = row + 2 * stretch + after
    order = np.argsort(place, kind="stable")
    kind, place = kind[order], place[order]
    rises = _last(kind == RISE)
    began = begin[order][rises]  # of no rise: of any
    severity = _severity(kind, rises)
    end = np.append(place[1:] != place[:-1], np.True_)
    order, severity = order[end], severity[end]
    starts = after[order] == 0
    previous = np.concatenate([np.zeros(1, np.int8), severity[:-1]])
    previous[starts] = 0
    return Happened(
        row=row[order],
        stretch=stretch[order],
        kind=kind[end],
        begin=np.where(starts, row[order] - 1, began[end]),
        carried=starts,
        severity=severity,
        previous=previous,
    )


def _severity(kind: Codes, rises: Rows) -> Codes:
    raised, lowered = _last(kind == RAISED), _last(kind == LOWERED)
    ended = _last((kind == BEGIN) | (kind >= CLEARED))
    exceeds = (raised > ended) & (raised > lowered)
    severity: Codes = ((raised > ended) | (rises > ended)).astype(np.int8) + exceeds
    return severity


def _last(found: NDArray[np.bool_]) -> Rows:
    """Return the place of the last True up to each place, -1 before any."""
    last: Rows = np.maximum.accumulate(np.where(found, np.arange(len(found)), -1))
    return last
