"""Substitutes for missing averages: never silent, each with the method that it comes from.

Off unless a rule set asks for it. Arrays are (T, n): T averages in order of time, of n channels;
NaN is missing. Only hours of operation are looked at: a gap goes on behind hours without any, and
neighbours and look-backs skip them. Each function returns new values and a ``Method`` for each as
int8. A gap that has not ended has no hour after, so what rests on that one is not there yet.

Sources: 40 CFR 75.31(b), 75.33(b) and, for moisture, 75.37, without the load bins that NOx and
flow have there; that tiers go by the availability in the gap's last hour, and the way of counting
percentiles, are not verified. Regulation (EU) 2018/2066, Art. 45(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from alerts.core.vocabulary import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from alerts.core.conditions import Floats

    Codes = NDArray[np.int8]
    Flags = NDArray[np.bool_]

SO2_LOOK_BACK = 720  # quality-assured hours: SO2, CO2, O2, moisture
NOX_LOOK_BACK = 2160  # NOx and flow
LONGEST_GAP = 92 * DAY  # from a gap's first hour on: then it has no neighbours


Number = TypeVar("Number", float, "Floats")


class Method(IntEnum):
    """Where a value comes from; two digits are EPA's method of determination codes (MODC)."""

    NONE = -1  # no value: not in operation, or nothing to make a substitute of
    MEASURED = 0
    NEIGHBOURS = 6  # mean of the hour before and the hour after
    INITIAL = 7  # the same, before the look-back is full
    PERCENTILE_90 = 8  # of the look-back, or the neighbours if they are higher; moisture: 10th
    PERCENTILE_95 = 9  # likewise; moisture: 5th
    EXTREME = 10  # maximum of the look-back; moisture: minimum
    POTENTIAL = 12  # maximum potential concentration; moisture: minimum
    DEVIATIONS = 101  # mean and two standard deviations


@dataclass(frozen=True, slots=True)
class Substituted:
    """Values, NaN where none could be had, and the ``Method`` of each, both (T, n)."""

    value: Floats
    method: Codes


@dataclass(frozen=True, slots=True)
class Tiers:
    """What 40 CFR part 75 asks of one quantity.

    ``look_back``: quality-assured hours, of at most the last three years (older ones are left out
    by whoever gives the averages). ``potential``: the maximum potential concentration or flow.
    ``lesser``: moisture, where the lower value is the careful one, so that ``potential`` is the
    minimum and every tier is turned round.
    """

    potential: float
    look_back: int = SO2_LOOK_BACK
    lesser: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """When the averages are, (T,) int64 microseconds, and how far before a gap is looked back.

    Without one nothing is too far away.
    """

    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    back: int


@dataclass(frozen=True, slots=True)
class _Gap:
    """One gap: its rows, the mean of its neighbours (NaN: one is not there), all values before.

    ``long``: longer than ``LONGEST_GAP``.
    """

    rows: NDArray[np.int64]
    neighbours: float
    before: Floats
    long: bool


_Fill = tuple[float, Method]


def neighbours(value: Floats, operating: Flags, clock: Clock | None = None) -> Substituted:
    """Fill gaps with the mean of the average before and the one after (HB/HA)."""
    return _filled(value, operating, lambda gap, _: (gap.neighbours, Method.NEIGHBOURS), clock)


def maximum(
    value: Floats, operating: Flags, look_back: int, clock: Clock | None = None
) -> Substituted:
    """Fill gaps with the maximum of the last ``look_back`` averages before each."""

    def fill(gap: _Gap, _: int) -> _Fill:
        return float(np.max(gap.before[-look_back:], initial=-np.inf)), Method.EXTREME

    return _filled(value, operating, fill, clock)


def mean_and_deviations(value: Floats, operating: Flags) -> Substituted:
    """Fill gaps with the mean of all averages given plus two of their standard deviations.

    Give those of the reporting year: Regulation (EU) 2018/2066, Art. 45(3). The deviation is that
    of a sample, so two averages at least are needed.
    """
    own = np.where(operating, value, np.nan)
    fills = [above_mean(column[~np.isnan(column)]) for column in own.T]
    return _filled(value, operating, lambda _, channel: (fills[channel], Method.DEVIATIONS))


def above_mean(measured: Floats) -> float:
    """Return mean + 2 standard deviations of measured averages, NaN of fewer than two."""
    if len(measured) < 2:  # noqa: PLR2004 - for a deviation
        return float("nan")
    return with_deviations(float(np.mean(measured)), float(np.std(measured, ddof=1)))


