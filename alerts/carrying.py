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
from alerts.core.periods import duration, edges
from alerts.core.statistics import judge
from alerts.core.vocabulary import HOUR
from alerts.forecast import Course, days_of_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.core.compliance import Condition
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

    Floats = NDArray[np.float64]

HELD_BACK = 3 * HOUR  # days are carried on so long after their end: what comes later costs a year
_FORM = "1"  # of what is stored; another number has every period read anew
_OF_DAYS = 4  # figures of each day


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
    """What is carried on of one condition: a row of ``Carried``, by the ``kind`` of its rule."""

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


def midnight_to_carry(zone: str, until: int) -> int:
    """Return up to which midnight days are over, and not since yesterday's late data are due."""
    at = until - HELD_BACK
    return int(edges(duration("1d"), zone, at, at + 1)[0][0])


def carry(  # noqa: PLR0913, PLR0917 - as ``judge``
    rule: Rule,
    limit: Floats,
    short: ShortTerm,
    zone: str,
    until: int,
    in_force: NDArray[np.bool_],
    before: Carried | None,
) -> Carried | None:
    """Return what to carry on of the period that holds ``until``; None for nothing new.

    ``short`` as for ``judge``, with ``before`` what it lacks of the period that it begins in.
    """
    upto = midnight_to_carry(zone, until)
    rows = int(np.searchsorted(short.start, upto))
    if not carries(rule) or not rows:
        return None
    part = short.first(rows)
    # An average that goes on over midnight belongs to the day that it begins in.
    known = int(part.finish[-1])
    tallies = Tallies(None if before is None else before.sums)
    limit = limit[:rows] if limit.ndim > 1 else limit
    verdicts = judge(rule, limit, part, zone, known, in_force[:rows], tallies)
    start, finish = int(verdicts.start[-1]), int(verdicts.finish[-1])
    if finish <= upto:
        return None
    part = part.between(int(np.searchsorted(part.start, start)), part.rows)
    days = Course.of(rule, zone, part)
    weight = days.number.sum(axis=0)
    if before is not None and before.start == start:
        days, weight = days.after(before.days), weight + before.weight
    kept = days_of_rate(start, finish) - 1 if rule.statistic in {"mean", "total"} else 0
    return Carried(start, upto, tallies.carried(short.channels), weight, days.last(kept))


def holds(condition: Condition, kept: Kept | None, touched: int, until: int) -> bool:
    """Tell whether what was carried on still holds, where ``touched`` is the first change.

    Not where the limit changes within the period: means are held to the mean of the limits.
    """
    if kept is None or kept.upto > touched:
        return False
    inside = [one for one in condition.versions if one.until > kept.start and one.after < until]
    kinds = {fingerprint(kind_of(one.rule), condition.zone) for one in inside}
    return kinds == {kept.kind} and len({one.rule.limit for one in inside}) == 1


def kept_of(
    rule: Rule, zone: str, rows: NDArray[np.void], carried: Carried, members: Sequence[Condition]
) -> dict[int, Kept]:
    """Return what to carry on of the conditions that the period which it is of is judged by."""
    ours = set(rows["limit"][~rows["over"] & (rows["start"] == carried.start)].tolist())
    kind, figures = fingerprint(rule, zone), carried.packed()
    return {
        one.limit: Kept(kind, carried.start, carried.upto, figures[column])
        for column, one in enumerate(members)
        if one.limit in ours
    }
