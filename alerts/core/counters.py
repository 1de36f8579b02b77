"""Counters that a plant runs along the year: uninterrupted hours, invalid days, weeks, classes.

Arrays are time-major: (T, n) for T short-term averages (or days) of n channels, (P, n) for P
periods (days, weeks, years), whose rows ``period`` (T,) numbers from 0, ascending. Durations are
int64 microseconds, so that 4 h are 4 h and not a hair more. What is not known is neither true nor
false: it has to be said with ``known``.

Sources: EN 14181:2014, 6.5 (valid calibration range); German uniform practice for emission
computers (BEP 2023), annex D 1.4 (S12, S13) and its classes; Directive 2010/75/EU, Art. 46(6)
(4 h and 60 h, from memory) and annex VI part 8 1.2 (10 days).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.rounding import round_significant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.conditions import Floats

    Counts = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Instants = NDArray[np.int64]

TOLERANCE = 1.1  # of the calibration range's end, that is 10 % above it
WEEKS_ALLOWED = 5  # with more than 5 % outside the range, between two checks
CLASSES = 20


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


def counted(condition: Flags, period: Counts) -> Counts:
    """Return how many rows of its period were true up to each row, such as invalid days a year."""
    begins = np.diff(period, prepend=period[:1] - 1) != 0
    return _since(condition, np.broadcast_to(begins[:, None], condition.shape), first=True)


def outside_range(mean: Floats, top: Floats) -> Flags:
    """Tell which short-term averages are more than 10 % above the end of the calibration range.

    ``top`` (n,): of a range from 0 to 450 that is above 495. NaN (no average) is not outside.
    """
    return mean > round_significant(top * TOLERANCE)


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


def calibration_due(weeks: CalibrationWeeks, checked: Flags) -> tuple[Counts, Flags]:
    """Return (weeks over 5 % since the last check, whether a new QAL2 is due), both (W, n).

    ``checked`` (W, n): a week in which a QAL2 or AST was passed; counting begins anew with the
    week after it. Due is when more than 5 weeks have more than 5 %, or one has more than 40 %,
    and it stays due until the next check.
    """
    mild = _since(weeks.over_5_percent, checked, first=False)
    severe = _since(weeks.over_40_percent, checked, first=False)
    return mild, (mild > WEEKS_ALLOWED) | (severe > 0)


def special_class(mean: Floats, limit: Floats, starting: Flags) -> Flags:
    """Tell which averages of start-up or shut-down go to the special class: above twice the limit.

    By order of the authority they are counted apart (44. BImSchV, § 30).
    """
    return starting & (mean > 2 * limit)


def class_counts(mean: Floats, valid: Flags, top: Floats, period: Counts, periods: int) -> Counts:
    """Count valid averages in 20 equal classes from 0 to ``top`` (n,), (P, 21, n).

    Each class holds its upper end; the first also holds what is below zero, the last of the 21
    what is above ``top``. BEP: M1 to M20.
    """
    place = np.ceil(round_significant(np.where(valid, mean, 0.0) * CLASSES / top)) - 1
    found = np.zeros((periods, CLASSES + 1, mean.shape[1]), np.int64)
    row, channel = np.nonzero(valid & ~np.isnan(mean))
    classes = np.clip(place[row, channel], 0, CLASSES).astype(np.int64)
    np.add.at(found, (period[row], classes, channel), 1)
    return found


def _since(condition: Flags, begins: Flags, *, first: bool) -> Counts:
    """Count true rows since counting last began, the row that it begins with or only after it."""
    count = np.cumsum(condition, axis=0, dtype=np.int64)
    base = count - condition if first else count
    return count - np.maximum.accumulate(np.where(begins, base, 0), axis=0)
