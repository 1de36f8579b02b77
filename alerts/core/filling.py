"""Filling gaps of short-term averages, before longer means and masses are made of them.

What a rule set's ``substitution`` asks for. Short-term averages are judged as they were measured;
days are counted as invalid as they were measured; and each filled average keeps its ``Method``.

Substitutes look back three years at most (40 CFR 75.33), neighbours lie no further than 92 days
from the gap's first hour, and a gap longer than that has the maximum potential value: so that what
is filled is a function of a bounded stretch of data (``looks_back``), in whatever order it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.periods import duration
from alerts.core.pools import blocks
from alerts.core.rounding import round_decimals, round_significant
from alerts.core.substitution import (
    LONGEST_GAP,
    Clock,
    Method,
    Substituted,
    Tiers,
    maximum,
    neighbours,
    part75,
    with_deviations,
)
from alerts.core.vocabulary import HOUR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Rows = NDArray[np.intp]

THREE_YEARS = 26_280 * HOUR
AVAILABILITY_HOURS = 8_760  # of operation, in which the monitor's availability is counted


def fills(rule: Rule) -> bool:
    """Tell whether gaps are filled: not where short-term averages themselves are judged."""
    longer = duration(rule.average) != duration(rule.short_term)
    return rule.substitution != "none" and rule.of == "exceeding" and longer


def looks_back(rule: Rule) -> int:
    """Return how far before a period [us] lies what its substitutes are made of.

    Of "mean_two_sigma" it is the beginning of the year.
    """
    if rule.substitution == "neighbours":
        return 2 * LONGEST_GAP
    return 0 if rule.substitution == "mean_two_sigma" else THREE_YEARS + LONGEST_GAP


def filled(rule: Rule, short: ShortTerm, zone: str, valid: Flags, operating: Flags) -> Substituted:
    """Return the averages with their gaps filled, NaN where nothing can be said, (T, n).

    ``valid``, ``operating`` (T, n): what is operating and not valid is a gap, also an average that
    has a value. Raises ValueError for a substitution that is unknown or lacks its figure.
    """
    value = np.where(valid, short.mean, np.nan)
    clock = Clock(short.start, short.finish, THREE_YEARS)
    match rule.substitution:
        case "neighbours":
            clock = Clock(short.start, short.finish, LONGEST_GAP)
            return neighbours(value, operating, clock)
        case "maximum":
            hours = rule.look_back * HOUR
            back = hours // int(short.finish[0] - short.start[0]) if short.rows else hours
            return maximum(value, operating, back, clock)
        case "part75" if rule.potential is not None:
            tiers = Tiers(rule.potential, rule.look_back)
            availability = availabilities(short, valid, operating)
            return part75(value, operating, availability, tiers, clock)
        case "mean_two_sigma":
            return _of_the_year(rule, short, zone, value, operating)
        case other:
            raise ValueError(f"expected a substitution and its figures, not {other!r}")


def availabilities(short: ShortTerm, valid: Flags, operating: Flags) -> Floats:
    """Return the monitor's availability [%] in each hour, to one decimal, (T, n); NaN before any.

    Hours with valid data of 100 hours of operation, of all so far, then of the last 8,760 within
    the last 26,280 hours by the clock. 40 CFR 75.32, eq. 8 and 9.
    """
    found = np.full(valid.shape, np.nan)
    early = np.searchsorted(short.start, short.finish - THREE_YEARS)
    for channel in range(valid.shape[1]):
        rows = np.flatnonzero(operating[:, channel])
        good = np.concatenate([[0], np.cumsum(valid[rows, channel])])
        upto = np.arange(1, len(rows) + 1)
        since = np.maximum(upto - AVAILABILITY_HOURS, np.searchsorted(rows, early[rows]))
        share = 100 * (good[upto] - good[since]) / np.maximum(upto - since, 1)
        found[rows, channel] = round_decimals(share, 1)
    return found


def _of_the_year(
    rule: Rule, short: ShortTerm, zone: str, value: Floats, operating: Flags
) -> Substituted:
    """Fill gaps with mean and two deviations of the year, up to the end of the period filled.

    Regulation (EU) 2018/2066, Art. 45(3), whose period is the year: of a shorter one no more of
    the year is taken than it has had, so that months that are over stay what they are.
    """
    if rule.rolling or duration(rule.average).unit == "operating_day":
        raise ValueError("expected a period of the calendar for the mean and two deviations")
    if not short.rows:
        return Substituted(value, np.zeros(value.shape, np.int8))
    known = ~np.isnan(value) & operating
    extent = (zone, short.start, short.finish, duration(rule.short_term).grid)
    period = blocks(duration(rule.average), *extent).base()
    year = blocks(duration("1year"), *extent).base()
    begins = np.flatnonzero(np.diff(period, prepend=-1))
    ends = np.append(begins[1:], short.rows)
    first = np.searchsorted(year, year[begins])
    level = np.where(known, value, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    number, sums, squares = (
        _sums(np.where(known, part, 0.0), first, ends)
        for part in (np.ones_like(value), value - level, (value - level) ** 2)
    )
    enough = number > 1
    number = np.where(enough, number, 2.0)
    mean, spread = sums / number, np.maximum(squares - sums * sums / number, 0.0) / (number - 1)
    substitute = np.where(enough, with_deviations(level + mean, np.sqrt(spread)), np.nan)
    gap = operating & ~known
    put = np.where(gap, round_significant(substitute)[period], value)
    method = np.where(gap, Method.DEVIATIONS, Method.MEASURED)
    put = np.where(operating, put, np.nan)
    return Substituted(put, np.where(np.isnan(put), Method.NONE, method).astype(np.int8))


def _sums(values: Floats, first: Rows, end: Rows) -> Floats:
    """Return the sums of the rows from ``first`` to before ``end``."""
    upto = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(upto[end] - upto[first])
