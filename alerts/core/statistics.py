"""Judging short-term averages by one condition of a rule set.

What a lawyer reads in a rule set ("no daily mean above 110 % of the limit", "95 % of the year's
hourly means at most 200 %") worked out for many channels at once. No clock: what is known by an
instant is judged as of that instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.averaging import masses, means
from alerts.core.events import EVENTS
from alerts.core.evidence import gather
from alerts.core.occurrences import count, share
from alerts.core.verdicts import NONE, Verdicts, either

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from alerts.core.carried import Tallies
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

__all__ = ["NONE", "Verdicts", "either", "judge"]

_STATISTICS = {"mean": means, "share": share, "count": count, "total": masses}


def judge(  # noqa: PLR0913, PLR0917 - the six things that a judgement rests on
    rule: Rule,
    limit: NDArray[np.float64] | float,
    short: ShortTerm,
    zone: str,
    until: int,
    in_force: NDArray[np.bool_] | None = None,
    tallies: Tallies | None = None,
) -> Verdicts:
    """Judge the periods that ``short`` has any short-term average of, the one in progress too.

    ``limit``: the emission limit value (which ``rule.factor`` multiplies) of all channels, of
    each (n,), or of each short-term average (T, n), in ``rule.uom``. ``zone``: the reporting zone.
    ``until``: what ended later is not looked at. ``in_force`` (T, n): which short-term averages
    the limit is in force for; None: all.

    ``short`` must hold each period from its beginning, in every window; of rolling periods those
    are judged that lie in it whole. With ``tallies`` (of rules that ``carries`` tells of) the first
    period's earlier days may be missing: they are what the tallies say. NaN counts as missing.
    Raises ValueError for a rule that contradicts itself.
    """
    if rule.statistic not in _STATISTICS:
        raise ValueError(f"expected one of {', '.join(_STATISTICS)}, not {rule.statistic!r}")
    found = gather(rule, limit, short, zone, until, in_force, tallies)
    if rule.statistic == "count" and rule.of in EVENTS:
        return EVENTS[rule.of](found)
    return _STATISTICS[rule.statistic](found)
