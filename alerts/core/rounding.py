"""Rounding half away from zero, and the exact fractions that permits are written in.

Python's ``round`` and numpy's ``rint`` round half to even, which no emission rule asks for.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNIFICANT_DIGITS = 9
TIE_SLACK = 1e-5  # of the last digit that is kept
LARGEST_DENOMINATOR = 10**9  # keeps coverage products within int64 for a year of seconds

_EXACT_POWERS = 10.0 ** np.arange(23)  # the powers of ten that a double holds exactly
_FRACTION = re.compile(r"\d{1,18}(\.\d{1,18})?|\d{1,18}/\d{1,18}")


def round_significant(
    x: NDArray[np.float64], digits: int = SIGNIFICANT_DIGITS
) -> NDArray[np.float64]:
    """Round to ``digits`` significant decimal digits, half away from zero.

    NaN and infinities pass, zero stays zero. The result is the double nearest to the decimal.

    A mean that is a tie in decimals (1.00000000 and 1.00000001) is a hair off the tie in doubles,
    on a side that depends on the order of summation. So whatever lies within ``TIE_SLACK`` of the
    last digit below a tie counts as the tie. At 9 digits the slack is 1e-14 to 1e-13 of the value:
    above the error of the sums made here (at most some 90 additions in a row after those within a
    slot, typically 1e-15), and below 1/(2n) of the last digit, the least distance that the mean of
    n values of at most 9 digits can have from a tie without being one, up to n = 50,000. There the
    result is that of exact decimal arithmetic, whatever the order.
    """
    magnitude = np.abs(x)
    usual = (magnitude >= 10.0 ** (digits - 23)) & (magnitude < 10.0**digits)
    ordinary = np.where(usual, magnitude, 1.0)
    # An exponent that log10 puts one off next to a power of ten leads to that power all the same.
    exponent = np.floor(np.log10(ordinary)).astype(np.int8)
    scale = _EXACT_POWERS[np.clip(digits - 1 - exponent, 0, 22)]
    whole = np.floor(ordinary * scale + (0.5 + TIE_SLACK))
    rounded: NDArray[np.float64] = np.where(usual, np.copysign(whole / scale, x), x)
    rare = np.flatnonzero(~usual & np.isfinite(x) & (magnitude > 0))
    if len(rare):
        rounded.flat[rare] = [_round_one(float(one), digits) for one in x.flat[rare]]
    return rounded


def round_decimals(x: NDArray[np.float64], decimals: int) -> NDArray[np.float64]:
    """Round to some decimals, half away from zero; NaN and infinities pass.

    What lies within ``TIE_SLACK`` of the last decimal below a tie counts as the tie: 5.25 % of
    a span may be 5.249999999999999 in doubles.
    """
    scale = 10.0**decimals
    whole = np.floor(np.abs(x) * scale + (0.5 + TIE_SLACK))
    rounded: NDArray[np.float64] = np.copysign(whole / scale, x)
    return rounded


def thresholds(value: float | str, warn_at: str, clear_at: str) -> tuple[float, float, float]:
    """Return (warn, clear_exceedance, clear_warning) of a limit, rounded like means are.

    They are the exact decimal products warn_at x value, clear_at x value and
    clear_at x warn_at x value: 0.8 x 700.1 is 560.08, not 560.0800000000001.
    Raises ValueError for factors that are not like ``0.8`` or ``4/5``.
    """
    limit = Fraction(str(value))
    warn, clear = exact_fraction(warn_at), exact_fraction(clear_at)
    return (
        _nearest(limit * warn),
        _nearest(limit * clear),
        _nearest(limit * warn * clear),
    )


def exact_fraction(text: str) -> Fraction:
    """Read ``2/3`` or ``0.75`` exactly.

    Raises ValueError, with what was expected, for anything else and for fractions that are too
    fine to be compared in 64 bits (a denominator above 10^9 in lowest terms).
    """
    expected = f"expected a fraction such as 2/3 or a decimal such as 0.75, not {text!r}"
    if not _FRACTION.fullmatch(text):
        raise ValueError(expected)
    try:
        fraction = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(expected) from None
    if fraction.denominator > LARGEST_DENOMINATOR:
        raise ValueError(f"expected at most 9 decimals or a denominator up to 10^9, not {text!r}")
    return fraction


def _nearest(exact: Fraction) -> float:
    wide = Context(prec=80).divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return float(Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_UP).plus(wide))


def _round_one(x: float, digits: int) -> float:
    exact = Decimal(x)
    slack = Decimal(TIE_SLACK).scaleb(exact.adjusted() - digits + 1).copy_sign(exact)
    nudged = Context(prec=60).add(exact, slack)
    return float(Context(prec=digits, rounding=ROUND_HALF_UP).plus(nudged))
