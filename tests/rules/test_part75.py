"""40 CFR part 75 in a registry: which quantities are filled, by what load, up to what value."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.core.rules import Rule
from ingest.rules_units import MOLAR_MASSES
from tests.rules.given import STACK, faults_of, limits_of, records, registry, rule_of

NOX = ("channel: nox, value: 200, unit: mg/m3, basis: {o2: 6}, rules: us-part75-hour, "
       "override: {substitution: part75, potential: 900}")  # fmt: skip
MASS = "channel: dry, value: 200, unit: t, rules: us-part75-hour, override: "
POTENTIALS = "potentials: {concentration: 900, flow: 2e6, h2o: 3, o2: 2}"
LOAD = "          - {id: mw, parameter: load, unit: MW, period: 60s}\n"
FULL = STACK.replace("- id: stack-1\n", "- id: stack-1\n        maximum_load: 320\n") + LOAD


def year(text: str) -> dict[str, Any]:
    """The rule of the only condition."""
    [row] = [row for row in limits_of(text) if "statistic" in rule_of(row)]
    return rule_of(row)


def test_nitrogen_oxides_go_by_the_load() -> None:
    text = registry(NOX, stack=FULL)
    rule = year(text)
    names = ("by_load", "load", "maximum_load", "look_back", "apart")
    assert [rule[name] for name in names] == [True, "mw", 320.0, 2160, []]
    assert rule["clause"].endswith("gaps of NOx and flow by 75.33(c): ranges of the load that mw "
                                   "tells")  # fmt: skip
    assert ("mw", "", "1h") in records(text)
    assert Rule.of_json(rule).load == "mw"


def test_a_source_without_load_is_said_to_be_one() -> None:
    rule = year(registry(NOX))
    assert [rule[name] for name in ("by_load", "load", "maximum_load")] == [True, None, None]
    assert rule["clause"].endswith("by 75.33(d): no load is told")
    sulphur = NOX.replace("channel: nox", "channel: dry")
    assert "75.33" not in year(registry(sulphur, stack=FULL))["clause"]
    assert ("mw", "", "1h") not in records(registry(sulphur, stack=FULL))


def test_the_load_is_what_is_bound_else_the_only_one_else_the_heat_input() -> None:
    heat = LOAD.replace("mw", "heat").replace("parameter: load", "parameter: heat_input")
    assert year(registry(NOX, stack=FULL + heat))["load"] == "mw"
    assert year(registry(NOX, stack=FULL.replace(LOAD, heat)))["load"] == "heat"
    two = FULL + LOAD.replace("mw", "steam")
    [fault] = faults_of(registry(NOX, stack=two))
    assert "stack-1 has mw, steam, bind one with auxiliary: {load: CHANNEL}" in fault.message
    bound = two.replace("maximum_load", "auxiliary: {load: steam}\n        maximum_load")
    assert year(registry(NOX, stack=bound))["load"] == "steam"
    [fault] = faults_of(registry(NOX, stack=bound.replace("load: steam}", "load: stem}")))
    assert (fault.path, fault.message) == (
        "enterprises[0].sources[0].auxiliary.load", 'there is no channel "stem" at stack-1',
    )  # fmt: skip


def test_ranges_need_the_maximum_load() -> None:
    [fault] = faults_of(registry(NOX, stack=STACK + LOAD))
    assert "ranges of load, which mw tells" in fault.message
    assert "of stack-1 in MW (maximum_load: 320)" in fault.message


def test_a_mass_is_filled_by_what_it_is_made_of() -> None:
    text = registry(f"{MASS}{{substitution: part75, {POTENTIALS}}}", stack=FULL)
    rule = year(text)
    usual = {"lesser": False, "by_load": False, "look_back": 720}
    assert rule["apart"] == [
        {**usual, "role": "main", "potential": 900.0},
        {**usual, "role": "flow", "potential": 2e6, "by_load": True, "look_back": 2160},
        {**usual, "role": "moisture", "potential": 0.03, "lesser": True},
        {**usual, "role": "oxygen", "potential": 2.0, "lesser": True},
    ]
    assert {one.role for one in Rule.of_json(rule).apart} == {"main", "flow", "moisture", "oxygen"}
    members = ("dry", "q", "h2o", "o2", "t", "p")
    kept = {(name, "", window) for name in members for window in ("1h", "15min")}
    assert kept | {("mw", "", "1h")} <= records(text)


def test_potential_values_are_in_the_units_of_the_channels() -> None:
    mass = f"{MASS}{{substitution: part75, {POTENTIALS}}}".replace("channel: dry", "channel: ppm")
    speed = FULL.replace("parameter: flow, unit: m3/h", "parameter: velocity, unit: m/s")
    speed = speed.replace("maximum_load", "area: 10\n        maximum_load")
    main, flow, *_ = year(registry(mass.replace("2e6", "30"), stack=speed))["apart"]
    assert main["potential"] == pytest.approx(900 * MOLAR_MASSES["0330"] / 24.06, rel=1e-9)
    assert flow["potential"] == 30 * 3600 * 10


def test_moisture_that_a_wet_concentration_is_divided_by_is_not_turned_round() -> None:
    stack = FULL.replace("m3/h, period: 60s, basis: {dry: false", "m3/h, period: 60s, basis: {dry: "
                         "true")  # fmt: skip
    mass = f"{MASS}{{substitution: part75, {POTENTIALS}}}".replace("channel: dry", "channel: so2")
    found = year(registry(mass, stack=stack))["apart"]
    assert [(one["role"], one["lesser"]) for one in found if one["role"] == "moisture"] == [
        ("moisture", False)
    ]


def test_what_has_a_fixed_substitute_is_never_missing() -> None:
    text = f"{MASS}{{substitution: part75, {POTENTIALS}, substitutes: {{h2o: 12}}}}"
    assert [one["role"] for one in year(registry(text, stack=FULL))["apart"]] == [
        "main", "flow", "oxygen",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("{substitution: part75, potential: 5000}", "{potentials: {concentration: …}}"),
        ("{substitution: part75, potentials: {concentration: 900}}", "{potentials: {flow: …}}"),
        (f"{{substitution: part75, {POTENTIALS}, normalise: each}}", "{normalise: short_term}"),
    ],
)
def test_what_a_mass_needs_besides(override: str, words: str) -> None:
    [fault] = faults_of(registry(MASS + override, stack=FULL))
    assert fault.path == "permits[0].limits[0].rules"
    assert words in fault.message


def test_nothing_of_it_where_part_75_fills_nothing() -> None:
    rule = year(registry(f"{MASS}{{substitution: neighbours}}", stack=STACK + LOAD))
    assert (rule["apart"], rule["by_load"], rule["load"]) == ([], False, None)
