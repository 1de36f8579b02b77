"""Each rule set that is shipped: it loads, says what it rests on, and expands to its conditions."""

from __future__ import annotations

import json

import pytest

from alerts.core.rules import Rule
from ingest.rules_model import RULE_SET
from ingest.rules_resolve import PRESETS, plain_of, preset, preset_names
from tests.rules.given import limits_of, records, registry, rule_of, table

NAMES = (
    "at-avv", "bimschv", "ch-lrv", "eu-mrr", "hj-76", "ied-lcp", "ied-solvents", "ied-waste",
    "in-cpcb", "kz-20min", "kz-norms-draft", "us-part60", "us-part75-hour",
)  # fmt: skip

EU = "dry, 6 % O2, 273.15 K, 101.3 kPa"
WASTE = "dry, 11 % O2, 273.15 K, 101.3 kPa"
VALUE = "value: 200, unit: mg/m3"
TONNES = "channel: lbs, value: 100, unit: t, rules: us-part75-hour"
CO = "channel: co, value: 50, unit: mg/m3, rules: ied-waste, "
PPM = "channel: ppm, value: 200, unit: ppm, "
SO2 = f"channel: so2, {VALUE}, "

# A limit, and (basis, average, condition, value, whether rolling means are followed) of its rows.
EXPECTED = [
    ("channel: bare, value: 700, unit: mg/m3, average: 20min, rules: kz-20min",
     [("", "20min", "mean@2021-07-01", 700.0, True)]),
    ("channel: bare, value: 700, unit: mg/m3, average: 24h, rules: kz-20min",
     [("", "1d", "mean@2021-07-01", 700.0, True)]),
    ("channel: so2, value: 60, unit: g/s, average: 20min, rules: kz-20min",
     [("g/s", "20min", "mean@2021-07-01", 60.0, True)]),
    ("channel: so2, value: 600, unit: t, average: 1year, rules: kz-20min",
     [("kg/h", "1year", "total@2021-07-01", 600.0, False)]),
    (f"channel: bare, {VALUE}, rules: kz-norms-draft",
     [("", "1d", "day@2021-07-01", 200.0, True),
      ("", "30min", "half_hour@2021-07-01", 399.999998, True)]),
    ("channel: so2, value: 60, unit: g/s, rules: kz-norms-draft, conditions: [hour_mass_flow]",
     [("g/s", "1h", "hour_mass_flow@2021-07-01", 60.0, True)]),
    ("channel: so2, value: 60, unit: t, rules: kz-norms-draft",
     [("kg/h", "1year", "year@2021-07-01", 60.0, False)]),
    (f"channel: so2, {VALUE}, basis: {{o2: 6}}, rules: ied-lcp",
     [(EU, "1month", "month@2013-01-07", 200.0, False),
      (EU, "1d", "day@2013-01-07", 220.0, True),
      (EU, "1h", "hours@2013-01-07", 400.0, True),
      (EU, "1d", "invalid_days@2013-01-07", 200.0, False)]),
    (f"channel: dry, {VALUE}, rules: ied-lcp, average: 1d",
     [("", "1d", "day@2013-01-07", 220.0, True),
      ("", "1d", "invalid_days@2013-01-07", 200.0, False)]),
    (f"channel: so2, {VALUE}, rules: ied-waste, values: {{half_hours_a: 400, half_hours_b: 200}}",
     [(WASTE, "1d", "day@2013-01-07", 200.0, True),
      (WASTE, "30min", "half_hours_a@2013-01-07", 400.0, True),
      (WASTE, "30min", "half_hours_b@2013-01-07", 200.0, True),
      (WASTE, "1d", "invalid_days@2013-01-07", 200.0, False)]),
    (CO + "values: {co_ten_minutes: 150, co_half_hours: 100}",
     [("", "1d", "co_days@2013-01-07", 50.0, True),
      ("", "10min", "co_ten_minutes@2013-01-07", 150.0, True),
      ("", "30min", "co_half_hours@2013-01-07", 100.0, True),
      ("", "1d", "invalid_days@2013-01-07", 50.0, False)]),
    (f"channel: dry, {VALUE}, rules: bimschv",
     [("", "1d", "day@2019-06-20", 200.0, True),
      ("", "30min", "half_hour@2019-06-20", 400.0, True),
      ("", "1d", "invalid_days@2019-06-20", 200.0, False)]),
    ("channel: ppm, value: 200, unit: ppm, basis: {o2: 7}, rules: us-part60",
     [("dry, 7 % O2, of 20.9 % in air", "30operating_days", "thirty_days@1979-06-11", 200.0,
       False)]),
    (PPM + "rules: us-part60, conditions: [four_hours, twelve_hours, geometric_day]",
     [("", "4h", "four_hours@1979-06-11", 200.0, True),
      ("", "12h", "twelve_hours@1979-06-11", 200.0, True),
      ("", "1d", "geometric_day@1979-06-11", 200.0, False)]),
    ("channel: lbs, value: 100, unit: short_ton, rules: us-part75-hour",
     [("kg/h", "1year", "year@1993-01-11", 90.718474, False)]),
    (f"{TONNES}, override: {{substitution: part75, potential: 9000}}",
     [("kg/h", "1year", "year@1993-01-11", 100.0, False)]),
    (f"channel: dry, {VALUE}, rules: bimschv, conditions: [failure_run, failure_sum]",
     [("", "30min", "failure_run@2019-06-20", 400.0, False),
      ("", "30min", "failure_sum@2019-06-20", 400.0, False)]),
    ("channel: ppm, value: 100, unit: ppm, rules: us-part75-hour",
     [("", "1h", "hour@1993-01-11", 100.0, True)]),
    (f"channel: ppm, {VALUE}, basis: {{o2: 6}}, rules: hj-76, conditions: [hour, day, month]",
     [("mg/m3, 22.4 L/mol, 64 g/mol, dry, 6 % O2, 273 K, 101.325 kPa",
       "1h", "hour@2018-03-01", 200.0, True),
      ("mg/m3, 22.4 L/mol, 64 g/mol, dry, 6 % O2, 273 K, 101.325 kPa",
       "1d", "day@2018-03-01", 200.0, True),
      ("mg/m3, 22.4 L/mol, 64 g/mol, dry, 6 % O2, 273 K, 101.325 kPa",
       "1month", "month@2018-03-01", 200.0, False)]),
    ("channel: so2, value: 100, unit: t, rules: eu-mrr",
     [("kg/h", "1year", "year@2021-01-01", 100.0, False)]),
    (f"channel: dry, {VALUE}, rules: ch-lrv",
     [("", "1d", "day@1986-03-01", 200.0, True),
      ("", "1h", "hours@1986-03-01", 240.0, True),
      ("", "1h", "hour@1986-03-01", 400.0, True)]),
    (f"channel: so2, {VALUE}, rules: at-avv",
     [(WASTE, "1d", "day@2002-11-01", 200.0, True),
      (WASTE, "30min", "half_hours@2002-11-01", 200.0, True),
      (WASTE, "30min", "half_hour@2002-11-01", 400.0, True)]),
    ("channel: co, value: 50, unit: mg/m3, rules: at-avv, values: {co_half_hour: 100}",
     [("", "1d", "co_days@2002-11-01", 50.0, True),
      ("", "30min", "co_half_hour@2002-11-01", 100.0, True)]),
    (f"channel: dry, {VALUE}, rules: ied-solvents",
     [("", "1d", "day@2013-01-07", 200.0, True),
      ("", "1h", "hour@2013-01-07", 300.0, True)]),
    (f"channel: bare, {VALUE}, rules: in-cpcb",
     [("", "15min", "mean@2018-01-01", 200.0, True)]),
]  # fmt: skip


