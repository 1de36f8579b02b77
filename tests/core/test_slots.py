"""Slots and the windows made of them, against sums over the readings themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.slots import granule_for, group_for, rolling, slot_sums, step_for
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests import oracles
from tests.core.along import evaluate
from tests.core.strategies import START, limits, series
from tests.oracles import Reading

GRIDS = [
    (20 * MINUTE, MINUTE),
    (20 * MINUTE, 10 * SECOND),
    (20 * MINUTE, 5 * MINUTE),
    (20 * MINUTE, 20 * MINUTE),
    (30 * MINUTE, 45 * SECOND),
    (HOUR, 15 * MINUTE),
    (90 * SECOND, 30 * SECOND),
    (8 * HOUR, 10 * MINUTE),
    (DAY, HOUR),
    (DAY, 15 * MINUTE),
]


@pytest.mark.parametrize(("window", "period"), GRIDS)
def test_granules_divide_step_and_window_and_fit_the_period(window: int, period: int) -> None:
    granule = granule_for(window, period)
    assert step_for(window) % granule == 0
    assert window % granule == 0
    assert granule % period == 0 or period % granule == 0
    assert group_for(period, granule) * granule in {granule, period}


def test_windows_up_to_an_hour_are_evaluated_each_minute_longer_ones_every_twenty() -> None:
    assert step_for(HOUR) == MINUTE
    assert step_for(HOUR + MINUTE) == 20 * MINUTE
    assert granule_for(HOUR, MINUTE) == granule_for(20 * MINUTE, 10 * SECOND) == MINUTE
    assert granule_for(DAY, MINUTE) == 20 * MINUTE


@pytest.mark.parametrize("period", [10 * 10**6, MINUTE, 15 * MINUTE, 20 * MINUTE, HOUR, 6 * HOUR])
def test_granules_beyond_an_hour_fit_the_days_of_a_zone(period: int) -> None:
    for grid in (5 * MINUTE, 10 * MINUTE):
        granule = granule_for(DAY, period, grid)
        assert grid % granule == 0
        assert granule % period == 0 or period % granule == 0
        assert granule_for(HOUR, period, grid) == granule_for(HOUR, period)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(GRIDS))
def test_rolling_means_and_counts_are_the_oracles(
    data: st.DataObject, grid: tuple[int, int]
) -> None:
    window, period = grid
    readings = data.draw(series(period=period, length=3 * window // period))
    limit = data.draw(limits(window=window, period=period))
    until = readings[-1].time + window + data.draw(st.integers(0, 30)) * MINUTE
    found = evaluate(readings, [limit], until)
    expected = oracles.rolling(readings, period, window, until)
    assert found.at.tolist() == [one.end for one in expected]
    means = np.array([np.nan if one.mean is None else float(one.mean) for one in expected])
    np.testing.assert_array_equal(found.mean, means)
    assert found.assessable.tolist() == [one.covers(limit.coverage) for one in expected]


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(GRIDS))
def test_the_order_of_readings_in_a_list_does_not_matter(
    data: st.DataObject, grid: tuple[int, int]
) -> None:
    window, period = grid
    readings = data.draw(series(period=period, length=window // period))
    shuffled = data.draw(st.permutations(readings))
    until = readings[-1].time + window
    assert oracles.rolling(readings, period, window, until) == oracles.rolling(
        shuffled, period, window, until
    )


def test_slots_count_distinct_periods_and_all_samples() -> None:
    time = np.array([0, 5, 10, 20, 59, 60, 150]) * SECOND
    total, samples, filled = slot_sums(time, np.ones(7), 10 * SECOND, MINUTE, 0, 3)
    assert total.tolist() == [5.0, 1.0, 1.0]
    assert samples.tolist() == [5, 1, 1]
    assert filled.tolist() == [4, 1, 1]


def test_readings_outside_the_slots_are_left_out() -> None:
    time = np.array([-1, 0, MINUTE, 2 * MINUTE])
    total, samples, filled = slot_sums(time, np.ones(4), MINUTE, MINUTE, 0, 2)
    assert (total.tolist(), samples.tolist(), filled.tolist()) == ([1, 1], [1, 1], [1, 1])


def test_slots_may_begin_anywhere() -> None:
    first = START + 13 * SECOND
    time = first + np.array([0, 59, 60]) * SECOND
    _, samples, filled = slot_sums(time, np.ones(3), 30 * SECOND, MINUTE, first, 2)
    assert (samples.tolist(), filled.tolist()) == ([2, 1], [2, 1])


def test_fewer_slots_than_a_window_make_no_mean() -> None:
    slots = slot_sums(np.array([0]), np.ones(1), MINUTE, MINUTE, 0, 3)
    assert [len(one) for one in rolling(*slots, 4)] == [0, 0, 0]


def test_periods_longer_than_a_slot_are_counted_from_the_windows_start() -> None:
    total, samples, filled = slot_sums(
        np.array([4, 5]) * MINUTE, np.ones(2), 5 * MINUTE, MINUTE, 0, 11
    )
    # Windows from minute 0 see both periods; from minute 1 both values lie in minutes 1 to 5.
    assert rolling(total, samples, filled, 10, group=5)[2].tolist() == [2, 1]


def test_a_period_cut_short_at_the_end_of_a_block_counts() -> None:
    slots = slot_sums(np.array([7 * MINUTE]), np.ones(1), 5 * MINUTE, MINUTE, 0, 8)
    assert rolling(*slots, 8, group=5)[2].tolist() == [1]


def test_rolling_works_along_the_first_axis_of_many_channels() -> None:
    value = np.arange(6, dtype=np.float64) + 0.1
    total, samples, filled = slot_sums(np.arange(6) * MINUTE, value, MINUTE, MINUTE, 0, 6)
    alone = rolling(total, samples, filled, 3)
    together = rolling(
        np.stack([total, total * 2], axis=1),
        np.stack([samples, samples], axis=1),
        np.stack([filled, filled], axis=1),
        3,
    )
    for i in range(3):
        np.testing.assert_array_equal(alone[i], together[i][:, 0])


def test_a_reading_belongs_to_the_window_that_starts_with_it_and_not_to_one_that_ends() -> None:
    readings = [Reading(START, 1.0), Reading(START + MINUTE, 3.0)]
    limit = oracles.Limit(value=10, window=MINUTE, period=MINUTE)
    assert evaluate(readings, [limit], START + 2 * MINUTE).mean.tolist() == [1.0, 3.0]
