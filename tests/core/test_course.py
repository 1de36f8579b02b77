"""The course is what the machine does step by step, and what the oracle works out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.course import Change, Episode, course
from alerts.core.machine import State, Thresholds, step
from alerts.core.vocabulary import DAY, HOUR, MINUTE, NEVER, SECOND, Severity
from tests import oracles
from tests.core.along import Evaluations, evaluate
from tests.core.states import assert_same_state
from tests.core.strategies import limits, series

MEANS = [0.0, 50.0, 75.0, 76.0, 80.0, 95.0, 97.0, 100.0, 101.0, 130.0, float("nan")]


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluations:
    """Means around every threshold, unassessable ones, limits that come and go and change."""
    stretches = draw(
        st.lists(st.tuples(st.sampled_from(MEANS), st.integers(1, 8)), min_size=1, max_size=14)
    )
    mean = np.concatenate([np.full(n, value) for value, n in stretches])
    n = len(mean)
    flags = st.lists(st.sampled_from([True, True, True, False]), min_size=n, max_size=n)
    everywhere = st.just([True] * n)
    versions = draw(st.integers(1, 3))
    number = np.sort(draw(st.lists(st.integers(0, versions - 1), min_size=n, max_size=n)))
    value = np.array([100.0, 97.0, 60.0])[number]
    durations = st.lists(st.integers(0, 4), min_size=versions, max_size=versions)
    return Evaluations(
        at=np.arange(1, n + 1) * MINUTE,
        mean=mean,
        assessable=np.array(draw(flags)),
        in_force=np.array(draw(st.one_of(everywhere, flags))),
        thresholds=Thresholds(
            value,
            value * 0.8,
            value * 0.95,
            value * 0.76,
            np.array(draw(durations), np.int64)[number] * MINUTE,
            np.array(draw(durations), np.int64)[number] * MINUTE,
        ),
        step=MINUTE,
    )


def part(whole: Evaluations, rows: slice) -> Evaluations:
    return replace(
        whole,
        at=whole.at[rows],
        mean=whole.mean[rows],
        assessable=whole.assessable[rows],
        in_force=whole.in_force[rows],
        thresholds=whole.thresholds.take(rows),
    )


@settings(deadline=None, max_examples=300)
@given(evaluations())
def test_the_state_after_a_course_is_that_after_its_steps(given_: Evaluations) -> None:
    _, state = given_.episodes(State.empty(1))
    assert_same_state(state, given_.states(State.empty(1))[-1])


@settings(deadline=None, max_examples=300)
@given(evaluations(), st.data())
def test_a_course_in_two_parts_is_the_course(given_: Evaluations, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(given_.at)))
    whole, end = given_.episodes(State.empty(1))
    first, between = part(given_, slice(0, cut)).episodes(State.empty(1))
    second, after = part(given_, slice(cut, None)).episodes(between)
    assert_same_state(after, end)
    assert [one.opened_at for one in whole] == [one.opened_at for one in joined(first, second)]
    for one, other in zip(whole, joined(first, second), strict=True):
        np.testing.assert_equal(one, other)


def joined(first: list[Episode], second: list[Episode]) -> list[Episode]:
    """Put an episode that was cut in two together again."""
    if second and second[0].continued:
        changes = first[-1].changes + second[0].changes
        return [*first[:-1], replace(second[0], changes=changes, continued=False), *second[1:]]
    if first and first[-1].resolved_at is None:
        assert not first[-1].confirmed, "an open alert cannot disappear"
        return [*first[:-1], *second]
    return first + second


@settings(deadline=None, max_examples=100)
@given(st.lists(evaluations(), min_size=2, max_size=4))
def test_limits_side_by_side_do_not_touch_each_other(many: list[Evaluations]) -> None:
    n = min(len(one.at) for one in many)
    state = State.empty(len(many))
    for i in range(n):
        state = step(
            state,
            int(many[0].at[i]),
            np.array([one.mean[i] for one in many]),
            np.array([one.assessable[i] for one in many]),
            np.array([one.in_force[i] for one in many]),
            Thresholds(
                *(
                    np.array([getattr(one.thresholds, name)[i] for one in many])
                    for name in Thresholds.__dataclass_fields__
                )
            ),
            MINUTE,
        )
    for row, one in enumerate(many):
        alone = part(one, slice(0, n)).states(State.empty(1))[-1]
        assert_same_state(state.take(np.array([row])), alone)


@settings(deadline=None, max_examples=60)
@given(
    st.data(),
    st.sampled_from(
        [
            (20 * MINUTE, MINUTE, 120),
            (20 * MINUTE, 10 * SECOND, 400),
            (20 * MINUTE, 5 * MINUTE, 60),
            (HOUR, MINUTE, 240),
            (8 * HOUR, 10 * MINUTE, 200),
            (DAY, HOUR, 80),
        ]
    ),
)
def test_alert_histories_are_the_oracles(data: st.DataObject, grid: tuple[int, int, int]) -> None:
    window, period, length = grid
    readings = data.draw(series(period=period, length=length))
    limit = data.draw(limits(window=window, period=period))
    until = readings[-1].time + window
    versions = [limit]
    if data.draw(st.booleans()):
        change = data.draw(st.integers(readings[0].time, until))
        tighter = replace(data.draw(limits(window=window, period=period)), valid_after=change)
        versions = [replace(limit, valid_until=change), tighter]
    expected = oracles.alert_history(readings, versions, until)
    episodes, _ = evaluate(readings, versions, until).episodes(State.empty(1))
    assert [as_alert(one) for one in episodes] == expected


def as_alert(one: Episode) -> oracles.Alert:
    going_on = "open" if one.confirmed else "pending"
    return oracles.Alert(
        opened_at=one.opened_at,
        state="resolved" if one.resolved_at is not None else going_on,
        severity=one.severity.label,
        worst=one.worst.label,
        resolved_at=one.resolved_at,
        peak=Decimal(repr(one.peak)),
        peak_at=one.peak_at,
        value=Decimal(repr(one.value)),
        changes=[(change.at, change.state, change.severity.label) for change in one.changes],
    )


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from([2.0, 0.5, 1024.0]))
def test_scaling_values_and_limit_together_changes_no_course(
    data: st.DataObject, factor: float
) -> None:
    given_ = data.draw(evaluations())
    levels = ("value", "warn", "clear_exceedance", "clear_warning")
    scaled = replace(
        given_,
        mean=given_.mean * factor,
        thresholds=replace(
            given_.thresholds,
            **{name: getattr(given_.thresholds, name) * factor for name in levels},
        ),
    )
    courses = [one.episodes(State.empty(1))[0] for one in (given_, scaled)]
    assert [(a.opened_at, a.resolved_at, a.severity, a.peak_at) for a in courses[0]] == [
        (a.opened_at, a.resolved_at, a.severity, a.peak_at) for a in courses[1]
    ]


def limit_of(value: float, open_after: int = 0, clear_after: int = 0) -> Thresholds:
    return Thresholds(
        np.array([value]),
        np.array([value * 0.8]),
        np.array([value * 0.95]),
        np.array([value * 0.76]),
        np.array([open_after * MINUTE]),
        np.array([clear_after * MINUTE]),
    )


def run(means: list[float], thresholds: Thresholds, state: State | None = None) -> list[Episode]:
    mean = np.array(means)
    at = np.arange(1, len(mean) + 1) * MINUTE
    yes = np.ones(len(mean), np.bool_)
    return course(at, mean, yes, yes, thresholds, MINUTE, state or State.empty(1))[0]


def test_an_exceedance_that_plunges_falls_and_resolves_in_one_evaluation() -> None:
    (alert,) = run([120, 10, 10], limit_of(100, clear_after=1))
    assert alert.changes == [
        Change(MINUTE, "open", Severity.EXCEEDANCE, 120.0),
        Change(3 * MINUTE, "resolved", Severity.WARNING, 10.0),
    ]
    assert (alert.severity, alert.worst) == (Severity.WARNING, Severity.EXCEEDANCE)


def test_the_peak_is_the_first_of_the_highest_means_from_the_first_minute_over() -> None:
    (alert,) = run([90, 130, 99, 130, 85], limit_of(100, open_after=3, clear_after=5))
    assert (alert.opened_at, alert.peak, alert.peak_at) == (MINUTE, 130.0, 2 * MINUTE)
    assert alert.value == 85.0


def test_a_course_of_no_evaluations_leaves_the_state() -> None:
    state = State.empty(1)
    nothing = np.empty(0)
    episodes, after = course(
        nothing.astype(np.int64),
        nothing,
        nothing.astype(np.bool_),
        np.True_,
        limit_of(1),
        MINUTE,
        state,
    )
    assert episodes == []
    assert_same_state(after, state)


def test_an_empty_state_holds_nothing() -> None:
    state = State.empty(2)
    assert len(state) == 2
    assert (state.opened_at == NEVER).all()
    assert np.isnan(state.peak).all()


def test_a_state_is_taken_and_put_by_rows() -> None:
    yes = np.ones(3, np.bool_)
    mean = np.array([120.0, 85.0, 10.0])
    after = step(State.empty(3), MINUTE, mean, yes, yes, limit_of(100), MINUTE)
    assert after.severity.tolist() == [Severity.EXCEEDANCE, Severity.WARNING, Severity.NONE]
    other = State.empty(3)
    other.put(np.array([2, 0]), after.take(np.array([0, 2])))
    assert other.severity.tolist() == [Severity.NONE, Severity.NONE, Severity.EXCEEDANCE]
    assert other.peak[2] == 120.0


@pytest.mark.parametrize("minutes", [100_000])
def test_a_long_course_costs_its_episodes(minutes: int) -> None:
    means = np.full(minutes, 10.0)
    means[::1000] = 120.0
    assert len(run(means.tolist(), limit_of(100))) == minutes // 1000
