"""Means of decimals, their coverage, and judgements of blocks."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.means import assessable, judge, mean
from alerts.core.slots import slot_sums
from alerts.core.vocabulary import MINUTE, Judgement
from tests.oracles import nine_digits

if TYPE_CHECKING:
    import random


def mean_of(values: list[float]) -> float:
    time = np.arange(len(values)) * MINUTE
    total, samples, _ = slot_sums(time, np.array(values), MINUTE, len(values) * MINUTE, 0, 1)
    return float(mean(total, samples)[0])


def test_twenty_times_a_value_is_that_value() -> None:
    assert mean_of([700.1] * 20) == 700.1


def test_no_samples_make_no_mean() -> None:
    assert np.isnan(mean(np.zeros(2), np.zeros(2, np.int32))).all()


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 999_999_999), min_size=1, max_size=200),
    st.integers(-3, 9),
    st.randoms(use_true_random=False),
)
def test_means_of_nine_digit_decimals_are_exact_in_any_order(
    wholes: list[int], decimals: int, shuffle: random.Random
) -> None:
    exact = nine_digits(
        sum(Fraction(Decimal(one).scaleb(-decimals)) for one in wholes) / Fraction(len(wholes))
    )
    values = [float(Decimal(one).scaleb(-decimals)) for one in wholes]
    assert mean_of(values) == float(exact)
    shuffle.shuffle(values)
    assert mean_of(values) == float(exact)


@given(st.integers(100_000_000, 999_999_998), st.integers(1, 100))
def test_a_tie_goes_away_from_zero_whatever_the_order(whole: int, pairs: int) -> None:
    low, high = whole / 1e6, (whole + 1) / 1e6
    assert mean_of([low, high] * pairs) == high
    assert mean_of([high] * pairs + [low] * pairs) == high
    assert mean_of([-low, -high] * pairs) == -high


@given(st.integers(0, 100), st.integers(1, 100), st.sampled_from(["2/3", "3/4", "4/5", "1/1"]))
def test_coverage_is_compared_exactly(count: int, expected: int, share: str) -> None:
    fraction = Fraction(share)
    found = assessable(np.array([count]), expected, fraction.numerator, fraction.denominator)
    assert bool(found[0]) == (count > 0 and Fraction(count, expected) >= fraction)


def test_a_window_without_values_is_never_assessable() -> None:
    assert not assessable(np.array([0]), 20, 0, 1).any()


@pytest.mark.parametrize(
    ("block_mean", "count", "expected"),
    [
        (700.0, 20, Judgement.COMPLIANT),  # equal does not exceed
        (700.000001, 20, Judgement.EXCEEDED),
        (700.0, 14, Judgement.COMPLIANT),
        (9000.0, 13, Judgement.NOT_ASSESSABLE),  # 13 of 20 is less than two thirds
        (np.nan, 0, Judgement.NOT_ASSESSABLE),
        (np.nan, 20, Judgement.NOT_ASSESSABLE),
    ],
)
def test_three_answers(block_mean: float, count: int, expected: Judgement) -> None:
    assert judge(np.array([block_mean]), np.array([count]), 20, 700.0, 2, 3).tolist() == [expected]


# From published rules; each names where it is from.
@pytest.mark.parametrize(
    ("values", "digits", "expected"),
    [
        ([100.4, 110.0], 4, 105.2),  # 40 CFR 75.33(b): mean of hour before and hour after
        ([33.3, 33.1, 33.1], 5, 33.167),  # linearity check, mid level, of an EPA record
        ([15.1, 15.0, 15.0], 5, 15.033),  # the same, low level
    ],
)
def test_means_of_published_records(values: list[float], digits: int, expected: float) -> None:
    assert float(f"{mean_of(values):.{digits}g}") == expected


@pytest.mark.parametrize(
    ("enough", "too_few", "expected", "share"),
    [
        (20, 19, 30, "2/3"),  # half-hour of minutes, EN 17255-1 practice
        (45, 44, 60, "3/4"),  # hour of minutes, HJ 212-2017
        (48, 47, 60, "4/5"),  # hour of minutes, Regulation (EU) 2018/2066, Art. 44
    ],
)
def test_coverage_of_published_rules(enough: int, too_few: int, expected: int, share: str) -> None:
    fraction = Fraction(share)
    counts = np.array([enough, too_few])
    found = assessable(counts, expected, fraction.numerator, fraction.denominator)
    assert found.tolist() == [True, False]


def test_a_day_at_110_percent_of_its_limit_complies_and_above_does_not() -> None:
    means, counts = np.array([220.0, 220.1]), np.array([24, 24])
    assert judge(means, counts, 24, 220.0, 2, 3).tolist() == [
        Judgement.COMPLIANT,
        Judgement.EXCEEDED,
    ]