def test_these_are_shipped() -> None:
    assert tuple(preset_names()) == NAMES
    assert {path.suffix for path in PRESETS.iterdir()} == {".yaml"}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_loads_and_says_the_same_after_json(name: str) -> None:
    found = preset(name)
    assert found is not None
    assert found.id == name
    assert {"en", "ru", "kk"} <= set(found.title)
    again = RULE_SET.validate_json(json.dumps(plain_of(found)))
    assert plain_of(again) == plain_of(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_judges_something_in_these_tests(name: str) -> None:
    assert any(f"rules: {name}" in limit for limit, _ in EXPECTED)


@pytest.mark.parametrize(("limit", "rows"), EXPECTED)
def test_a_limit_expands_to_the_conditions_of_its_rule_set(
    limit: str, rows: list[tuple[str, str, str, float, bool]]
) -> None:
    found = table(registry(limit))
    assert [row[1:] for row in found] == rows
    for row in limits_of(registry(limit)):
        if "statistic" in rule_of(row):
            assert Rule.of_json(rule_of(row)).condition == row.condition.partition("@")[0]


def test_conditions_name_their_clause_and_whether_it_was_read() -> None:
    rows = limits_of(registry(f"channel: so2, {VALUE}, rules: ied-waste, conditions: [day]"))
    rule = rule_of(rows[0])
    assert rule["clause"] == "Directive 2010/75/EU, annex VI, part 8, 1.1(a)"
    assert rule["verified"] is True
    rows = limits_of(registry(f"channel: dry, {VALUE}, rules: ied-lcp"))
    assert {rule_of(row).get("verified") for row in rows} == {False, None}


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        ("channel: bare, value: 1, unit: mg/m3, average: 20min, rules: kz-20min",
         {("bare", "", "20min")}),
        ("channel: so2, value: 1, unit: t, average: 1month, rules: kz-20min",
         {("so2", "kg/h", "20min"), ("so2", "idle", "20min")}),
        ("channel: dry, value: 1, unit: mg/m3, rules: bimschv",
         {("dry", "", "30min"), ("dry", "idle", "30min")}),
        ("channel: so2, value: 1, unit: mg/m3, rules: bimschv, basis: {o2: 6}",
         {("so2", f"{EU}, averaged over 30min first", "30min"), ("so2", "", "30min"),
          ("so2", "idle", "30min")}),
        ("channel: ppm, value: 1, unit: ppm, rules: us-part75-hour",
         {("ppm", "", "1h"), ("ppm", "", "15min"), ("ppm", "idle", "1h"),
          ("ppm", "serviced", "1h")}),
        ("channel: co, value: 50, unit: mg/m3, rules: ied-waste, values: {co_ten_minutes: 150}",
         {("co", "", "30min"), ("co", "", "10min"), ("co", "idle", "30min"),
          ("co", "idle", "10min")}),
        (SO2 + "rules: ied-lcp, basis: {o2: 6}, override: {substitutes: {o2: 8}}",
         {("so2", f"{EU}, missing o2 is 8 %", "1h"), ("so2", "idle", "1h"),
          ("so2", f"{EU}, missing o2 is 8 % mark", "1h")}),
    ],
)  # fmt: skip
def test_block_means_are_kept_for_what_conditions_are_judged_from(
    limit: str, kept: set[tuple[str, str, str]]
) -> None:
    assert records(registry(limit)) == kept
