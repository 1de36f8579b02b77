"""From what is measured to what a limit is written for: recipes, and what cannot be told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.rules_units import MOLAR_MASSES
from tests.core.golden import VECTORS
from tests.rules.given import STACK, channels_of, faults_of, recipe_of, registry
from tests.rules.scenario import converted

EU = "dry, 6 % O2, 273.15 K, 101.3 kPa"
LCP = "unit: mg/m3, value: 200, rules: ied-lcp, basis: {o2: 6}"
KZ = "value: 60, unit: g/s, average: 20min, rules: kz-20min"
WET = (
    "channel: so2, unit: mg/m3, value: 1, average: 1h, rules: kz-20min, basis: {dry: false, o2: 6}"
)
TWO = """- {id: h2o, parameter: h2o, unit: "%", period: 60s}
          - {id: wet, parameter: h2o, unit: "%", period: 60s}"""
PLACES = ("temperature", "pressure", "moisture", "oxygen", "co2", "flow")


def bound(recipe: dict[str, Any]) -> dict[str, str]:
    return {place: recipe[place]["channel"] for place in PLACES if recipe[place] is not None}


def test_a_wet_and_hot_gas_needs_everything() -> None:
    recipe = recipe_of(registry(f"channel: so2, {LCP}"), "so2", EU)
    assert bound(recipe) == {
        "temperature": "t", "pressure": "p", "moisture": "h2o", "oxygen": "o2",
    }  # fmt: skip
    assert recipe["wet"] is True
    assert (recipe["temperature"]["scale"], recipe["temperature"]["offset"]) == (1.0, 273.15)
    assert recipe["pressure"]["scale"] == 0.001  # Pa
    assert recipe["moisture"]["scale"] == 0.01  # %
    assert recipe["oxygen"]["wet"] is False
    assert recipe["step_us"] == 60_000_000
    assert recipe["reference"] == {
        "temperature": 273.15, "pressure": 101.3, "oxygen": 6.0, "air": 21.0, "oxygen_cap": None,
        "co2": None, "co2_floor": None,
    }  # fmt: skip
    row = channels_of(registry(f"channel: so2, {LCP}"))["so2", EU]
    assert json.loads(row.state or "") == {"dry": True, "o2": 6.0, "standard": True}


def test_what_is_stated_needs_nothing() -> None:
    assert list(channels_of(registry(f"channel: dry, {LCP}"))) == [("nox", ""), ("dry", "idle")]


def test_a_stated_oxygen_is_brought_to_another_without_measuring() -> None:
    text = registry("channel: dry, unit: mg/m3, value: 200, rules: ied-lcp, basis: {o2: 3}")
    recipe = recipe_of(text, "dry", "dry, 3 % O2, 273.15 K, 101.3 kPa")
    assert bound(recipe) == {}
    assert (recipe["stated_oxygen"], recipe["reference"]["oxygen"]) == (6.0, 3.0)


def test_ppm_become_mg_at_the_reference_state() -> None:
    text = registry(f"channel: ppm, {LCP}")
    recipe = recipe_of(text, "ppm", f"mg/m3, {EU}")
    assert bound(recipe) == {"oxygen": "o2"}
    assert recipe["main"]["scale"] == pytest.approx(64.066 / 22.414 * 101.3 / 101.325, rel=1e-12)


def test_molar_masses_are_those_of_the_published_conversions() -> None:
    codes = {"SO2": "0330", "NO2": "0301", "CO": "0337", "HCl": "0316", "NH3": "0303"}
    given = {gas: VECTORS[f"P_{gas}"]["input"]["M"] for gas in codes}
    assert {gas: MOLAR_MASSES[code] for gas, code in codes.items()} == given


def test_micrograms_become_milligrams() -> None:
    text = registry("channel: bare, unit: ug/m3, value: 2e5, average: 1h, rules: kz-20min")
    recipe = recipe_of(text, "bare", "ug/m3")
    assert (bound(recipe), recipe["main"]["scale"]) == ({}, 1000.0)


def test_a_mass_flow_of_gas_and_flow_in_one_state_is_their_product() -> None:
    recipe = recipe_of(registry(f"channel: so2, {KZ}"), "so2", "g/s")
    assert bound(recipe) == {"flow": "q"}
    assert recipe["mass"] == 1 / 3.6e6
    assert (recipe["wet"], recipe["flow"]["wet"], recipe["flow"]["standard"]) == (
        False,
        False,
        True,
    )
    assert recipe["reference"]["oxygen"] is None


def test_a_mass_flow_takes_the_concentration_back_to_the_oxygen_of_the_gas() -> None:
    recipe = recipe_of(registry(f"channel: dry, {KZ}"), "dry", "g/s, 273.15 K, 101.325 kPa")
    assert bound(recipe) == {
        "temperature": "t", "pressure": "p", "moisture": "h2o", "oxygen": "o2", "flow": "q",
    }  # fmt: skip
    assert (recipe["stated_oxygen"], recipe["reference"]["oxygen"]) == (6.0, None)
    assert recipe["standard"] is True  # of the concentration: only the flow is converted
    assert (recipe["flow"]["standard"], recipe["flow"]["wet"]) == (False, True)


def test_a_velocity_is_a_flow_with_the_area_of_the_mouth() -> None:
    stack = STACK.replace(
        "- {id: q, parameter: flow, unit: m3/h,", "- {id: q, parameter: velocity, unit: m/s,"
    )
    [fault] = faults_of(registry(f"channel: so2, {KZ}", stack=stack))
    assert "q is a velocity" in fault.message
    assert "area: 12.5" in fault.message
    stack = stack.replace("- id: stack-1\n", "- id: stack-1\n        area: 10\n")
    recipe = recipe_of(registry(f"channel: so2, {KZ}", stack=stack), "so2", "g/s")
    assert recipe["flow"]["scale"] == 36_000.0


def test_nox_is_the_sum_of_its_oxides_as_no2() -> None:
    text = registry("channel: nox, value: 200, unit: mg/m3, average: 20min, rules: kz-20min")
    recipe = recipe_of(text, "nox", "")
    assert recipe["main"]["channel"] == "no"
    assert recipe["main"]["scale"] == pytest.approx(46 / 30)
    assert recipe["main"]["required"] == 4  # of six values in the minute
    assert (recipe["second"]["channel"], recipe["second"]["scale"]) == ("no2", 1.0)


def test_a_chain_starts_from_what_is_measured_not_from_nox() -> None:
    text = registry("channel: nox, unit: mg/m3, value: 200, rules: ied-lcp, basis: {o2: 3}")
    recipe = recipe_of(text, "nox", "dry, 3 % O2, 273.15 K, 101.3 kPa")
    assert (recipe["main"]["channel"], recipe["second"]["channel"]) == ("no", "no2")
    assert recipe_of(text, "nox", "idle")["of"] == {"channel": "no", "basis": ""}


def test_calibrations_go_into_the_chain_oldest_first() -> None:
    stack = STACK.replace(
        'id: bare, parameter: "0330", unit: mg/m3, period: 60s',
        'id: bare, parameter: "0330", unit: mg/m3, period: 60s, calibration: ['
        "{from: 2026-03-01, intercept: 1, slope: 1.1, range: [0, 450]}, "
        "{from: 2025-03-01, slope: 1.2}]",
    )
    text = registry("channel: bare, value: 1, unit: mg/m3, average: 1h, rules: kz-20min",
                    stack=stack)  # fmt: skip
    recipe = recipe_of(text, "bare", "calibrated")
    assert recipe["main"]["calibrations"] == [
        {"from_us": 1_740_769_200_000_000, "intercept": 0.0, "slope": 1.2},
        {"from_us": 1_772_305_200_000_000, "intercept": 1.0, "slope": 1.1},
    ]


def test_each_gas_of_nox_has_its_own_calibrations() -> None:
    stack = STACK
    for name, slope in (("no", 1.1), ("no2", 0.9)):
        functions = f"calibration: [{{from: 2026-03-01, intercept: 2, slope: {slope}}}], "
        stack = stack.replace(f"{{id: {name}, ", f"{{{functions}id: {name}, ")
    text = registry(f"channel: nox, {LCP}", stack=stack)
    recipe = recipe_of(text, "nox", "dry, 6 % O2, 273.15 K, 101.3 kPa")
    for place, slope in (("main", 1.1), ("second", 0.9)):
        assert recipe[place]["calibrations"] == [
            {"from_us": 1_772_305_200_000_000, "intercept": 2.0, "slope": slope}
        ]
    # 2 + 1.1 x 30 and 2 + 0.9 x 10, the first as NO2
    made = converted(recipe, {"no": 30, "no2": 10}, 1_772_305_200_000_000)
    assert made == pytest.approx(35 * 46 / 30 + 11, rel=1e-12)
    assert converted(recipe, {"no": 30, "no2": 10}, 0) == pytest.approx(30 * 46 / 30 + 10)


def test_substitutes_are_in_the_roles_unit_and_marked() -> None:
    text = registry(
        f"channel: so2, {LCP}, override: {{substitutes: {{temperature: 120, h2o: 12}}}}"
    )
    basis = f"{EU}, missing temperature is 120 degC, missing h2o is 12 %"
    words = sorted(key[1] for key in channels_of(text) if key[0] == "so2")
    assert len(words) == 3
    [basis] = [one for one in words if one.startswith(EU) and not one.endswith("mark")]
    assert "missing temperature is 120 degC" in basis
    recipe, mark = recipe_of(text, "so2", basis), recipe_of(text, "so2", f"{basis} mark")
    assert recipe["temperature"]["substitute"] == pytest.approx(393.15)
    assert recipe["moisture"]["substitute"] == pytest.approx(0.12)
    assert recipe["oxygen"]["substitute"] is None
    assert mark == {**recipe, "output": "mark"}


def test_values_of_other_statuses_count_where_the_rule_set_says_so() -> None:
    text = registry("channel: bare, value: 1, unit: mg/m3, average: 1h, rules: kz-20min, "
                    "override: {counts: [start_up]}")  # fmt: skip
    assert recipe_of(text, "bare", "with start_up") == {
        "kind": "select",
        "of": {"channel": "bare", "basis": ""},
        "statuses": ["valid", "start_up"],
        "value": "measured",
    }


PART_60 = (
    "value: 1, rules: us-part60, basis: {o2: 7}, unit: mg/m3, "
    "override: {counts: [start_up, shut_down]}"
)
STARTS = "with start_up shut_down, start_up shut_down uncorrected"
US = "7 % O2, of 20.9 % in air, 293.15 K, 101.325 kPa"


def test_values_of_start_up_go_through_the_chain_without_the_reference_oxygen() -> None:
    text = registry(f"channel: so2, {PART_60}")
    recipe = recipe_of(text, "so2", f"dry, {US}, {STARTS}")
    both, alone = "with start_up shut_down", "only start_up shut_down"
    assert recipe["main"]["basis"] == both
    assert recipe["uncorrected"] == alone
    # What tells of the gas is of both; oxygen of those values that are corrected.
    told = {place: recipe[place]["basis"] for place in bound(recipe)}
    assert told == {"temperature": both, "pressure": both, "moisture": both, "oxygen": ""}
    selects = {
        key: one["statuses"]
        for key in channels_of(text)
        for one in (recipe_of(text, *key),)
        if one["kind"] == "select" and one["value"] == "measured"
    }
    starts = ["start_up", "shut_down"]
    assert selects == {("so2", alone): starts} | {
        (name, both): ["valid", *starts] for name in ("so2", "t", "p", "h2o")
    }


def test_where_they_do_not_count_nothing_is_left_uncorrected() -> None:
    text = registry(f"channel: so2, {PART_60.partition(', override')[0]}")
    assert recipe_of(text, "so2", f"dry, {US}")["uncorrected"] is None


def test_a_mass_flow_has_no_reference_oxygen_to_leave_out() -> None:
    limit = "channel: so2, value: 1, unit: kg/h, rules: us-part60, conditions: [four_hours], "
    text = registry(f"{limit}override: {{counts: [start_up]}}")
    [recipe] = [
        one
        for key in channels_of(text)
        for one in (recipe_of(text, *key),)
        if one["kind"] == "chain" and one["mass"] is not None
    ]
    assert recipe["uncorrected"] is None
    assert recipe["flow"]["basis"] == "with start_up"


def test_what_is_stated_at_an_oxygen_cannot_be_left_uncorrected() -> None:
    [fault] = faults_of(registry(f"channel: dry, {PART_60}"))
    assert "takes values of start_up and shut_down as measured, but those of dry are at 6 % O2" in (
        fault.message
    )
    text = PART_60.replace("shut_down]", "shut_down], uncorrected: []")
    assert recipe_of(
        registry(f"channel: dry, {text}"), "dry", f"dry, {US}, with start_up shut_down"
    )


def test_organic_carbon_is_limited_under_the_code_of_alkanes() -> None:
    stack = STACK.replace('id: ppm, parameter: "0330"', 'id: ppm, parameter: "2754"')
    limit = "channel: ppm, value: 10, unit: mg/m3, rules: ied-waste"
    [fault] = faults_of(registry(limit, stack=stack))
    assert "molar mass of 2754 is not known" in fault.message
    carbon = 'override: {basis: {molar_masses: {"2754": 12.011}}}'
    text = registry(f"{limit}, {carbon}", stack=stack)
    [basis] = [key[1] for key in channels_of(text) if key[1].startswith("mg/m3")]
    assert recipe_of(text, "ppm", basis)["main"]["scale"] == pytest.approx(
        12.011 / 22.414 * 101.3 / 101.325, rel=1e-12
    )


# What a channel or limit says, and what is asked for instead of guessing.
UNTOLD = [
    (f"channel: bare, {LCP}", "bare is of dry or of wet gas", ""),
    ("channel: so2, unit: mg/m3, value: 1, rules: ied-lcp", "basis: {dry: true, o2: 6}", ""),
    (f"channel: bare, {KZ}", "bare is at standard temperature and pressure or", ""),
    ("channel: o2, unit: g/s, value: 1, average: 1h, rules: kz-20min", "cannot become", ".unit"),
    ("channel: o2, unit: K, value: 1, average: 1h, rules: kz-20min", "cannot become", ".unit"),
    ("channel: ppm, unit: mg/m3, value: 1, average: 1h, rules: kz-20min", "standard: true",
     ".unit"),
    (f"channel: so2, {KZ}, basis: {{o2: 6}}", "the same in every state", ".basis"),
    (WET, "wet values are not computed", ".basis"),
    ("channel: dust, unit: ppm, value: 1, average: 1h, rules: kz-20min, basis: {o2: 6}",
     "molar mass of 2902 is not known", ".unit"),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "words", "path"), UNTOLD)
def test_nothing_is_guessed(limit: str, words: str, path: str) -> None:
    [fault] = faults_of(registry(limit))
    assert words in fault.message
    assert fault.path == f"permits[0].limits[0]{path}"
    assert fault.line == registry(limit).count("\n")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('          - {id: h2o, parameter: h2o, unit: "%", period: 60s}\n', "",
         "needs the moisture of the gas: stack-1 has no channel for it"),
        ('- {id: h2o, parameter: h2o, unit: "%", period: 60s}',
         "- {id: h2o, parameter: h2o, unit: kPa, period: 60s}", "is needed in %"),
        ('- {id: h2o, parameter: h2o, unit: "%", period: 60s}',
         TWO,
         "stack-1 has h2o, wet, bind one with auxiliary: {h2o: CHANNEL}"),
        ("period: 60s, basis: {dry: true}}\n          - {id: h2o",
         "period: 60s}\n          - {id: h2o", "know whether o2 is of dry or of wet gas"),
    ],
)  # fmt: skip
def test_an_auxiliary_that_is_missing_is_named(old: str, new: str, words: str) -> None:
    assert STACK.count(old) == 1
    [fault] = faults_of(registry(f"channel: so2, {LCP}", stack=STACK.replace(old, new)))
    assert words in fault.message


def test_a_binding_of_the_channel_comes_before_that_of_the_source() -> None:
    stack = STACK.replace(
        "      - id: stack-1\n", "      - id: stack-1\n        auxiliary: {o2: o2}\n"
    ).replace(
        "basis: {dry: false,\n             standard: false}}",
        "auxiliary: {o2: o2b}, basis: {dry: false,\n             standard: false}}\n"
        '          - {id: o2b, parameter: o2, unit: "%", period: 60s, basis: {dry: true}}',
    )
    text = registry(f"channel: so2, {LCP}", f"channel: ppm, {LCP}", stack=stack)
    assert bound(recipe_of(text, "so2", EU))["oxygen"] == "o2b"
    assert bound(recipe_of(text, "ppm", f"mg/m3, {EU}"))["oxygen"] == "o2"


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("      - id: stack-1\n", "      - id: stack-1\n        auxiliary: {o2: o3}\n",
         "enterprises[0].sources[0].auxiliary.o2", 'no channel "o3" at stack-1'),
        ("nox_of: {no: no, no2: no2}", "nox_of: {no: no, no2: no3}",
         "enterprises[0].sources[0].channels[8].nox_of", 'no measured channel "no3"'),
        ("nox_of: {no: no, no2: no2}", "nox_of: {no: no, no2: ppm}",
         "enterprises[0].sources[0].channels[8].nox_of", "whose gas differs"),
        ("{id: nox, ", "{calibration: [{from: 2026-01-01, slope: 1.1}], id: nox, ",
         "enterprises[0].sources[0].channels[8].nox_of", "give no and no2 their calibrations"),
        ("unit: mg/m3, period: 60s, nox_of", "unit: ppm, period: 60s, nox_of",
         "enterprises[0].sources[0].channels[8].nox_of", "all in ppm, or all in mg/m3"),
        ("unit: mg/m3, period: 60s, nox_of", "unit: mg/m3, period: 10s, nox_of",
         "enterprises[0].sources[0].channels[8].nox_of", "at least 1min"),
    ],
)  # fmt: skip
def test_what_a_source_says_of_itself_must_be_there(
    old: str, new: str, path: str, words: str
) -> None:
    assert STACK.count(old) == 1
    [fault] = faults_of(STACK.replace(old, new))
    assert fault.path == path
    assert words in fault.message


def test_no_unit_reports_what_is_computed() -> None:
    [fault] = faults_of(STACK + "    units:\n      - {id: a, channels: {nox: stack-1/nox}}\n")
    assert fault.path == "enterprises[0].units[0].channels.nox"
    assert "is computed (nox_of)" in fault.message
