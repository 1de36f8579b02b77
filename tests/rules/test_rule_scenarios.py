"""Every scenario of tests/scenarios/rules, from the rule set's file to the judgement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alerts.core.validated import CONFIDENCE_SHARES
from ingest.rules_resolve import preset, preset_names
from tests.core.compliance import fast, slow
from tests.rules.given import faults_of, registry
from tests.rules.scenario import Case, all_cases, run, shown

CASES = all_cases()
DEFAULT = "P1"
COUNTED_APART = ("special_class", "failure_s15", "failure_s16")
MOST_ROWS = 1100  # short-term averages that the slow twin takes: a month of hours, a week of 10 min


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_scenario_ends_as_it_says(case: Case) -> None:
    expected: list[dict[str, Any]] = case.said["periods"]
    others = case.said.get("others")
    found = [one for judged in run(case) for one in shown(judged, case.zone)]
    wanted = {(one.get("permit", DEFAULT), one["at"]): one for one in expected}
    assert len(wanted) == len(expected), "a period is named twice"
    named = {(one["permit"], one["at"]): one for one in found}
    assert len(named) == len(found)
    assert set(wanted) <= set(named), sorted(named)
    for key, one in named.items():
        if key in wanted:
            assert {name: one[name] for name in wanted[key] if name != "permit"} == {
                name: value for name, value in wanted[key].items() if name != "permit"
            }, case.said["says"]
        else:
            assert one["state"] == others, f"{key} is not expected: {one}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_slow_twin_judges_the_same(case: Case) -> None:
    for one in run(case):
        if one.short.rows > MOST_ROWS or len(case.conditions) > 1:
            continue
        limit = np.array([one.rule.limit])
        given = (one.rule, limit, one.short, case.zone, one.until, one.in_force)
        assert fast(*given) == slow(*given)


CONDITIONS = [
    (name, condition.id)
    for name in preset_names()
    for found in [preset(name)]
    if found is not None
    for condition in found.versions[-1].conditions
]


@pytest.mark.parametrize(("rules", "condition"), CONDITIONS)
def test_each_condition_of_each_preset_has_both_sides_in_scenarios(
    rules: str, condition: str
) -> None:
    mine = [case for case in CASES if case.rules == rules and case.conditions == [condition]]
    states = {one["state"] for case in mine for one in case.said["periods"]}
    wanted = {"not_assessable"} if condition in COUNTED_APART else {"compliant", "exceeded"}
    assert wanted <= states


@pytest.mark.parametrize("rules", preset_names())
def test_each_preset_has_a_scenario_from_raw_values(rules: str) -> None:
    assert any(case.rules == rules and "raw" in case.said for case in CASES)
    assert any(
        one["state"] == "not_assessable"
        for case in CASES
        if case.rules == rules
        for one in case.said["periods"]
    )


GASES = {
    "0337": "co", "0330": "so2", "0301": "nox", "0304": "nox", "2902": "dust", "2908": "dust",
    "2754": "toc",
    "0316": "hcl", "0342": "hf", "0410": "ch4", "1325": "hcho", "0183": "hg", "0303": "nh3",
}  # fmt: skip


@pytest.mark.parametrize("rules", preset_names())
def test_shares_of_uncertainty_are_those_of_the_directive(rules: str) -> None:
    found = preset(rules)
    assert found is not None
    for substance, share in found.versions[-1].uncertainty.shares.items():
        assert float(share) == CONFIDENCE_SHARES[GASES[substance]], substance


def test_no_condition_of_a_version_goes_untested() -> None:
    """A second version of a preset needs scenarios of its own: then this test must grow too."""
    for name in preset_names():
        found = preset(name)
        assert found is not None
        assert len(found.versions) == 1


def test_an_average_that_is_no_multiple_of_what_it_is_made_of_is_refused() -> None:
    [fault] = faults_of(
        registry(
            "channel: dry, value: 200, unit: mg/m3, rules: ied-waste, conditions: [day], "
            "override: {conditions: {day: {average: 15min}}}"
        )
    )
    assert "averages over 15min of those over 30min" in fault.message
