"""Permits, versions of rule sets, and what a limit changes of its rule set."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.rules.given import (
    STACK,
    channels_of,
    faults_of,
    limits_of,
    permit,
    records,
    registry,
    rule_of,
    table,
)

DRY = "channel: dry, value: 200, unit: mg/m3, rules: "
LCP = f"{DRY}ied-lcp"
OWN = """\
rule_sets:
  - id: ours
    title: {en: Ours}
    sources: [our lawyer]
    versions:
      - from: 2020-01-01
        short_term: 1h
        conditions:
          - {id: day, says: no day above, clause: A 1, statistic: mean, average: 1d}
      - from: 2027-07-01
        short_term: 30min
        basis: {dry: true}
        conditions:
          - {id: day, says: no day above, clause: A 1, statistic: mean, average: 1d, factor: 1.1}
          - {id: year, says: no year above, clause: A 2, statistic: mean, average: 1year}
"""


def day(year: int, month: int, number: int) -> datetime:
    """Return when a day of the reporting zone (+05:00) begins."""
    return datetime.fromisoformat(f"{year}-{month:02}-{number:02}T00:00:00+05:00").astimezone(UTC)


def spans(text: str) -> list[tuple[str, str, datetime, datetime]]:
    return [
        (row.permit, row.condition, row.valid_from, row.valid_until)
        for row in limits_of(text)
        if row.rule is not None
    ]


def test_a_version_of_the_rule_set_takes_over_within_a_permit() -> None:
    text = registry(DRY + "ours", more=OWN)
    assert spans(text) == [
        ("P1", "day@2020-01-01", day(2026, 1, 1), day(2027, 7, 1)),
        ("P1", "record", day(2026, 1, 1), day(2027, 7, 1)),
        ("P1", "day@2027-07-01", day(2027, 7, 1), day(2031, 1, 1)),
        ("P1", "year@2027-07-01", day(2027, 7, 1), day(2031, 1, 1)),
        ("P1", "record", day(2027, 7, 1), day(2031, 1, 1)),
    ]
    assert [(rule_of(row)["version"], row.value) for row in limits_of(text) if "@" in row.condition
            ] == [("2020-01-01", 200.0), ("2027-07-01", 220.0), ("2027-07-01", 200.0)]  # fmt: skip
    assert records(text) == {("dry", "", "1h"), ("dry", "", "30min")}


def test_records_of_two_versions_are_one_where_they_keep_the_same() -> None:
    text = registry(DRY + "ours", more=OWN.replace("short_term: 30min", "short_term: 1h"))
    assert spans(text)[-1] == ("P1", "year@2027-07-01", day(2027, 7, 1), day(2031, 1, 1))
    assert spans(text)[1] == ("P1", "record", day(2026, 1, 1), day(2031, 1, 1))


def test_a_version_that_begins_after_the_permit_has_ended_judges_nothing() -> None:
    text = STACK + OWN + permit("P1", "2026-01-01", "2026-12-31", DRY + "ours", first=True)
    assert {condition for _, condition, *_ in spans(text)} == {"day@2020-01-01", "record"}
    text = STACK + OWN + permit("P1", "2019-01-01", "2019-12-31", DRY + "ours", first=True)
    [fault] = faults_of(text)
    assert fault.path == "permits[0].limits[0].rules"
    assert fault.message == "ours applies from 2020-01-01 on, after the permit has ended"


def test_a_permit_that_began_before_its_rule_set_is_judged_from_its_first_version_on() -> None:
    text = STACK + OWN + permit("P1", "2019-01-01", "2026-12-31", DRY + "ours", first=True)
    assert spans(text)[0] == ("P1", "day@2020-01-01", day(2020, 1, 1), day(2027, 1, 1))


def test_a_permit_changes_at_midnight() -> None:
    text = (
        STACK
        + permit("P1", "2026-01-01", "2026-06-30", LCP, first=True)
        + permit("P2", "2026-07-01", "2026-12-31", LCP.replace("200", "150"))
    )
    days = [row for row in limits_of(text) if row.condition == "day@2013-01-07"]
    assert [(row.permit, row.value, row.valid_from, row.valid_until) for row in days] == [
        ("P1", 220.0, day(2026, 1, 1), day(2026, 7, 1)),
        ("P2", 165.0, day(2026, 7, 1), day(2027, 1, 1)),
    ]
    assert len(channels_of(text)) == 2  # nox, and what tells when the plant is idle: once


def test_two_permits_that_overlap_are_both_judged() -> None:
    text = (
        STACK
        + permit("P1", "2026-01-01", "2026-12-31", LCP, first=True)
        + permit("P2", "2026-06-01", "2027-06-30", LCP)
    )
    days = [row for row in limits_of(text) if row.condition == "day@2013-01-07"]
    assert [row.permit for row in days] == ["P1", "P2"]
    assert days[0].valid_until > days[1].valid_from


def test_a_source_without_a_permit_is_not_judged() -> None:
    assert limits_of(STACK) == []
    assert set(channels_of(STACK)) == {("nox", "")}


@pytest.mark.parametrize(
    ("limit", "short_term"),
    [
        ("channel: dry, value: 1, unit: mg/m3, average: 1month, rules: kz-20min", "20min"),
        ("channel: lbs, value: 1, unit: lb/h, average: 1year, rules: kz-20min", "1h"),
        ("channel: lbs, value: 1, unit: t, average: 1d, rules: kz-20min", "1h"),
        ("channel: so2, value: 1, unit: t, average: 1year, rules: kz-20min", "20min"),
        ("channel: dry, value: 1, unit: mg/m3, average: 1h, rules: kz-20min", "1h"),
    ],
)
def test_masses_and_long_means_are_made_of_means_that_are_kept(limit: str, short_term: str) -> None:
    rules = [rule_of(row) for row in limits_of(registry(limit)) if "@" in row.condition]
    assert [rule["short_term"] for rule in rules] == [short_term]


def test_a_set_of_the_registry_comes_before_one_that_is_shipped() -> None:
    text = registry(DRY + "ied-lcp", more=OWN.replace("id: ours", "id: ied-lcp"))
    assert rule_of(limits_of(text)[0])["clause"] == "A 1"


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("{validity: {coverage: 0.75}}", "coverage", "0.75"),
        ("{short_term: 30min}", "short_term", "30min"),
        ("{uncertainty: {method: value}}", "uncertainty", "value"),
        ('{uncertainty: {shares: {"0330": 0.1}}}', "uncertainty_share", "0.1"),
        ("{label: end}", "label", "end"),
        ("{substitution: neighbours}", "substitution", "neighbours"),
        ("{leaves_out: [stopped]}", "leaves_out", ["stopped"]),
        ("{decimals: 1}", "decimals", 1),
        ("{conditions: {day: {factor: 1.5}}}", "factor", "1.5"),
    ],
)
def test_a_limit_changes_single_fields(override: str, field: str, value: object) -> None:
    [before] = [row for row in limits_of(registry(LCP)) if row.condition.startswith("day")]
    text = registry(f"{LCP}, override: {override}")
    [row] = [row for row in limits_of(text) if row.condition.startswith("day")]
    assert rule_of(row)[field] == value
    assert {key for key in rule_of(row) if rule_of(row)[key] != rule_of(before)[key]} == {field}


def test_the_limits_coverage_is_that_of_its_rules() -> None:
    row = limits_of(registry(f"{LCP}, coverage: 0.9"))[0]
    assert (row.coverage, rule_of(row)["coverage"]) == ("0.9", "0.9")


def test_a_small_dust_limit_has_the_uncertainty_of_the_half_hour() -> None:
    limit = "channel: dust, unit: mg/m3, rules: bimschv, override: {uncertainty: {method: limit}}"
    small, large = (rule_of(limits_of(registry(f"{limit}, value: {v}"))[0]) for v in (5, 20))
    assert (small["uncertainty_share"], large["uncertainty_share"]) == ("3/5", "0.3")


def test_the_newest_calibration_gives_uncertainty_and_range() -> None:
    stack = STACK.replace(
        'id: dust, parameter: "2902", unit: mg/m3, period: 60s',
        'id: dust, parameter: "2902", unit: mg/m3, period: 60s, calibration: ['
        "{from: 2025-03-01, range: [0, 30], uncertainty: 4}, "
        "{from: 2026-03-01, range: [0, 40], uncertainty: 3}]",
    )
    text = registry("channel: dust, unit: mg/m3, value: 20, rules: bimschv", stack=stack)
    rule = rule_of(limits_of(text)[0])
    assert (rule["uncertainty"], rule["uncertainty_amount"]) == ("calibration", 3.0)
    text = registry("channel: dust, unit: mg/m3, value: 20, rules: ied-lcp", stack=stack)
    found = {row.condition: rule_of(row) for row in limits_of(text)}
    assert found["calibration_range@2013-01-07"]["calibration_range"] == 40.0
    assert found["calibration_range@2013-01-07"]["alert"] is False


def test_alternatives_are_one_group() -> None:
    text = registry("channel: so2, value: 50, unit: mg/m3, rules: ied-waste, "
                    "values: {half_hours_a: 200, half_hours_b: 50}")  # fmt: skip
    groups = {row.condition.partition("@")[0]: rule_of(row).get("group") for row in limits_of(text)}
    assert groups["half_hours_a"] == groups["half_hours_b"] == "half_hours"
    assert groups["day"] is None


def test_a_condition_that_asks_for_a_figure_of_its_own_is_left_out_without_it() -> None:
    names = [row[3] for row in table(registry("channel: so2, value: 50, unit: mg/m3, "
                                              "rules: ied-waste"))]  # fmt: skip
    assert names == ["day@2013-01-07", "invalid_days@2013-01-07"]


LIMIT_FAULTS = [
    (f"{DRY}ied-lpc", ".rules", 'there is no rule set "ied-lpc"; there are at-avv, bimschv'),
    (f"{LCP}, override: {{shortterm: 1h}}", ".override.shortterm", "did you mean short_term?"),
    (f"{LCP}, override: {{validity: {{cover: 1}}}}", ".override.validity.cover", "coverage?"),
    (f"{LCP}, override: {{validity: {{coverage: 2}}}}", ".override.validity.coverage",
     "above 0 and up to 1"),
    (f"{LCP}, override: {{from: 2020-01-01}}", ".override.from", "cannot be overridden"),
    (f"{LCP}, override: {{conditions: [day]}}", ".override.conditions", "a mapping of condition"),
    (f"{LCP}, override: {{conditions: {{days: {{factor: 1}}}}}}", ".override.conditions.days",
     'there is no condition "days"; there are month, day'),
    (f"{LCP}, override: {{conditions: {{day: {{factr: 1}}}}}}", ".override.conditions.day.factr",
     "did you mean factor?"),
    (f"{LCP}, override: {{conditions: {{day: 1}}}}", ".override.conditions.day", "that change"),
    (f"{LCP}, conditions: [week]", ".conditions", 'has no condition "week"; it has month, day'),
    (f"{LCP}, values: {{week: 1}}", ".values", 'has no condition "week"'),
    (f"{LCP}, average: 20min", ".average", "it judges 1month, 1d, 1h"),
    (f"{DRY}kz-20min", ".rules", "without an average: say one, such as average: 20min"),
    ("channel: so2, value: 1, unit: t, average: 1h, rules: kz-20min", ".average", "summed over"),
    ("channel: so2, value: 1, unit: t, rules: ied-lcp", ".rules", "no condition for a limit in t"),
    ("channel: lbs, value: 1, unit: lb/h, rules: kz-20min, average: 20min", ".rules",
     "averages over 20min cannot be made of values every 1h"),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "path", "words"), LIMIT_FAULTS)
def test_what_cannot_be_judged_is_named_at_the_limit(limit: str, path: str, words: str) -> None:
    [fault] = faults_of(registry(limit))
    assert fault.path == f"permits[0].limits[0]{path}"
    assert words in fault.message


def test_the_same_condition_twice_names_both_limits() -> None:
    [fault] = faults_of(registry(LCP, f"{LCP}, conditions: [day]"))
    assert fault.path == "permits[0].limits[1]"
    assert "has the condition day@2013-01-07 over 1d by ied-lcp in this permit already" in str(
        fault
    )
    line = registry(LCP).count("\n")
    assert fault.message.endswith(f"plant.yaml:{line}:9")


def test_limits_in_several_states_and_over_several_averages_stand_beside_each_other() -> None:
    limit = "channel: so2, value: 6, rules: kz-20min, unit: "
    kinds = ("mg/m3, average: 20min", "mg/m3, average: 1d", "g/s, average: 20min",
             "t, average: 1month", "t, average: 1year")  # fmt: skip
    text = registry(*(limit + kind for kind in kinds), LCP)
    assert [row[1:4] for row in table(text)][:5] == [
        ("", "20min", "mean@2021-07-01"),
        ("", "1d", "mean@2021-07-01"),
        ("g/s", "20min", "mean@2021-07-01"),
        ("kg/h", "1month", "total@2021-07-01"),
        ("kg/h", "1year", "total@2021-07-01"),
    ]


@pytest.mark.parametrize(
    "kind", ["t, average: 1month", "t, average: 1year", "mg/m3, average: 1month"]
)
def test_a_calendar_period_has_the_usual_rules_of_kazakhstan(kind: str) -> None:
    limit = f"channel: so2, value: 6, unit: {kind}"
    assert table(registry(limit)) == table(registry(f"{limit}, rules: kz-20min"))
