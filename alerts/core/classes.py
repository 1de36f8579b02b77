"""Frequency classes: how many averages of a year lie in each of so many equal classes.

German uniform practice for emission computers (BEP 2023, annex D): half-hours in M1 to M20, days
in T1 to T10; where the top of the classes lies for pollutants is from memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.rounding import exact_fraction, round_significant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def upper_bounds(limit: float, top: str, number: int) -> Floats:
    """Return the upper end of each class, (number,): equal parts of ``top`` x ``limit``.

    ``top`` is a factor such as "2"; the classes are in the unit of the limit.
    """
    exact = exact_fraction(top)
    parts = np.arange(1, number + 1) * float(limit) * exact.numerator
    return round_significant(parts / (number * exact.denominator))


def frequencies(values: Floats, upper: Floats) -> tuple[NDArray[np.int64], int]:
    """Return how many of ``values`` (T,) lie in each class, and how many above the last one.

    A class holds what is above the class before and at most its own ``upper`` end; the first one
    also what is zero or less. NaN (nothing known) lies in none.
    """
    known = round_significant(values[~np.isnan(values)])
    counts = np.bincount(np.searchsorted(upper, known), minlength=len(upper) + 1)
    return counts[:-1].astype(np.int64), int(counts[-1])
