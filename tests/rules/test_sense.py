"""What a rule set cannot mean is refused, at its place, with what to write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rules.given import faults_of, limits_of, registry

LIMIT = "channel: dry, value: 200, unit: mg/m3, rules: ours"
TONNES = "channel: lbs, value: 200, unit: t, rules: us-part75-hour"


def rule_set(more: dict[str, Any] | None = None, **condition: Any) -> str:
    """A rule set "ours" of one condition, as JSON, which is YAML too."""
    one = {"id": "one", "says": "Something", "clause": "1", "average": "1h", **condition}
    usual = {"from": "2020-01-01", "basis": {"dry": True}, "short_term": "1h"}
    version = {**usual, **(more or {}), "conditions": [one]}
    found = {"id": "ours", "title": {"en": "Ours"}, "sources": ["1"], "versions": [version]}
    return f"rule_sets: [{json.dumps(found)}]\n"


COUNT = {"statistic": "count", "per": "1year", "at_most": 5}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"statistic": "share", "share": "0.95", "per": "7d"}, "rolling_per: true for any such time"),
    ({**COUNT, "per": "30d"}, "per: 30d begins on no day of the calendar"),
    ({"statistic": "share", "share": "0.9"}, "per is missing"),
    ({"statistic": "share", "per": "1year"}, "share is missing"),
    ({"statistic": "count", "per": "1year"}, "at_most is missing"),
    ({"statistic": "mean", "per": "1year"}, "per is for shares and counts"),
    ({"statistic": "mean", "of": "invalid_days"}, "invalid_days is counted: statistic count"),
    ({"statistic": "total", "average": "1year", "geometric": True}, "a total is a sum"),
    ({**COUNT, "at_most_in_a_row": 744}, "more than the 31 days that are followed"),
    ({**COUNT, "of": "abatement_failure", "at_most_in_a_row": 744}, "more than the 31 days"),
    ({**COUNT, "of": "abatement_failure", "per": "7d", "rolling_per": True}, "1quarter or 1year"),
    ({**COUNT, "of": "abatement_failure", "per": "30operating_days"}, "such as 1year"),
    ({**COUNT, "of": "abatement_failure", "average": "1d"}, "short-term averages: average: 1h"),
    ({**COUNT, "of": "calibration_weeks"}, "at the end of each 1week"),
    ({**COUNT, "of": "calibration_weeks", "per": "1week", "at_most": None, "at_most_in_a_row": 1},
     "in how many weeks"),
    ({**COUNT, "of": "special_class"}, "counted apart"),
    ({"statistic": "count", "of": "special_class", "per": "1year", "rolling_per": True},
     "period of the calendar"),
    ({"statistic": "share", "share": "0.9", "of": "special_class", "per": "1year"},
     "statistic count"),
    ({"statistic": "count", "of": "failure_above", "per": "1year"}, "bound is missing"),
    ({**COUNT, "of": "failure_up_to", "bound": 100}, "failure_up_to is counted apart"),
    ({**COUNT, "classes": {"number": 20}}, "it is means that are counted in classes"),
    ({**COUNT, "bound": 100}, "it is for of: failure_up_to and failure_above"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_condition_that_cannot_be_judged(condition: dict[str, Any], words: str) -> None:
    [fault] = faults_of(registry(LIMIT, more=rule_set(**condition)))
    assert fault.path == "rule_sets[0].versions[0].conditions[0]" or "average" in words
    assert words in fault.message


@pytest.mark.parametrize(
    ("settings", "condition", "words"),
    [
        ({"substitution": "part75", "short_term": "30min"}, {"average": "1d"}, "short_term: 1h"),
        ({"substitution": "mean_two_sigma"}, {"average": "8h", "rolling": True}, "rolls"),
        ({"substitution": "mean_two_sigma"}, {"average": "30operating_days"}, "rolls"),
        ({"substitution": "neighbours", "short_term": "1min"}, {"average": "1d"}, "at least 10min"),
    ],
)
def test_a_substitution_that_cannot_be_made(
    settings: dict[str, Any], condition: dict[str, Any], words: str
) -> None:
    text = registry(LIMIT, more=rule_set(settings, statistic="mean", **condition))
    [fault] = faults_of(text)
    assert fault.path == "rule_sets[0].versions[0]"
    assert words in fault.message


def test_part_75_needs_the_maximum_potential() -> None:
    [fault] = faults_of(registry(f"{TONNES}, override: {{substitution: part75}}"))
    assert (fault.path, "override: {potential: 5000}" in fault.message) == (
        "permits[0].limits[0].rules",
        True,
    )
    text = registry(f"{TONNES}, override: {{substitution: part75, potential: 5000}}")
    [year] = [json.loads(row.rule or "") for row in limits_of(text) if "year" in row.condition]
    assert (year["potential"], year["look_back"]) == (5000.0, 720)


def test_nitrogen_oxides_are_looked_back_for_further() -> None:
    text = registry("channel: nox, value: 200, unit: mg/m3, rules: us-part75-hour, basis: {o2: 6}")
    assert {
        json.loads(row.rule)["look_back"]
        for row in limits_of(text)
        if row.rule and "condition" in row.rule
    } == {2160}


def test_the_special_class_is_made_of_start_ups_alone() -> None:
    text = registry("channel: dry, value: 200, unit: mg/m3, rules: bimschv, "
                    "conditions: [half_hour, special_class]")  # fmt: skip
    rows = {row.condition.partition("@")[0]: row for row in limits_of(text)}
    assert rows["half_hour"].basis == ""
    assert rows["special_class"].basis == "only start_up shut_down"
    assert {row.basis for row in limits_of(text) if row.condition == "record"} == {
        "", "idle", "only start_up shut_down",
    }  # fmt: skip


def test_classes_of_failure_are_for_dust_in_mg_m3() -> None:
    """Their bound is a figure in mg/m3, which is compared with no other unit."""
    wanted = "conditions: [failure_s15, failure_s16]"
    text = registry(f"channel: dust, value: 10, unit: mg/m3, rules: bimschv, {wanted}")
    rules = [json.loads(row.rule or "") for row in limits_of(text)]
    assert [one["bound"] for one in rules if "condition" in one] == [100.0, 100.0]
    for other in ("channel: dry, value: 200, unit: mg/m3", "channel: dust, value: 10, unit: ug/m3"):
        [fault] = faults_of(registry(f"{other}, rules: bimschv, {wanted}"))
        assert "has no condition" in fault.message


def test_weeks_count_from_the_newest_calibration() -> None:
    dates = "{from: 2025-03-01, range: [0, 300]}, {from: 2026-05-01, range: [0, 450]}"
    text = registry("channel: dry, value: 200, unit: mg/m3, rules: ied-lcp").replace(
        "basis: {dry: true, o2: 6}}\n",
        f"basis: {{dry: true, o2: 6}}, calibration: [{dates}]}}\n",
        1,
    )
    [rule] = [json.loads(row.rule or "") for row in limits_of(text) if "weeks" in row.condition]
    assert (rule["calibrated_from"], rule["calibration_range"]) == ("2026-05-01", 450.0)
