"""Substitutes for missing averages: each tier of part 75, and none that does not say its method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core import part75 as p
from alerts.core import substitution as s
from alerts.core.part75 import Tiers
from alerts.core.substitution import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAN = np.nan
POTENTIAL = 5000.0


def column(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, np.float64)[:, None]


def always(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(values.shape, np.bool_)


def year(gap: int, after: float = 80.0) -> NDArray[np.float64]:
    """720 hours of 1 to 720 (the last one 60), a gap, an hour after it."""
    before = np.arange(1.0, 721.0)
    before[-1], before[59] = 60.0, 720.0
    return np.concatenate([before, np.full(gap, NAN), [after]])[:, None]


def substitutes(found: s.Substituted) -> tuple[set[float], set[int]]:
    rows = (found.method != Method.MEASURED).nonzero()
    return set(found.value[rows].tolist()), set(found.method[rows].tolist())


@pytest.mark.parametrize(
    ("availability", "gap", "substitute", "method"),
    [
        (95.0, 24, 70.0, 6),
        (95.0, 25, 648.0, 8),
        (94.9, 8, 70.0, 6),
        (94.9, 9, 684.0, 9),
        (90.0, 8, 70.0, 6),
        (89.9, 1, 720.0, 10),
        (80.0, 100, 720.0, 10),
        (79.9, 1, POTENTIAL, 12),
        (NAN, 1, POTENTIAL, 12),
    ],
)
def test_the_tiers_of_sulphur_dioxide(
    availability: float, gap: int, substitute: float, method: int
) -> None:
    value = year(gap)
    found = p.part75(value, always(value), np.full_like(value, availability), Tiers(POTENTIAL))
    assert substitutes(found) == ({substitute}, {method})
    np.testing.assert_array_equal(found.value[~np.isnan(value)], value[~np.isnan(value)])
    assert (found.method[720 : 720 + gap, 0] == method).all()


def test_the_neighbours_where_they_are_above_the_percentile() -> None:
    value = year(30, after=1940.0)
    found = p.part75(value, always(value), np.full_like(value, 99.0), Tiers(POTENTIAL))
    assert substitutes(found) == ({1000.0}, {8})


@pytest.mark.parametrize(
    ("availability", "gap", "substitute", "method"),
    [
        (95.0, 24, 70.0, 6),
        (95.0, 25, 70.0, 8),  # the 10th percentile is 72
        (92.0, 9, 36.0, 9),
        (85.0, 1, 1.0, 10),
        (60.0, 1, 3.0, 12),
    ],
)
def test_the_tiers_of_moisture_are_turned_round(
    availability: float, gap: int, substitute: float, method: int
) -> None:
    value = year(gap)
    tiers = Tiers(3.0, lesser=True)
    found = p.part75(value, always(value), np.full_like(value, availability), tiers)
    assert substitutes(found) == ({substitute}, {method})


def test_before_the_look_back_is_full_and_before_any_value() -> None:
    value = column([NAN, 100.4, NAN, 110.0, NAN])
    found = p.part75(value, always(value), np.full_like(value, 99.0), Tiers(POTENTIAL))
    assert found.method[:, 0].tolist() == [12, 0, 7, 0, -1]
    np.testing.assert_array_equal(found.value[:, 0], [POTENTIAL, 100.4, 105.2, 110.0, NAN])


def test_the_look_back_is_that_of_the_quantity_and_of_measured_hours() -> None:
    value = year(30)
    availability = np.full_like(value, 99.0)
    assert p.NOX_LOOK_BACK == 2160
    found = p.part75(value, always(value), availability, Tiers(POTENTIAL, p.NOX_LOOK_BACK))
    assert substitutes(found)[1] == {7}
    found = p.part75(value, always(value), availability, Tiers(POTENTIAL, 10))
    assert substitutes(found) == ({718.0}, {8})  # of 711 to 719 and 60
    value[5] = NAN
    found = p.part75(value, always(value), availability, Tiers(POTENTIAL))
    assert found.method[-2, 0] == Method.INITIAL  # 719 are measured


def test_each_hour_of_a_gap_goes_by_its_own_availability() -> None:
    """40 CFR 75.33(b)(1): "for that hour of the missing data period"."""
    value = year(2)
    availability = np.full_like(value, 95.0)
    availability[721] = 85.0
    found = p.part75(value, always(value), availability, Tiers(POTENTIAL))
    assert found.method[719:, 0].tolist() == [0, 6, 10, 0]
    assert found.value[719:, 0].tolist() == [60.0, 70.0, 720.0, 80.0]


def test_gaps_are_counted_in_hours_of_operation() -> None:
    value = column([10.0, NAN, NAN, NAN, 20.0])
    operating = column([1, 1, 0, 1, 1]).astype(np.bool_)
    found = s.neighbours(value, operating)
    assert found.method[:, 0].tolist() == [0, 6, -1, 6, 0]
    np.testing.assert_array_equal(found.value[:, 0], [10, 15, NAN, 15, 20])
    value = np.insert(year(24), 730, np.full(100, NAN))[:, None]
    operating = np.ones_like(value, np.bool_)
    operating[730:830] = False
    found = p.part75(value, operating, np.full_like(value, 95.0), Tiers(POTENTIAL))
    assert np.unique(found.method).tolist() == [-1, 0, 6]


def test_a_value_outside_operation_is_nobodys_neighbour() -> None:
    value = column([10.0, 999.0, NAN, 20.0])
    operating = column([1, 0, 1, 1]).astype(np.bool_)
    found = s.neighbours(value, operating)
    np.testing.assert_array_equal(found.value[:, 0], [10, NAN, 15, 20])


def test_a_gap_without_an_end_waits() -> None:
    value = column([10.0, NAN])
    found = s.neighbours(value, always(value))
    assert found.method[:, 0].tolist() == [0, -1]
    assert np.isnan(found.value[1]).all()
    found = s.maximum(value, always(value), 24)
    assert (found.value[1, 0], found.method[1, 0]) == (10.0, Method.EXTREME)


def test_the_maximum_of_a_look_back() -> None:
    value = column([NAN, 90.0, 50.0, 60.0, NAN, 1000.0])
    found = s.maximum(value, always(value), 2)
    np.testing.assert_array_equal(found.value[:, 0], [NAN, 90, 50, 60, 60, 1000])
    assert found.method[:, 0].tolist() == [-1, 0, 0, 0, 10, 0]


def test_mean_and_two_deviations_of_each_channel() -> None:
    value = np.array([[90.0, 1.0], [110.0, NAN], [NAN, NAN]])
    found = s.mean_and_deviations(value, always(value))
    assert found.value[2, 0] == pytest.approx(100 + 2 * np.sqrt(200))
    assert found.method.tolist() == [[0, 0], [0, -1], [101, -1]]


@pytest.mark.parametrize(("percent", "edge"), [(90, 648), (95, 684), (10, 72), (5, 36)])
def test_percentiles_are_ranks(percent: int, edge: int) -> None:
    values = np.random.default_rng(1).permutation(np.arange(1.0, 721.0))
    assert p.percentile(values, percent) == edge
    assert np.quantile(values, percent / 100, method="inverted_cdf") == edge


courses = st.lists(
    st.tuples(st.one_of(st.just(NAN), st.floats(0, 1000)), st.booleans()), min_size=1, max_size=40
)


@given(courses)
def test_neighbours_are_those_of_a_plain_search(rows: list[tuple[float, bool]]) -> None:
    value = column([row[0] for row in rows])
    operating = np.array([row[1] for row in rows])[:, None]
    found = s.neighbours(value, operating)
    good = [i for i in range(len(rows)) if operating[i, 0] and not np.isnan(value[i, 0])]
    for row in range(len(rows)):
        before = [i for i in good if i < row]
        after = [i for i in good if i > row]
        if row in good:
            assert (found.value[row, 0], found.method[row, 0]) == (value[row, 0], 0)
        elif operating[row, 0] and before and after:
            mean = (value[before[-1], 0] + value[after[0], 0]) / 2
            assert (found.value[row, 0], found.method[row, 0]) == (mean, 6)
        else:
            assert np.isnan(found.value[row, 0])
            assert found.method[row, 0] == -1
