"""Budgets: what was measured is never mixed with what was not, and forecasts keep their word."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core import budget
from alerts.core.rounding import round_significant
from alerts.core.shares import allowed, left
from alerts.core.vocabulary import DAY, HOUR, MINUTE, NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAN = np.nan
NOW = 1_772_323_200_000_000  # 2026-03-01T00:00:00Z
END = NOW + DAY


def one(value: float) -> NDArray[np.float64]:
    return np.array([value])


def added_up(
    flow: list[float],
    hours: list[float] | None = None,
    substituted: list[int] | None = None,
    period: list[int] | None = None,
    periods: int = 1,
) -> budget.Totals:
    column = np.array(flow)[:, None]
    return budget.totals(
        column,
        np.array(hours or [1.0] * len(flow))[:, None],
        ~np.isnan(column),
        np.array(substituted or [0] * len(flow), np.bool_)[:, None],
        np.array(period or [0] * len(flow)),
        periods,
    )


def test_kilograms_an_hour_make_tonnes() -> None:
    found = added_up([45.0] * 24)
    assert found.total.tolist() == [[1.08]]
    assert found.completeness.tolist() == [[1.0]]
    assert found.estimate.tolist() == [[0.0]]


def test_what_was_not_measured_is_an_estimate_beside_the_total() -> None:
    found = added_up([100.0, 200.0, NAN, NAN])
    assert found.total.tolist() == [[0.3]]
    assert found.estimate.tolist() == [[0.3]]  # two hours at 150 kg/h
    assert found.completeness.tolist() == [[0.5]]
    assert found.without.tolist() == [[2.0]]


def test_what_is_not_valid_does_not_count_although_it_has_a_value() -> None:
    flow = np.array([[100.0], [900.0]])
    valid = np.array([[True], [False]])
    none = np.zeros_like(valid)
    found = budget.totals(flow, np.ones_like(flow), valid, none, np.array([0, 0]), 1)
    assert (found.total.item(), found.estimate.item()) == (0.1, 0.1)


def test_substitutes_are_told_apart() -> None:
    found = added_up([100.0, 300.0], substituted=[0, 1])
    assert (found.measured.item(), found.substituted.item()) == (0.1, 0.3)
    assert found.total.item() == 0.4
    assert found.completeness.item() == 0.5
    assert found.estimate.item() == 0.0


def test_part_of_an_hour_counts_as_that_part() -> None:
    found = added_up([60.0, 60.0], hours=[0.25, 1.0])
    assert found.total.item() == 0.075
    assert added_up([60.0, NAN], hours=[0.25, 0.5]).completeness.item() == pytest.approx(1 / 3)


def test_nothing_known_is_no_zero_and_no_operation_is() -> None:
    found = added_up([NAN, NAN])
    assert np.isnan(found.total).all()
    assert np.isnan(found.estimate).all()
    assert found.completeness.item() == 0.0
    idle = added_up([NAN, NAN], hours=[0.0, 0.0])
    assert (idle.total.item(), idle.completeness.item(), idle.estimate.item()) == (0.0, 1.0, 0.0)


def test_periods_without_a_row_are_there() -> None:
    found = added_up([1.0, 2.0, 4.0], period=[1, 1, 3], periods=5)
    assert found.total[:, 0].tolist() == [0.0, 0.003, 0.0, 0.004, 0.0]
    assert added_up([], period=[], periods=2).total.tolist() == [[0.0], [0.0]]


def test_operating_hours_leave_out_the_slots_that_stood_still() -> None:
    start = np.array([0, HOUR, 2 * HOUR])
    stopped = np.array([[0, 15], [60, 90], [30, 0]])
    found = budget.operating_hours(start, start + HOUR, np.array([[60]] * 3), stopped)
    assert found.tolist() == [[1.0, 0.75], [0.0, 0.0], [0.5, 1.0]]


flows = st.lists(
    st.tuples(st.one_of(st.just(NAN), st.floats(0, 1e4)), st.floats(0, 1), st.integers(0, 3)),
    min_size=1,
    max_size=60,
)


@given(flows)
def test_totals_are_those_of_exact_arithmetic(rows: list[tuple[float, float, int]]) -> None:
    rows.sort(key=lambda row: row[2])
    flow, hours, period = (list(column) for column in zip(*rows, strict=True))
    found = added_up(flow, hours, period=period, periods=4)
    for index in range(4):
        own = [(f, h) for f, h, p in rows if p == index]
        exact = sum((Fraction(f) * Fraction(h) / 1000 for f, h in own if f == f), Fraction(0))  # noqa: PLR0124 - NaN
        assert found.measured[index, 0] == pytest.approx(float(exact), rel=1e-12, abs=1e-300)
        assert found.operating[index, 0] == pytest.approx(sum(h for _, h in own))
        assert found.valid[index, 0] == pytest.approx(sum(h for f, h in own if f == f))  # noqa: PLR0124 - NaN


def test_the_remaining_eight_minutes_may_average_512() -> None:
    mean = one((20 * 700 - 8 * 512) / 12)
    assert budget.mean_allowance(mean, one(12), one(8), one(700)).tolist() == [512]


def test_a_mean_that_can_no_longer_be_kept() -> None:
    assert budget.mean_allowance(one(2000), one(12), one(8), one(700)).item() < 0
    assert np.isnan(budget.mean_allowance(one(500), one(20), one(0), one(700))).all()
    assert budget.mean_allowance(one(NAN), one(0), one(20), one(700)).item() == 700


@given(
    st.floats(0, 1e5),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 10**9).map(lambda n: n / 1e4),
)
def test_the_rest_as_allowed_keeps_the_limit_and_more_breaks_it(
    mean: float, weight: int, remaining: int, limit: float
) -> None:
    rest = budget.mean_allowance(one(mean), one(weight), one(remaining), one(limit))
    if rest.item() < 0:
        return

    def at_the_end(more: float) -> float:
        whole = (mean * weight + (rest.item() + more) * remaining) / (weight + remaining)
        return float(round_significant(one(whole)).item())

    assert at_the_end(0) <= limit
    assert at_the_end(limit * 1e-6 * (weight + remaining) / remaining) > limit


def test_what_the_rest_of_a_month_may_emit() -> None:
    assert budget.total_allowance(one(80), one(200), one(100)).tolist() == [100]
    assert budget.total_allowance(one(101), one(200), one(100)).tolist() == [-5]
    assert np.isnan(budget.total_allowance(one(80), one(0), one(100))).all()
    assert np.isnan(budget.total_allowance(one(NAN), one(10), one(100))).all()


def test_when_a_total_breaks_its_limit() -> None:
    rate = np.array([1000.0, 999.0, 500.0, 2000.0, 0.0, NAN, 1001.0])
    total, limit = np.full(7, 76.0), np.full(7, 100.0)
    found = budget.total_breaks_at(total, limit, rate, NOW, END)
    assert found[:3].tolist() == [NEVER] * 3  # 100 t exactly at the end is no excess
    assert found[3] == NOW + 12 * HOUR
    assert found[4:6].tolist() == [NEVER, NEVER]
    assert END - 2 * MINUTE < found[6] < END
    half = budget.total_breaks_at(total, limit, rate, NOW, END, share=0.5)
    assert half.tolist() == [NEVER] * 7  # 2,000 kg/h in 12 of 24 hours
    assert budget.total_breaks_at(one(76.1), one(100), one(2000), NOW, END, share=0.5) < END
    assert budget.total_breaks_at(one(100.1), one(100), one(NAN), NOW, END).tolist() == [NOW]
    small = np.array([NAN, 0.0, 10.0, 20.0])  # 20 kg/h make 0.48 t a day
    found = budget.total_breaks_at(np.full(4, 99.7), np.full(4, 100.0), small, NOW, END)
    assert found.tolist() == [NEVER, NEVER, NEVER, pytest.approx(NOW + 15 * HOUR, abs=1)]
    assert budget.total_breaks_at(one(NAN), one(100), one(9e9), NOW, END).tolist() == [NEVER]


def test_when_a_mean_can_no_longer_be_kept() -> None:
    # 600 over half the day, then 1200: the day's sum of 700 x 24 is used up after 8 of 12 hours.
    end = NOW + 12 * HOUR
    found = budget.mean_breaks_at(one(600), one(12), one(12), one(700), one(1200), NOW, end)
    assert found.tolist() == [NOW + 8 * HOUR]
    found = budget.mean_breaks_at(one(600), one(12), one(12), one(700), one(800), NOW, end)
    assert found.tolist() == [NEVER]
    found = budget.mean_breaks_at(one(1400), one(1), one(1), one(700), one(1), NOW, end)
    assert found.tolist() == [NOW]
    found = budget.mean_breaks_at(one(NAN), one(0), one(24), one(700), one(1400), NOW, END)
    assert found.tolist() == [NOW + 12 * HOUR]
    found = budget.mean_breaks_at(one(1500), one(12), one(12), one(700), one(NAN), NOW, end)
    assert found.tolist() == [NOW]


def test_when_the_exceeding_hours_are_used_up() -> None:
    share, hours = Fraction("0.95"), np.array([8760])
    exceeding = np.array([437, 438, 439])
    more = left(exceeding, hours, share)
    assert (more.tolist(), allowed(hours, share).tolist()) == ([1, 0, -1], [438])
    end = NOW + 100 * HOUR
    found = budget.count_breaks_at(more, np.array([0.1] * 3), HOUR, NOW, end)
    assert found.tolist() == [NOW + 20 * HOUR, NOW + 10 * HOUR, NOW]
    found = budget.count_breaks_at(more, np.array([0.0, NAN, 0.0]), HOUR, NOW, end)
    assert found.tolist() == [NEVER, NEVER, NOW]
    found = budget.count_breaks_at(more, np.array([0.019, 0.01, 0.009]), HOUR, NOW, end)
    assert found.tolist() == [NEVER, end, NOW]
