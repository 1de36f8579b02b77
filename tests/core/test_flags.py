"""Quality flags against a walk over each channel's readings, one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.flags import Course, course_flags, longest_pause, range_flags, undecided
from alerts.core.vocabulary import HOUR, MINUTE, SECOND, Flag
from tests.oracle_flags import Allowed, stuck_and_jumping
from tests.oracles import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

# Channel, reading, what is allowed; sorted by channel and time.
Rows = list[tuple[int, Reading, Allowed]]


def course(rows: Rows) -> Course:
    return Course(
        np.array([channel for channel, _, _ in rows], np.int32),
        np.array([reading.time for _, reading, _ in rows], np.int64),
        np.array([reading.value for _, reading, _ in rows], np.float64),
        np.array([allowed.period for _, _, allowed in rows], np.int64),
        np.array([allowed.stuck_after for _, _, allowed in rows], np.int64),
        np.array([allowed.max_step for _, _, allowed in rows], np.float64),
    )


def flagged(
    times: Sequence[int],
    values: Sequence[float],
    stuck_after: int = 0,
    max_step: float = math.nan,
    period: int = MINUTE,
) -> list[int]:
    """Flags of one channel's readings."""
    allowed = Allowed(period, stuck_after, max_step)
    rows = [(0, Reading(*one), allowed) for one in zip(times, values, strict=True)]
    return [int(mask) for mask in course_flags(course(rows))]


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
    assert flagged([0, 30 * MINUTE], [7.0, 7.0], stuck_after=0) == [0, 0]


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
    allowed = Allowed(MINUTE, 0, 1.0)
    rows = [(1, Reading(0, 5.0), allowed), (2, Reading(MINUTE, 1e9), allowed)]
    assert course_flags(course(rows)).tolist() == [0, 0]


@pytest.mark.parametrize(("period", "pause"), [(MINUTE, HOUR), (HOUR, 2 * HOUR)])
def test_after_the_longest_pause_all_begins_anew(period: int, pause: int) -> None:
    assert longest_pause(np.array([period])).tolist() == [pause]
    assert flagged([0, pause], [0.0, 1e9], max_step=1, period=period) == [0, Flag.JUMP]
    assert flagged([0, pause + 1], [0.0, 1e9], max_step=1, period=period) == [0, 0]
    assert flagged([0, pause], [7.0, 7.0], stuck_after=MINUTE, period=period) == [0, Flag.STUCK]
    assert flagged([0, pause + 1], [7.0, 7.0], stuck_after=MINUTE, period=period) == [0, 0]


def test_no_readings_have_no_flags() -> None:
    assert flagged([], []) == []
    assert undecided(course([]), np.zeros(0, np.bool_), 0).tolist() == []


# Test vectors of QARTOD's checks as ioos_qc 3.0.0 answers them: a reading a minute, null left out.
QARTOD = [50.0, 51.0, 52.0, 52.0, 52.0, 52.0, 52.0, 120.0, 53.0, -1.0, 54.0]


def test_qartod_gross_range_of_0_to_100() -> None:
    outside = range_flags(np.array(QARTOD), 0.0, 100.0, np.True_) == Flag.RANGE
    assert np.flatnonzero(outside).tolist() == [7, 9]


def test_qartod_rate_of_change_of_a_half_a_second() -> None:
    times = [i * MINUTE for i in range(len(QARTOD))]
    found = flagged(times, QARTOD, max_step=0.5, period=SECOND)
    assert np.flatnonzero(found).tolist() == [7, 8, 9, 10]


def still_open(times: list[int], first: int, low: int, allowed: list[Allowed]) -> list[int]:
    """Undecided channels of one that never changes, asked about from the place ``first`` on."""
    rows = [(7, Reading(time, 1.0), rule) for time, rule in zip(times, allowed, strict=True)]
    return [int(one) for one in undecided(course(rows), np.arange(len(rows)) >= first, low)]


