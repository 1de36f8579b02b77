"""Counters along the year, against plain loops and the figures that their sources print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerts.core import counters
from alerts.core.vocabulary import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 30 * MINUTE
YEAR_END = 1_798_761_600_000_000  # 2027-01-01T00:00:00Z


def half_hours(count: int, start: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    begins = start + np.arange(count) * HALF
    return begins, begins + HALF


def column(values: list[int]) -> NDArray[np.bool_]:
    return np.array(values, np.bool_)[:, None]


def test_four_hours_in_a_row_are_kept_and_the_next_half_hour_is_not() -> None:
    above = column([1] * 9 + [0] + [1] * 8)
    found = counters.runs(above, *half_hours(18), np.ones_like(above))[:, 0]
    assert (found > 4 * HOUR).nonzero()[0].tolist() == [8]
    assert found[9] == 0
    assert found[17] == 4 * HOUR


def test_a_run_survives_midnight_of_the_new_year_and_a_restart() -> None:
    above = column([1] * 12)
    start, finish = half_hours(12, YEAR_END - 3 * HOUR)
    whole = counters.runs(above, start, finish, np.ones_like(above))
    assert whole[-1, 0] == 6 * HOUR
    old = counters.runs(above[:6], start[:6], finish[:6], np.ones_like(above[:6]))
    new = counters.runs(above[6:], start[6:], finish[6:], np.ones_like(above[6:]), old[-1])
    np.testing.assert_array_equal(np.concatenate([old, new]), whole)
    year = (start >= YEAR_END).astype(np.int64)
    lasted = np.full_like(whole, HALF)
    time, longest = counters.in_periods(lasted, year, 2)[0], counters.in_periods(whole, year, 2)[1]
    assert time[:, 0].tolist() == [3 * HOUR, 3 * HOUR]
    assert longest[:, 0].tolist() == [3 * HOUR, 6 * HOUR]


def test_periods_without_a_row_have_zeroes() -> None:
    values, period = np.array([[1], [5], [2]]), np.array([1, 1, 3])
    total, greatest = counters.in_periods(values, period, 5)
    assert total[:, 0].tolist() == [0, 6, 0, 2, 0]
    assert greatest[:, 0].tolist() == [0, 5, 0, 2, 0]


def test_what_is_not_known_neither_ends_a_run_nor_lengthens_it() -> None:
    above, known = column([1, 1, 0, 1, 0, 1]), column([1, 1, 0, 1, 1, 1])
    found = counters.runs(above, *half_hours(6), known)[:, 0] // HALF
    assert found.tolist() == [1, 2, 2, 3, 0, 1]


states = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50)


@given(states, st.integers(0, 5))
def test_runs_are_those_of_a_plain_loop(rows: list[tuple[bool, bool]], before: int) -> None:
    above, known = (column([row[i] for row in rows]) for i in range(2))
    start, finish = half_hours(len(rows))
    found = counters.runs(above, start, finish, known, np.array([before * HALF]))
    run = before
    for index, (is_above, is_known) in enumerate(rows):
        if is_known:
            run = run + 1 if is_above else 0
        assert found[index, 0] == run * HALF


@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.integers(1, 30 * 90),
)
def test_rolling_time_is_that_of_each_minute(rows: list[bool], minutes: int) -> None:
    above = column([int(row) for row in rows])
    start, finish = half_hours(len(rows))
    found = counters.rolling_time(above, start, finish, finish - minutes * MINUTE)
    each_minute = np.repeat(np.array(rows), 30)
    for index in range(len(rows)):
        upto = (index + 1) * 30
        assert found[index, 0] == each_minute[max(0, upto - minutes) : upto].sum() * MINUTE


def test_twelve_months_of_an_abatement_failure() -> None:
    days = np.arange(400) * DAY
    failing = np.zeros((400, 1), np.bool_)
    failing[[0, 100, 399]] = True
    found = counters.rolling_time(failing, days, days + DAY, days + DAY - 365 * DAY)
    assert (found[[0, 100, 364, 365, 399], 0] // DAY).tolist() == [1, 2, 2, 1, 2]


def test_a_week_is_over_a_share_when_it_exceeds_it() -> None:
    # 336 half-hours: 16.8 are 5 %; 134.4 are 40 %. Of 320: 16 and 128 exactly.
    weeks = counters.CalibrationWeeks(
        np.array([[16, 17, 134, 135]]), np.array([[336, 336, 336, 336]])
    )
    assert weeks.over_5_percent.tolist() == [[False, True, True, True]]
    assert weeks.over_40_percent.tolist() == [[False, False, False, True]]
    exact = counters.CalibrationWeeks(np.array([[16, 128, 0]]), np.array([[320, 320, 0]]))
    assert exact.over_5_percent.tolist() == [[False, True, False]]
    assert not exact.over_40_percent.any()


def test_weeks_count_valid_averages_only() -> None:
    week = np.repeat([0, 1], 4)
    outside, valid = column([1, 1, 0, 0, 1, 0, 0, 0]), column([1, 0, 1, 1, 1, 1, 1, 1])
    found = counters.calibration_weeks(outside, valid, week, 3)
    assert found.outside[:, 0].tolist() == [1, 1, 0]
    assert found.valid[:, 0].tolist() == [3, 4, 0]
