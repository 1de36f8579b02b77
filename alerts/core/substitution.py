"""Substitutes for missing averages: never silent, each with the method that it comes from.

Off unless a rule set asks for it. Arrays are (T, n): T averages in order of time, of n channels;
NaN is missing. Only hours of operation are looked at: a gap goes on behind hours without any, and
neighbours and look-backs skip them. Each function returns new values and a ``Method`` for each as
int8. A gap that has not ended has no hour after, so what rests on that one is not there yet.

The tiers of 40 CFR part 75 are in ``alerts.core.part75``. Sources: 40 CFR 75.57, table 4a (the
methods' codes; 11 not verified); Regulation (EU) 2018/2066, Art. 45(3).
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
    Rows = NDArray[np.intp]

LONGEST_GAP = 92 * DAY  # from a gap's first hour on: then it has no neighbours


Number = TypeVar("Number", float, "Floats")


class Method(IntEnum):
    """Where a value comes from; two digits are EPA's method of determination codes (MODC).

    Of NOx and flow a look-back holds only hours in the range of load of the missing hour.
    """

    NONE = -1  # no value: not in operation, or nothing to make a substitute of
    MEASURED = 0
    NEIGHBOURS = 6  # mean of the hour before and the hour after
    INITIAL = 7  # before the look-back is full: the same; NOx, flow: mean of all before
    PERCENTILE_90 = 8  # of the look-back, or the neighbours if they are higher; moisture: 10th
    PERCENTILE_95 = 9  # likewise; moisture: 5th
    EXTREME = 10  # maximum of the look-back; moisture: minimum
    MEAN = 11  # of the look-back: NOx and flow
    POTENTIAL = 12  # maximum potential concentration; moisture: minimum
    DEVIATIONS = 101  # mean and two standard deviations


@dataclass(frozen=True, slots=True)
class Substituted:
    """Values, NaN where none could be had, and the ``Method`` of each, both (T, n)."""

    value: Floats
    method: Codes


@dataclass(frozen=True, slots=True)
class Clock:
    """When the averages are, (T,) int64 microseconds, and how far before a gap is looked back.

    Without one nothing is too far away.
    """

    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    back: int


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap: its rows, the mean of its neighbours (NaN: one is not there), all values before.

    ``past``: the rows of the values before. ``long``: longer than ``LONGEST_GAP``.
    """

    rows: Rows
    neighbours: float
    past: Rows
    before: Floats
    long: bool


Fill = tuple["float | Floats", "Method | Codes"]  # of a whole gap, or of each of its hours


def neighbours(value: Floats, operating: Flags, clock: Clock | None = None) -> Substituted:
    """Fill gaps with the mean of the average before and the one after (HB/HA)."""
    return fill_gaps(value, operating, lambda gap, _: (gap.neighbours, Method.NEIGHBOURS), clock)


def maximum(
    value: Floats, operating: Flags, look_back: int, clock: Clock | None = None
) -> Substituted:
    """Fill gaps with the maximum of the last ``look_back`` averages before each."""

    def fill(gap: Gap, _: int) -> Fill:
        return float(np.max(gap.before[-look_back:], initial=-np.inf)), Method.EXTREME

    return fill_gaps(value, operating, fill, clock)


def mean_and_deviations(value: Floats, operating: Flags) -> Substituted:
    """Fill gaps with the mean of all averages given plus two of their standard deviations.

    Give those of the reporting year: Regulation (EU) 2018/2066, Art. 45(3). The deviation is that
    of a sample, so two averages at least are needed.
    """
    own = np.where(operating, value, np.nan)
    fills = [above_mean(column[~np.isnan(column)]) for column in own.T]
    return fill_gaps(value, operating, lambda _, channel: (fills[channel], Method.DEVIATIONS))


def above_mean(measured: Floats) -> float:
    """Return mean + 2 standard deviations of measured averages, NaN of fewer than two."""
    if len(measured) < 2:  # noqa: PLR2004 - for a deviation
        return float("nan")
    return with_deviations(float(np.mean(measured)), float(np.std(measured, ddof=1)))


def with_deviations(mean: Number, deviation: Number) -> Number:
    """Return the substitute of Art. 45(3): the mean and two standard deviations."""
    return mean + 2 * deviation


def fill_gaps(
    value: Floats,
    operating: Flags,
    fill: Callable[[Gap, int], Fill],
    clock: Clock | None = None,
) -> Substituted:
    """Put what ``fill`` says of a gap and its channel into all rows of that gap."""
    filled = np.where(operating, value, np.nan)
    method = np.where(np.isnan(filled), Method.NONE, Method.MEASURED).astype(np.int8)
    for channel in range(value.shape[1]):
        for gap in _gaps(value[:, channel], np.flatnonzero(operating[:, channel]), clock):
            substitute, how = (np.broadcast_to(one, len(gap.rows)) for one in fill(gap, channel))
            there = np.isfinite(substitute)
            rows = gap.rows[there]
            filled[rows, channel], method[rows, channel] = substitute[there], how[there]
    return Substituted(filled, method)


def _gaps(value: Floats, rows: Rows, clock: Clock | None) -> Iterator[Gap]:
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
        past = good[early:known]
        yield Gap(rows[first:after], mean, past, value[past], long)
