"""Half away from zero, to nine significant digits, as decimals are rounded by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.rounding import exact_fraction, round_significant, thresholds
from tests.oracles import NINE_DIGITS


def rounded(x: float, digits: int = 9) -> float:
    return float(round_significant(np.array([x]), digits)[0])


@pytest.mark.parametrize(
    ("x", "digits", "expected"),
    [
        (0.5, 1, 0.5),
        (2.5, 1, 3.0),
        (-2.5, 1, -3.0),
        (1.005, 3, 1.01),  # the double is 1.00499999999999989
        (1234567885.0, 9, 1234567890.0),
        (700.0000005, 9, 700.000001),
        (-700.0000005, 9, -700.000001),
        (699.9999994, 9, 699.999999),
        (999999999.5, 9, 1e9),
        (99.99999999, 9, 100.0),
        (1e9, 9, 1e9),
        (1e-300, 9, 1e-300),
        (1.2345678951e-20, 9, 1.2345679e-20),
        (1e300, 9, 1e300),
    ],
)
def test_halves_go_away_from_zero(x: float, digits: int, expected: float) -> None:
    assert rounded(x, digits) == expected


@pytest.mark.parametrize("x", [0.0, -0.0, math.inf, -math.inf])
def test_zero_and_infinities_pass(x: float) -> None:
    assert rounded(x) == x


def test_nan_passes() -> None:
    assert math.isnan(rounded(math.nan))


def test_an_empty_array_stays_empty() -> None:
    assert round_significant(np.array([])).shape == (0,)


@given(st.integers(-(10**12), 10**12), st.integers(0, 9))
def test_decimals_are_rounded_as_by_hand(digits: int, decimals: int) -> None:
    exact = Decimal(digits).scaleb(-decimals)
    assert rounded(float(exact)) == float(NINE_DIGITS.plus(exact))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_double_moves_by_half_a_digit_at_most(x: float) -> None:
    exact, found = Decimal(x), Decimal(rounded(x))
    last_digit = Decimal(1).scaleb(exact.adjusted() - 8) if x else Decimal(0)
    assert abs(found - exact) <= last_digit * Decimal("0.50002")


@given(st.floats(1e-30, 1e30))
def test_rounding_twice_changes_nothing(x: float) -> None:
    assert rounded(rounded(x)) == rounded(x)


@given(st.floats(-1e9, 1e9))
def test_it_is_symmetric(x: float) -> None:
    assert rounded(-x) == -rounded(x)


def test_thresholds_are_decimal_products() -> None:
    assert thresholds(700.1, "0.8", "0.95") == (560.08, 665.095, 532.076)
    assert thresholds("0.3", "0.8", "0.95") == (0.24, 0.285, 0.228)


def test_thresholds_are_rounded_like_means() -> None:
    warn, clear_exceedance, clear_warning = thresholds(100, "2/3", "1")
    assert (warn, clear_exceedance, clear_warning) == (66.6666667, 100.0, 66.6666667)


@pytest.mark.parametrize(("text", "numbers"), [("2/3", (2, 3)), ("0.75", (3, 4)), ("1", (1, 1))])
def test_fractions_are_exact(text: str, numbers: tuple[int, int]) -> None:
    assert exact_fraction(text).as_integer_ratio() == numbers


@pytest.mark.parametrize("text", ["", "2/0", "-1/2", "75%", "1e9", "two thirds", "2 / 3", "nan"])
def test_what_is_no_fraction_says_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a fraction such as 2/3"):
        exact_fraction(text)


def test_a_fraction_too_fine_for_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 9 decimals"):
        exact_fraction("0.66666666666")
