"""What is carried on of running periods from hour to hour, and when it may be.

It holds for one version of a rule and zone, and as long as nothing before its midnight changes:
whoever judges because an earlier average changed, or the registry, reads the period anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.core.carried import NAMES, Tallies, carries
from alerts.core.compliance import kind_of
from alerts.core.filling import fills
from alerts.core.periods import duration, edges
from alerts.core.pools import blocks
from alerts.core.statistics import judge
from alerts.core.vocabulary import HOUR
from alerts.forecast import Course, days_of_rate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.core.compliance import Condition
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

    Floats = NDArray[np.float64]

HELD_BACK = 3 * HOUR  # days are carried on so long after their end: what comes later costs a year
_FORM = "1"  # of what is stored; another number has every period read anew
_OF_DAYS = 4  # figures of each day
_NO_FIGURES = np.zeros(0)
_NEVER_ENOUGH = -1


@dataclass(frozen=True, slots=True)
class Carried:
    """Figures of a period that begins at ``start``, of its averages that begin before ``upto``.

    Of n conditions of one kind: ``sums`` (N, 2, n) as ``Tallies`` has them, ``weight`` (n,) how
    many valid averages there are, ``days`` the last ones before ``upto`` for the present rate.
    """

    start: int
    upto: int
    sums: Floats
    weight: Floats
    days: Course

    def packed(self) -> Floats:
        """Return the figures of each condition as a row, (n, F)."""
        days = np.stack(self.days.figures(), axis=1)
        channels = len(self.weight)
        parts = [self.sums.reshape(-1, channels), self.weight[None], days.reshape(-1, channels)]
        return np.ascontiguousarray(np.concatenate(parts).T)

    @classmethod
    def unpacked(cls, start: int, upto: int, figures: Floats) -> Carried:
        """Return what ``packed`` made rows of."""
        columns, channels = figures.T, len(figures)
        sums = 2 * len(NAMES)
        days = columns[sums + 1 :].reshape(-1, _OF_DAYS, channels)
        return cls(
            start,
            upto,
            columns[:sums].reshape(len(NAMES), 2, channels),
            columns[sums],
            Course(*(days[:, place] for place in range(_OF_DAYS))),
        )


class Kept(NamedTuple):
    """What is carried on of one condition: a row of ``Carried``, by the ``kind`` of its rule.

    Of a rule that pools operating days no more than where the last ones that it pools begin.
    """

    kind: int
    start: int
    upto: int
    figures: Floats


NO_KEPT: Mapping[int, Kept] = MappingProxyType({})


@lru_cache(maxsize=1024)
def fingerprint(kind: Rule, zone: str) -> int:
    """Return what tells a kind of rule in a zone from others, for good: 63 bits."""
    digest = hashlib.sha256(f"{_FORM} {zone} {kind!r}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def midnight_to_carry(rule: Rule, zone: str, until: int) -> int:
    """Return up to which midnight days are over, and not since yesterday's late data are due."""
    short = duration(rule.short_term)
    # Any average is left to be judged, be it a day of 25 hours.
    at, grid = until - max(HELD_BACK, short.exact + HOUR), short.grid
    return int(edges(duration("1d"), zone, at, at + 1, grid)[0][0])


def carry(  # noqa: PLR0913, PLR0917 - as ``judge``
    rule: Rule,
    conditions: Sequence[Condition],
    limit: Floats,
    short: ShortTerm,
    until: int,
    in_force: NDArray[np.bool_],
    before: Carried | None,
    running: Collection[int],
) -> dict[int, Kept]:
    """Return what to carry on of conditions of one kind and zone; nothing where nothing is new.

    ``short`` as for ``judge``, with ``before`` what it lacks of the period that it begins in.
    ``running``: the limits with a period that is not over, others have nothing to be carried on.
    """
    zone = conditions[0].zone
    upto = midnight_to_carry(rule, zone, until)
    rows = int(np.searchsorted(short.start, upto))
    if not rows or not running:
        return {}
    part, forced = short.first(rows), in_force[:rows]
    kind, found = fingerprint(rule, zone), {}
    if looks_for_days(rule):
        since = _operated_since(rule, zone, part, forced)
        found = {
            column: Kept(kind, int(since[column]), upto, _NO_FIGURES)
            for column in np.flatnonzero(since > _NEVER_ENOUGH).tolist()
        }
    elif carries(rule):
        limit = limit[:rows] if limit.ndim > 1 else limit
        sums = _sums(rule, limit, part, zone, forced, upto, before)
        if sums is not None:
            figures = sums.packed()
            found = {
                column: Kept(kind, sums.start, upto, figures[column])
                for column in range(len(conditions))
            }
    limits = {column: conditions[column].limit for column in found}
    return {limits[column]: one for column, one in found.items() if limits[column] in running}


def looks_for_days(rule: Rule) -> bool:
    """Tell whether the rule pools operating days, which have to be looked for."""
    return not rule.per and duration(rule.average).unit == "operating_day" and not fills(rule)


def _operated_since(
    rule: Rule, zone: str, part: ShortTerm, in_force: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return where the last operating days begin that days after the rows are pooled with, (n,)."""
    number = duration(rule.average).number
    grid = duration(rule.short_term).grid
    by_day = blocks(duration("1d"), zone, part.start, part.finish, grid)
    operates = by_day.count(
        np.broadcast_to(part.stopped < part.expected, in_force.shape) & in_force
    )
    later = np.cumsum(operates[::-1] > 0, axis=0)
    back = np.argmax(later >= number, axis=0)
    return np.where(later[-1] >= number, by_day.start[len(later) - 1 - back], _NEVER_ENOUGH)


def _sums(  # noqa: PLR0913, PLR0917 - as above
    rule: Rule,
    limit: Floats,
    part: ShortTerm,
    zone: str,
    in_force: NDArray[np.bool_],
    upto: int,
    before: Carried | None,
) -> Carried | None:
    """Return the figures of the period at ``upto``; None where one ends then."""
    # An average that goes on over midnight belongs to the day that it begins in.
    known = int(part.finish[-1])
    tallies = Tallies(None if before is None else before.sums)
    verdicts = judge(rule, limit, part, zone, known, in_force, tallies)
    start, finish = int(verdicts.start[-1]), int(verdicts.finish[-1])
    if finish <= upto:
        return None
    part = part.between(int(np.searchsorted(part.start, start)), part.rows)
    days = Course.of(rule, zone, part)
    weight = days.number.sum(axis=0)
    if before is not None and before.start == start:
        days, weight = days.after(before.days), weight + before.weight
    kept = days_of_rate(start, finish) - 1 if rule.statistic in {"mean", "total"} else 0
    return Carried(start, upto, tallies.carried(part.channels), weight, days.last(kept))


def holds(condition: Condition, kept: Kept | None, touched: int, until: int) -> bool:
    """Tell whether what was carried on still holds, where ``touched`` is the first change.

    Not where the limit changes within the period: means are held to the mean of the limits.
    """
    if kept is None or kept.upto > touched:
        return False
    inside = [one for one in condition.versions if one.until > kept.start and one.after < until]
    kinds = {fingerprint(kind_of(one.rule), condition.zone) for one in inside}
    return kinds == {kept.kind} and len({one.rule.limit for one in inside}) == 1
