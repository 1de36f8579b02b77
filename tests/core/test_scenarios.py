"""Every scenario, through the core at once, step by step, and through the oracle."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.core.machine import State
from alerts.core.vocabulary import Severity
from tests import oracles
from tests.core.along import evaluate, judged_blocks
from tests.core.scenario import ExpectedAlert, ExpectedBlock, Scenario, all_scenarios
from tests.core.states import assert_same_state

if TYPE_CHECKING:
    from alerts.core.course import Episode

SCENARIOS = pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda one: one.name)


@SCENARIOS
def test_the_oracle_tells_the_alerts_course(scenario: Scenario) -> None:
    history = oracles.alert_history(scenario.readings, scenario.versions, scenario.until)
    assert [_of_alert(one) for one in history] == list(scenario.alerts)


@SCENARIOS
def test_the_core_tells_the_alerts_course(scenario: Scenario) -> None:
    evaluations = evaluate(scenario.readings, scenario.versions, scenario.until)
    episodes, _ = evaluations.episodes(State.empty(1))
    assert [_of_episode(one) for one in episodes] == list(scenario.alerts)


@SCENARIOS
def test_the_machine_step_by_step_ends_where_the_course_ends(scenario: Scenario) -> None:
    evaluations = evaluate(scenario.readings, scenario.versions, scenario.until)
    _, state = evaluations.episodes(State.empty(1))
    assert_same_state(evaluations.states(State.empty(1))[-1], state)


@SCENARIOS
def test_the_machine_step_by_step_changes_when_the_course_says(scenario: Scenario) -> None:
    evaluations = evaluate(scenario.readings, scenario.versions, scenario.until)
    states = [State.empty(1), *evaluations.states(State.empty(1))]
    seen = []
    for before, after, at in zip(states[:-1], states[1:], evaluations.at.tolist(), strict=True):
        if before.severity[0] != after.severity[0]:
            seen.append((at, Severity(int(after.severity[0]))))
    expected = [
        (at, Severity.NONE if state == "resolved" else Severity[severity.upper()])
        for alert in scenario.alerts
        for at, state, severity in alert.course
        if state != "pending"
    ]
    assert seen == expected


@SCENARIOS
def test_oracle_and_core_judge_the_blocks(scenario: Scenario) -> None:
    if scenario.blocks is None:
        return
    limit = scenario.versions[0]
    averages = oracles.blocks(
        scenario.readings, scenario.period, scenario.window, scenario.zone, scenario.until
    )
    assert [
        ExpectedBlock(one.start, one.mean, one.count, one.expected, oracles.judgement(one, limit))
        for one in averages
    ] == list(scenario.blocks)
    judged = judged_blocks(scenario.readings, limit, scenario.zone, scenario.until)
    assert [
        ExpectedBlock(start, None if np.isnan(mean) else Decimal(repr(mean)), count, slots, label)
        for start, mean, count, slots, label in judged
    ] == list(scenario.blocks)


def _of_alert(alert: oracles.Alert) -> ExpectedAlert:
    return ExpectedAlert(tuple(alert.changes), alert.worst, alert.peak, alert.peak_at)


def _of_episode(episode: Episode) -> ExpectedAlert:
    course = tuple((one.at, one.state, one.severity.label) for one in episode.changes)
    peak = Decimal(repr(episode.peak))
    return ExpectedAlert(course, episode.worst.label, peak, episode.peak_at)
