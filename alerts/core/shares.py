"""Rules on shares of a period: how many hours, half-hours or days may exceed, and how many did.

Counts are compared exactly: of 8,760 hours of which 95 % must comply 438 may exceed, 439 not.

Sources: Directive 2010/75/EU, annex V part 4 (95 % of hours, from memory), annex VI part 8 1.1
(97 % of half-hours) and 1.2 (5 half-hours a day, 10 days a year).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from alerts.core.means import IntArray


def allowed(total: IntArray, share: Fraction) -> NDArray[np.int64]:
    """Return how many of ``total`` periods may exceed when at least ``share`` must comply."""
    below = share.denominator - share.numerator
    return np.multiply(total, below, dtype=np.int64) // share.denominator


def left(exceeding: IntArray, total: IntArray, share: Fraction) -> NDArray[np.int64]:
    """Return how many more may exceed before the share is missed; negative: so many too many."""
    return allowed(total, share) - exceeding


def complies(exceeding: IntArray, total: IntArray, share: Fraction) -> NDArray[np.bool_]:
    """Tell where at least ``share`` of the periods did not exceed; of none at all it is so."""
    return left(exceeding, total, share) >= 0
