"""The tiers of 40 CFR part 75 for missing hours: SO2 and the like, moisture, NOx and flow.

Arrays as in ``alerts.core.substitution``. Sources: 40 CFR 75.31, 75.33(a) and (b), 75.37, 75.57
table 4a. Not verified, because from memory: the tiers of NOx and flow (75.33(c) and (d)), the
ranges of load (appendix C, table C-1), the way of counting percentiles. Not done: 75.33(a) has the
standard tiers begin three years after certification, however few hours were measured until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.rounding import round_decimals
from alerts.core.substitution import Method, fill_gaps
from alerts.core.vocabulary import HOUR

if TYPE_CHECKING:
    from alerts.core.conditions import Floats
    from alerts.core.substitution import Clock, Codes, Fill, Flags, Gap, Substituted

SO2_LOOK_BACK = 720  # quality-assured hours: SO2, CO2, O2, moisture
NOX_LOOK_BACK = 2160  # NOx and flow
THREE_YEARS = 26_280 * HOUR  # how far back anything is looked for
AVAILABILITY_HOURS = 8_760  # of operation, in which the monitor's availability is counted
RANGES = 10  # of load, each a tenth of the maximum


@dataclass(frozen=True, slots=True)
class Tiers:
    """What 40 CFR part 75 asks of one quantity.

    ``look_back``: quality-assured hours, of at most the last three years (older ones are left out
    by whoever gives the averages). ``potential``: the maximum potential concentration or flow.
    ``lesser``: moisture, where the lower value is the careful one, so that ``potential`` is the
    minimum and every tier is turned round. ``by_load``: NOx and flow, see ``part75``.
    """

    potential: float
    look_back: int = SO2_LOOK_BACK
    lesser: bool = False
    by_load: bool = False


def part75(  # noqa: PLR0913, PLR0917 - what the table of 75.33 goes by
    value: Floats,
    operating: Flags,
    availability: Floats,
    tiers: Tiers,
    clock: Clock | None = None,
    ranges: Codes | None = None,
) -> Substituted:
    """Fill gaps by the tiers of 40 CFR 75.33(b), or 75.37 for moisture; rows are hours.

    ``availability`` [%], (T, n), is that of the monitor in each hour (``availabilities``), by which
    each hour of a gap has its tier. Before the look-back is full: the neighbours, and the
    potential value where nothing was measured before (75.31(b)). A gap that is too long for
    neighbours has the potential value too.

    Of NOx and flow (``tiers.by_load``, 75.33(c)) the look-back is of hours in the ``ranges`` of
    load (T, n) that the missing hour is in, its mean stands where 75.33(b) has the neighbours, and
    where the range has no hour the maximum of the next higher one that has any, else the potential
    value; before the look-back is full it is the mean of all before, in the range or the next
    higher one (75.31(c)). 0: the load is not known, so that nothing is in range. Without
    ``ranges`` all hours are in one (units without load, 75.33(d)).
    """
    one = np.ones_like(operating, np.int8)
    within = one if ranges is None else np.broadcast_to(ranges, operating.shape)

    def fill(gap: Gap, channel: int) -> Fill:
        hours = availability[gap.rows, channel]
        if tiers.by_load:
            return _by_load(gap, hours, within[:, channel], tiers)
        return _by_tier(gap, hours, tiers)

    return fill_gaps(value, operating, fill, clock)


def availabilities(clock: Clock, valid: Flags, operating: Flags) -> Floats:
    """Return the monitor's availability [%] in each hour, to one decimal, (T, n); NaN before any.

    Hours with valid data of 100 hours of operation, of all so far, then of the last 8,760 within
    the last 26,280 hours by the clock. 40 CFR 75.32, eq. 8 and 9.
    """
    found = np.full(valid.shape, np.nan)
    early = np.searchsorted(clock.start, clock.finish - THREE_YEARS)
    for channel in range(valid.shape[1]):
        rows = np.flatnonzero(operating[:, channel])
        good = np.concatenate([[0], np.cumsum(valid[rows, channel])])
        upto = np.arange(1, len(rows) + 1)
        since = np.maximum(upto - AVAILABILITY_HOURS, np.searchsorted(rows, early[rows]))
        share = 100 * (good[upto] - good[since]) / np.maximum(upto - since, 1)
        found[rows, channel] = round_decimals(share, 1)
    return found


def load_ranges(load: Floats, maximum: float) -> Codes:
    """Return the range of each load, 1 to 10, by tenths of the ``maximum``; 0 where it is NaN.

    A load on the edge of two is in the lower one, one above the maximum in the highest. Appendix C,
    2.2.1, table C-1 (not verified).
    """
    tenths = np.ceil(np.round(RANGES * load / maximum, 9))
    return np.where(np.isnan(load), 0, np.clip(tenths, 1, RANGES)).astype(np.int8)


def _by_tier(gap: Gap, availability: Floats, tiers: Tiers) -> Fill:
    if not len(gap.before):
        return tiers.potential, Method.POTENTIAL
    if len(gap.before) < tiers.look_back:
        return gap.neighbours, Method.INITIAL
    recent = gap.before[-tiers.look_back :]
    value, method = np.full(len(gap.rows), np.nan), _methods(gap, availability, tiers)
    for one in np.unique(method).tolist():
        value[method == one] = _tier(gap, recent, Method(one), tiers)
    return value, method


def _by_load(gap: Gap, availability: Floats, ranges: Codes, tiers: Tiers) -> Fill:
    """Fill each hour by its tier and range of load: see ``part75``."""
    value = np.full(len(gap.rows), tiers.potential)
    method = np.full(len(gap.rows), Method.POTENTIAL, np.int8)
    initial = len(gap.before) < tiers.look_back
    wanted = (
        np.full(len(gap.rows), Method.INITIAL) if initial else _methods(gap, availability, tiers)
    )
    for own in np.unique(ranges[gap.rows]).tolist():
        here, past = ranges[gap.rows] == own, ranges[gap.past]
        higher = past[past >= own].min(initial=RANGES + 1) if own else RANGES + 1
        recent = gap.before[past == higher][-tiers.look_back :]
        if not len(recent):
            continue
        for one in np.unique(wanted[here]).tolist():
            how = Method(one)
            if higher != own and how not in {Method.INITIAL, Method.POTENTIAL}:
                how = Method.EXTREME
            rows = here & (wanted == one)
            value[rows], method[rows] = _tier(gap, recent, how, tiers), how
    return value, method


def _tier(gap: Gap, recent: Floats, method: Method, tiers: Tiers) -> float:
    """Return what a tier makes of the look-back; NaN where it needs a neighbour that is not there.

    Of one that has the neighbours, or the mean for NOx and flow, ``method`` says which.
    """
    extreme = np.minimum if tiers.lesser else np.maximum
    match method:
        case Method.INITIAL | Method.NEIGHBOURS | Method.MEAN:
            return float(np.mean(recent)) if tiers.by_load else gap.neighbours
        case Method.PERCENTILE_90 | Method.PERCENTILE_95:
            high = 90 if method is Method.PERCENTILE_90 else 95
            edge = percentile(recent, 100 - high if tiers.lesser else high)
            return float(extreme(edge, gap.neighbours))
        case Method.EXTREME:
            return float(extreme.reduce(recent))
        case _:
            return tiers.potential


def _methods(gap: Gap, availability: Floats, tiers: Tiers) -> Codes:
    """Return the tier of each hour of a gap by 75.33(b); an availability of NaN is the lowest."""
    if gap.long:
        return np.full(len(gap.rows), Method.POTENTIAL, np.int8)
    hours, short = len(gap.rows), Method.MEAN if tiers.by_load else Method.NEIGHBOURS
    tier = np.select(
        [availability >= 95, availability >= 90, availability >= 80],  # noqa: PLR2004 - the table
        [
            short if hours <= 24 else Method.PERCENTILE_90,  # noqa: PLR2004
            short if hours <= 8 else Method.PERCENTILE_95,  # noqa: PLR2004
            Method.EXTREME,
        ],
        Method.POTENTIAL,
    )
    return tier.astype(np.int8)


def percentile(values: Floats, percent: int) -> float:
    """Return the least of ``values`` that ``percent`` % of them, at least, do not exceed."""
    rank = -(-len(values) * percent // 100)
    return float(np.partition(values, rank - 1)[rank - 1])
