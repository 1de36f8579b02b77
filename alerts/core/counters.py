"""Counters that a plant runs along the year: uninterrupted hours, their sums, weeks out of range.

Arrays are time-major: (T, n) for T short-term averages (or days) of n channels, (P, n) for P
periods (days, weeks, years), whose rows ``period`` (T,) numbers from 0, ascending. Durations are
int64 microseconds, so that 4 h are 4 h and not a hair more. What is not known is neither true nor
false: it has to be said with ``known``.

Sources: EN 14181:2014, 6.5 (valid calibration range); German uniform practice for emission
computers (BEP 2023), annex D 1.4 (S12, S13); Directive 2010/75/EU, Art. 46(6) (4 h and 60 h, from
memory).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Instants = NDArray[np.int64]

TOLERANCE = 1.1  # of the calibration range's end, that is 10 % above it


def runs(
    condition: Flags, start: Instants, finish: Instants, known: Flags, before: Counts | None = None
) -> Counts:
    """Return how long ``condition`` has lasted without a break at the end of each row, (T, n).

    A row that is not ``known`` neither adds to a run nor ends it. ``before`` (n,) is the run that
    the rows before these ended with, so a run lasts across days and years (BEP: S12).
    """
    lasted = np.where(condition & known, (finish - start)[:, None], 0)
    carried = np.zeros(condition.shape[1], np.int64) if before is None else before
    since = carried + np.cumsum(lasted, axis=0)
    ended = np.where(known & ~condition, since, 0)  # sums never fall, so the last one is the most
    return np.asarray(since - np.maximum.accumulate(ended, axis=0), np.int64)


def in_a_row(which: Flags) -> NDArray[np.int32]:
    """Return the number of rows in a row, up to and with each, that are true: (T, n)."""
    rows = np.arange(1, len(which) + 1, dtype=np.int32)[:, None]
    last_false = np.maximum.accumulate(np.where(which, 0, rows), axis=0)
    return rows - last_false


def rolling_time(condition: Flags, start: Instants, finish: Instants, since: Instants) -> Counts:
    """Return how long ``condition`` held from ``since`` (T,) to the end of each row, (T, n).

    ``since``, ascending, before each row's end, is such as 12 months earlier (BEP: S13, waste: the
    year); a row that it falls into counts from there on.
    """
    lasted = np.where(condition, (finish - start)[:, None], 0)
    sums = np.concatenate([np.zeros((1, condition.shape[1]), np.int64), np.cumsum(lasted, axis=0)])
    first = np.searchsorted(finish, since, side="right")
    cut = np.maximum(since - start[first], 0)[:, None]
    return np.asarray(sums[1:] - sums[first] - np.where(condition[first], cut, 0))


def in_periods(values: Counts, period: Counts, periods: int) -> tuple[Counts, Counts]:
    """Return (sum, greatest) of the rows of each period, (P, n); zeroes for one without any.

    Of durations of a condition: its time in the year; of ``runs``: the longest one that the year
    saw, with what it had lasted when the year began.
    """
    edges = np.searchsorted(period, np.arange(periods + 1))
    beyond = np.zeros((1, values.shape[1]), np.int64)  # where an empty last period begins
    padded = np.concatenate([values, beyond])
    filled = (edges[1:] > edges[:-1])[:, None]
    total = np.where(filled, np.add.reduceat(padded, edges[:-1], axis=0), 0)
    return total, np.where(filled, np.maximum.reduceat(padded, edges[:-1], axis=0), 0)


@dataclass(frozen=True, slots=True)
class CalibrationWeeks:
    """How many of a week's valid short-term averages were ``outside`` the range, (W, n)."""

    outside: Counts
    valid: Counts

    @property
    def over_5_percent(self) -> Flags:
        """The weeks with more than 5 % outside, of which five are allowed between two checks."""
        return self.outside * 20 > self.valid

    @property
    def over_40_percent(self) -> Flags:
        """The weeks with more than 40 % outside, of which one is too many."""
        return self.outside * 5 > self.valid * 2


def calibration_weeks(outside: Flags, valid: Flags, week: Counts, weeks: int) -> CalibrationWeeks:
    """Count the averages outside the calibration range, and all valid ones, for each week."""
    beyond, _ = in_periods((outside & valid).astype(np.int64), week, weeks)
    counts, _ = in_periods(valid.astype(np.int64), week, weeks)
    return CalibrationWeeks(beyond, counts)


def _since(condition: Flags, begins: Flags, *, first: bool) -> Counts:
    """Count true rows since counting last began, the row that it begins with or only after it."""
    count = np.cumsum(condition, axis=0, dtype=np.int64)
    base = count - condition if first else count
    return count - np.maximum.accumulate(np.where(begins, base, 0), axis=0)
