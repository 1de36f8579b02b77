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

from alerts.core.apart import hours_of, mass_flows, ranges_of
from alerts.core.part75 import THREE_YEARS, Tiers
from alerts.core.periods import duration
from alerts.core.pools import blocks
from alerts.core.rounding import round_significant
from alerts.core.substitution import (
    LONGEST_GAP,
    Clock,
    Method,
    Substituted,
    maximum,
    neighbours,
    with_deviations,
)
from alerts.core.vocabulary import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.substitution import Codes

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Rows = NDArray[np.intp]


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


def filled(  # noqa: PLR0913, PLR0917 - the rule, the averages and what is known of them
    rule: Rule, short: ShortTerm, zone: str, valid: Flags, operating: Flags, in_force: Flags
) -> tuple[Floats, tuple[Codes, ...]]:
    """Return the averages with their gaps filled, NaN where nothing can be said, (T, n).

    And the method of each, or of each of the members that are filled apart. ``valid``,
    ``operating`` (T, n): what is operating and not valid is a gap, also an average that has a
    value; ``in_force``: before a limit was, what is missing is not known to be missing. Raises
    ValueError for a substitution that is unknown or lacks its figure.
    """
    if rule.substitution == "part75" and rule.apart:
        return mass_flows(rule, short, valid, operating, in_force)
    whole = _filled(rule, short, zone, valid, operating & (in_force | valid))
    return whole.value, (whole.method,)


def any_filled(methods: Sequence[Codes], shape: tuple[int, ...]) -> Flags:
    """Tell where anything was filled, (T, n)."""
    found = np.zeros(shape, np.bool_)
    for one in methods:
        found |= one > 0
    return found


def _filled(rule: Rule, short: ShortTerm, zone: str, valid: Flags, operating: Flags) -> Substituted:
    value = np.where(valid, short.mean, np.nan)
    match rule.substitution:
        case "neighbours":
            clock = Clock(short.start, short.finish, LONGEST_GAP)
            return neighbours(value, operating, clock)
        case "maximum":
            hours = rule.look_back * HOUR
            back = hours // int(short.finish[0] - short.start[0]) if short.rows else hours
            return maximum(value, operating, back, Clock(short.start, short.finish, THREE_YEARS))
        case "part75" if rule.potential is not None:
            tiers = Tiers(rule.potential, rule.look_back, by_load=rule.by_load)
            return hours_of(short, tiers, value, operating, ranges_of(rule, short))
        case "mean_two_sigma":
            return _of_the_year(rule, short, zone, value, operating)
        case other:
            raise ValueError(f"expected a substitution and its figures, not {other!r}")


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
