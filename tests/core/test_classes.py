"""Frequency classes: every value in one of them, at its end still in it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.classes import frequencies, upper_bounds
from tests.oracles import nine_digits

LIMITS = st.sampled_from([0.05, 10.0, 20.0, 33.3, 150.0, 200.1])


def test_twenty_classes_up_to_twice_the_limit() -> None:
    upper = upper_bounds(200.0, "2", 20)
    assert upper.tolist() == [20.0 * k for k in range(1, 21)]
    values = np.array([-1.0, 0.0, 20.0, 20.1, 399.9, 400.0, 400.1, 9000.0, np.nan])
    counts, beyond = frequencies(values, upper)
    assert counts.tolist() == [3, 1, *[0] * 17, 2]
    assert beyond == 2


def test_no_values_are_in_no_class() -> None:
    assert [one.tolist() for one in frequencies(np.zeros(0), upper_bounds(5.0, "1", 2))[:1]] == [
        [0, 0]
    ]


@given(
    limit=LIMITS,
    top=st.sampled_from(["1", "2", "1.5", "1/3"]),
    number=st.integers(1, 30),
    parts=st.lists(st.integers(0, 40), max_size=20),
    more=st.lists(st.decimals(-1, 500, places=3).map(float), max_size=20),
)
def test_counted_one_by_one(
    limit: float, top: str, number: int, parts: list[int], more: list[float]
) -> None:
    """Ends of classes among the values: k of n parts of the top lies in class k."""
    width = Fraction(str(limit)) * Fraction(top) / number
    ends = [nine_digits(width * k) for k in range(1, number + 1)]
    values = [*(float(nine_digits(width * k)) for k in parts), *more]
    counts, beyond = frequencies(np.array(values), upper_bounds(limit, top, number))
    expected = [0] * (number + 1)
    for value in values:
        exact = nine_digits(Fraction(Decimal(repr(value))))
        expected[sum(exact > end for end in ends)] += 1
    assert [*counts.tolist(), beyond] == expected
