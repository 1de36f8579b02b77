"""Figures of a period's earlier days, carried on: so that an hour of a year costs a day's averages.

What periods of the calendar are judged by are sums over their days: averages that count, that
exceed, masses. The sums of the days before some midnight are kept, and the period is judged from
them and the short-term averages since. They are what adding up those days again gives: nothing is
kept that cannot be had from the averages, and whoever has all of them needs no ``Tallies``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.filling import fills
from alerts.core.periods import duration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule

    Floats = NDArray[np.float64]

NAMES = (
    "counts", "values", "raw", "expected", "substituted", "exceeding", "valid_days",
    "operating_days", "days", "measured", "replaced", "hours", "without",
)  # fmt: skip
"""What is added up; a rule uses some of them."""
_OF_PARTS = frozenset({"exceeding", "invalid_days", "out_of_calibration"})


def carries(rule: Rule) -> bool:
    """Tell whether periods of the rule can be judged from figures of their earlier days.

    Weeks, months, quarters and years can, of parts up to a day; not what rolls, what is on end and
    what is filled from before.
    """
    outer, inner = duration(rule.per or rule.average), duration(rule.average)
    if outer.number != 1 or (outer.months is None and outer.unit != "week"):
        return False
    if rule.rolling_per or rule.rolling or fills(rule) or rule.at_most_in_a_row is not None:
        return False
    return not rule.per or (rule.of in _OF_PARTS and not inner.beyond_a_day)


@dataclass(slots=True)
class Tallies:
    """Sums of the period that the rows begin in, from before them on; and those up to their end.

    ``before`` (N, 2, n) by ``NAMES``: the sum of what lies before the rows, and what rounding left
    out of it, so that a year of days adds up like one sum. None: nothing does. ``after`` is what
    to carry on, of the last period.
    """

    before: Floats | None = None
    after: dict[str, Floats] = field(default_factory=dict)

    def add(self, name: str, figures: NDArray[Any]) -> NDArray[Any]:
        """Return figures of the P periods, (P, n), with what lies before the rows in the first."""
        last = np.asarray(figures[-1], np.float64) if len(figures) else np.zeros(0)
        if self.before is None:
            self.after[name] = np.stack([last, np.zeros_like(last)])
            return figures
        total, rest = self.before[NAMES.index(name)]
        if len(figures) == 1:
            self.after[name] = _plus(total, rest, last)
        else:
            self.after[name] = np.stack([last, np.zeros_like(last)])
        whole = figures.copy()
        whole[0] += (total + rest).astype(figures.dtype)
        return whole

    def carried(self, channels: int) -> Floats:
        """Return what to carry on, (N, 2, n)."""
        none = np.zeros((2, channels))
        return np.stack([self.after.get(name, none) for name in NAMES])


def _plus(total: Floats, rest: Floats, more: Floats) -> Floats:
    """Add to a sum without loss: what rounding leaves out goes to ``rest``. Knuth's TwoSum."""
    whole = total + more
    part = whole - total
    return np.stack([whole, rest + ((total - (whole - part)) + (more - part))])
