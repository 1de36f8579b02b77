"""Quality flags against a walk over each channel's readings, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.flags import Last, range_flags, value_flags
from alerts.core.vocabulary import HOUR, MINUTE, NEVER, SECOND, Flag


def flagged(  # noqa: PLR0917 - one channel's readings and rules
    times: list[int],
    values: list[float],
    last: Last | None = None,
    stuck_after: int = 0,
    max_step: float = math.nan,
    period: int = MINUTE,
) -> list[int]:
    n = len(times)
    found = value_flags(
        np.zeros(n, np.int32),
        np.array(times, np.int64),
        np.array(values),
        last or Last.empty(1),
        np.full(n, period),
        np.full(n, stuck_after),
        np.full(n, max_step),
    )
    return [int(one) for one in found]


def test_outside_the_range_is_flagged_its_ends_are_not() -> None:
    value = np.array([-5.1, -5.0, 5000.0, 5000.1, math.nan])
    assert range_flags(value, -5.0, 5000.0, np.True_).tolist() == [Flag.RANGE, 0, 0, Flag.RANGE, 0]


def test_negatives_are_flagged_unless_the_parameter_is_signed() -> None:
    value = np.array([-1.0, -1.0, 0.0, -9.0])
    signed = np.array([False, True, False, False])
    assert range_flags(value, -5.0, 10.0, signed).tolist() == [
        Flag.NEGATIVE,
        0,
        0,
        Flag.NEGATIVE | Flag.RANGE,
    ]


def test_a_channel_without_a_range_has_no_range_flags() -> None:
    assert range_flags(np.array([1e9]), math.nan, math.nan, np.True_).tolist() == [0]


def test_stuck_begins_when_a_value_has_lasted_longer_than_allowed() -> None:
    times = [0, 30 * MINUTE, HOUR, HOUR + 1, HOUR + 2]
    assert flagged(times, [7.0, 7.0, 7.0, 7.0, 8.0], stuck_after=HOUR) == [0, 0, 0, Flag.STUCK, 0]


def test_stuck_is_not_checked_where_nothing_is_allowed_for() -> None:
    assert flagged([0, 10 * HOUR], [7.0, 7.0], stuck_after=0) == [0, 0]


def test_stuck_goes_on_over_batches() -> None:
    last = Last.empty(1)
    assert flagged([0, MINUTE], [7.0, 7.0], last, stuck_after=HOUR) == [0, 0]
    assert flagged([2 * HOUR], [7.0], last, stuck_after=HOUR) == [Flag.STUCK]
    assert last.since.tolist() == [0]


def test_a_jump_is_a_change_of_more_than_the_step() -> None:
    assert flagged([0, MINUTE, 2 * MINUTE], [100.0, 600.0, 1101.0], max_step=500) == [
        0,
        0,
        Flag.JUMP,
    ]


def test_after_a_gap_a_step_for_each_period_is_allowed() -> None:
    assert flagged([0, 3 * MINUTE], [0.0, 1500.0], max_step=500) == [0, 0]
    assert flagged([0, 3 * MINUTE], [0.0, 1501.0], max_step=500) == [0, Flag.JUMP]


def test_within_a_period_one_step_is_allowed() -> None:
    assert flagged([0, SECOND], [0.0, 500.0], max_step=500) == [0, 0]


@pytest.mark.parametrize("unchecked", [math.nan, math.inf, 0.0])
def test_jumps_are_not_checked_without_a_step(unchecked: float) -> None:
    assert flagged([0, MINUTE], [0.0, 1e9], max_step=unchecked) == [0, 0]


def test_the_first_reading_of_a_channel_cannot_jump() -> None:
    assert flagged([5 * HOUR], [1e9], max_step=1) == [0]


def test_no_readings_have_no_flags() -> None:
    assert flagged([], []) == []


# Test vectors of QARTOD's checks as ioos_qc 3.0.0 answers them: a reading a minute, null left out.
QARTOD = [50.0, 51.0, 52.0, 52.0, 52.0, 52.0, 52.0, 120.0, 53.0, -1.0, 54.0]


def test_qartod_gross_range_of_0_to_100() -> None:
    outside = range_flags(np.array(QARTOD), 0.0, 100.0, np.True_) == Flag.RANGE
    assert np.flatnonzero(outside).tolist() == [7, 9]


def test_qartod_rate_of_change_of_a_half_a_second() -> None:
    times = [i * MINUTE for i in range(len(QARTOD))]
    found = flagged(times, QARTOD, max_step=0.5, period=SECOND)
    assert np.flatnonzero(found).tolist() == [7, 8, 9, 10]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(1, 90), st.sampled_from([1.0, 1.0, 1.0, 5.0, 9.0])
        ),
        max_size=60,
    ),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_channels_mixed_and_batched_are_flagged_as_one_by_one(
    steps: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    rows, time = [], 0
    for channel, minutes, value in steps:
        time += minutes * MINUTE
        rows.append((channel, time, value))
    last, found = Last.empty(4), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        batch = rows[begin : max(begin, end)]
        n = len(batch)
        found += value_flags(
            np.array([row[0] for row in batch], np.int32),
            np.array([row[1] for row in batch], np.int64),
            np.array([row[2] for row in batch]),
            last,
            np.full(n, MINUTE),
            np.full(n, HOUR),
            np.full(n, 0.2),
        ).tolist()
    assert found == one_by_one(rows)


def one_by_one(rows: list[tuple[int, int, float]]) -> list[int]:
    seen: dict[int, tuple[int, float, int]] = {}
    flags = []
    for channel, time, value in rows:
        at, before, since = seen.get(channel, (time, value, time))
        since = since if value == before else time
        stuck = time - since > HOUR
        jump = abs(value - before) > 0.2 * max(1.0, (time - at) / MINUTE)
        flags.append(Flag.STUCK * stuck | Flag.JUMP * jump)
        seen[channel] = (time, value, since)
    return flags


def test_what_is_known_grows_with_the_channels() -> None:
    last = Last.empty(1)
    flagged([MINUTE], [7.0], last)
    wider = last.grown(3)
    assert wider.time.tolist() == [MINUTE, NEVER, NEVER]
    assert wider.value[0] == 7.0