def test_a_channel_is_decided_once_its_value_has_lasted_longer_than_is_ever_allowed() -> None:
    short, long = Allowed(MINUTE, 5 * MINUTE), Allowed(MINUTE, 20 * MINUTE)
    times = [0, 5 * MINUTE, 10 * MINUTE]
    assert still_open(times, 1, 0, [short] * 3) == [7]
    assert still_open([0, 5 * MINUTE + 1], 1, 0, [short] * 2) == []
    assert still_open(times, 2, 0, [short] * 3) == []
    assert still_open([*times, 11 * MINUTE], 2, 0, [short, short, short, long]) == [7]


def test_a_channel_is_decided_once_nothing_came_for_a_longest_pause() -> None:
    assert still_open([HOUR], 0, 1, [Allowed(MINUTE, HOUR)]) == [7]
    assert still_open([HOUR], 0, 0, [Allowed(MINUTE, HOUR)]) == []


ALLOWED = st.builds(
    Allowed,
    st.sampled_from([MINUTE, 40 * MINUTE]),
    st.sampled_from([0, MINUTE, 2 * HOUR]),
    st.sampled_from([0.0, 0.2, math.inf, math.nan]),
)
# Steps of time on both sides of the pauses: 1 h where the period is a minute, 80 min where 40.
STEPS = st.sampled_from([1, MINUTE, 25 * MINUTE, HOUR, HOUR + 1, 80 * MINUTE, 80 * MINUTE + 1])


@st.composite
def courses(draw: st.DrawFn) -> Rows:
    """Some channels' readings; now and then what a channel allows changes."""
    rows: Rows = []
    for channel in range(draw(st.integers(1, 3))):
        time, allowed = draw(st.integers(0, 3)) * MINUTE, draw(ALLOWED)
        for _ in range(draw(st.integers(0, 20))):
            allowed = draw(st.one_of(*[st.just(allowed)] * 4, ALLOWED))
            value = draw(st.sampled_from([1.0, 1.0, 1.0, 5.0, 9.0]))
            rows.append((channel, Reading(time, value), allowed))
            time += draw(STEPS)
    return rows


def twin(rows: Rows) -> list[int]:
    """The same as the slow twin says it, channel by channel."""
    masks = {"stuck": Flag.STUCK, "jump": Flag.JUMP}
    return [
        sum(masks[name] for name in names)
        for channel in sorted({channel for channel, _, _ in rows})
        for names in stuck_and_jumping(row[1:] for row in rows if row[0] == channel)
    ]


@settings(deadline=None)
@given(courses())
def test_channels_are_flagged_as_one_by_one(rows: Rows) -> None:
    assert course_flags(course(rows)).tolist() == twin(rows)


@settings(deadline=None)
@given(courses(), st.integers(0, 20 * 81 * MINUTE))
def test_what_lies_further_back_than_the_look_back_decides_nothing(rows: Rows, start: int) -> None:
    """From any start on the flags are those of the whole, given the look-back before it."""
    found = course(rows)
    back = int((found.stuck_after.max() + longest_pause(found.period).max()) if rows else 0)
    known = found.time >= start - back
    shorter = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    asked = found.time >= start
    assert (
        course_flags(course(shorter))[asked[known]].tolist() == course_flags(found)[asked].tolist()
    )
    assert undecided(course(shorter), asked[known], start - back).tolist() == []


@settings(deadline=None)
@given(courses(), st.integers(0, 20 * 81 * MINUTE), st.integers(0, 4 * HOUR))
def test_channels_that_are_decided_need_no_further_look_back(
    rows: Rows, start: int, back: int
) -> None:
    found = course(rows)
    known = found.time >= start - back
    shorter = course([row for row, is_known in zip(rows, known, strict=True) if is_known])
    asked = found.time >= start
    still_open = undecided(shorter, asked[known], start - back)
    decided = asked & ~np.isin(found.channel, still_open)
    assert course_flags(shorter)[decided[known]].tolist() == course_flags(found)[decided].tolist()