def with_deviations(mean: Number, deviation: Number) -> Number:
    """Return the substitute of Art. 45(3): the mean and two standard deviations."""
    return mean + 2 * deviation


def part75(
    value: Floats,
    operating: Flags,
    availability: Floats,
    tiers: Tiers,
    clock: Clock | None = None,
) -> Substituted:
    """Fill gaps by the tiers of 40 CFR 75.33(b), or 75.37 for moisture; rows are hours.

    ``availability`` [%], (T, n), is that of the monitor in each hour (``monitor_availability``);
    a gap goes by its last hour's. Before the look-back is full: the neighbours, and the potential
    value where nothing was measured before (75.31(b)). A gap that is too long for neighbours has
    the potential value too.
    """

    def fill(gap: _Gap, channel: int) -> _Fill:
        return _tier(gap, float(availability[gap.rows[-1], channel]), tiers)

    return _filled(value, operating, fill, clock)


def _tier(gap: _Gap, availability: float, tiers: Tiers) -> _Fill:
    if not len(gap.before):
        return tiers.potential, Method.POTENTIAL
    if len(gap.before) < tiers.look_back:
        return gap.neighbours, Method.INITIAL
    method = Method.POTENTIAL if gap.long else _method(availability, len(gap.rows))
    recent = gap.before[-tiers.look_back :]
    extreme = np.minimum if tiers.lesser else np.maximum
    match method:
        case Method.NEIGHBOURS:
            return gap.neighbours, method
        case Method.PERCENTILE_90 | Method.PERCENTILE_95:
            high = 90 if method is Method.PERCENTILE_90 else 95
            edge = percentile(recent, 100 - high if tiers.lesser else high)
            return float(extreme(edge, gap.neighbours)), method  # NaN without a neighbour
        case Method.EXTREME:
            return float(extreme.reduce(recent)), method
        case _:
            return tiers.potential, Method.POTENTIAL


def _method(availability: float, hours: int) -> Method:
    """Return the tier of a gap by 75.33(b); an availability of NaN is the lowest."""
    if availability >= 95:  # noqa: PLR2004 - the table of 75.33(b)
        return Method.NEIGHBOURS if hours <= 24 else Method.PERCENTILE_90  # noqa: PLR2004
    if availability >= 90:  # noqa: PLR2004
        return Method.NEIGHBOURS if hours <= 8 else Method.PERCENTILE_95  # noqa: PLR2004
    return Method.EXTREME if availability >= 80 else Method.POTENTIAL  # noqa: PLR2004


def percentile(values: Floats, percent: int) -> float:
    """Return the least of ``values`` that ``percent`` % of them, at least, do not exceed."""
    rank = -(-len(values) * percent // 100)
    return float(np.partition(values, rank - 1)[rank - 1])


def _filled(
    value: Floats,
    operating: Flags,
    fill: Callable[[_Gap, int], _Fill],
    clock: Clock | None = None,
) -> Substituted:
    """Put what ``fill`` says of a gap and its channel into all rows of that gap."""
    filled = np.where(operating, value, np.nan)
    method = np.where(np.isnan(filled), Method.NONE, Method.MEASURED).astype(np.int8)
    for channel in range(value.shape[1]):
        for gap in _gaps(value[:, channel], np.flatnonzero(operating[:, channel]), clock):
            substitute, how = fill(gap, channel)
            if np.isfinite(substitute):
                filled[gap.rows, channel], method[gap.rows, channel] = substitute, how
    return Substituted(filled, method)


def _gaps(value: Floats, rows: NDArray[np.int64], clock: Clock | None) -> Iterator[_Gap]:
    """Yield the gaps of one channel among its operating ``rows``."""
    missing = np.isnan(value[rows])
    good = rows[~missing]
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    before = np.cumsum(~missing)
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        known, early, long = int(before[first]), 0, False
        whole = known < len(good)
        if clock is not None:
            begin = int(clock.start[rows[first]])
            early = int(np.searchsorted(clock.start[good], begin - clock.back))
            long = int(clock.finish[rows[after - 1]]) - begin > LONGEST_GAP
            whole = whole and int(clock.start[good[known]]) - begin <= LONGEST_GAP
        whole = whole and known > early
        mean = float(value[good[known - 1]] + value[good[known]]) / 2 if whole else float("nan")
        yield _Gap(rows[first:after], mean, value[good[early:known]], long)
