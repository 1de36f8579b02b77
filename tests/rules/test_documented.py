"""The page about rule sets: its examples are valid, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.registry_read import parse_registry_text
from ingest.rules_resolve import preset, preset_names, read_rule_set
from tests.rules.given import limits_of, rule_of

PAGE = (Path(__file__).parents[2] / "docs" / "rule-sets.md").read_text(encoding="utf-8")
REGISTRY, RULE_SET, PART75 = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_registry_is_valid_and_judges_what_it_says() -> None:
    rows = limits_of(REGISTRY)
    found = {(row.channel, row.basis, row.condition.partition("@")[0]) for row in rows}
    assert ("so2", "dry, 6 % O2, 273.15 K, 101.3 kPa", "hours") in found
    assert ("nox", "mg/m3, dry, 6 % O2, 273.15 K, 101.3 kPa", "month") in found
    assert ("so2", "g/s", "mean") in found
    assert ("so2", "kg/h", "total") in found
    assert ("so2", "dry, 11 % O2, 273.15 K, 101.3 kPa", "half_hours_b") in found


def test_the_rule_set_is_valid_alone_and_in_a_registry() -> None:
    assert read_rule_set("page.yaml", RULE_SET.encode()).id == "plant-rules"
    indented = RULE_SET.replace("\n", "\n    ").rstrip()
    text = REGISTRY.replace("rules: ied-waste", "rules: plant-rules, basis: {o2: 6}")
    text = re.sub(r"\n +values:.*|\n +override:.*", "", text).replace(", basis: {o2: 6}\n", "\n")
    text = text.replace("        rules: plant-rules\n", "        rules: plant-rules\n"
                        "        basis: {o2: 6}\n")  # fmt: skip
    assert parse_registry_text("plant.yaml", f"{text}rule_sets:\n  - {indented}\n")


def test_the_registry_of_part_75_fills_each_quantity_by_the_load() -> None:
    [rule] = [rule_of(row) for row in limits_of(PART75) if "statistic" in rule_of(row)]
    potentials = {one["role"]: one["potential"] for one in rule["apart"]}
    assert (potentials["flow"], potentials["moisture"]) == (1.2e6, 0.03)
    assert (rule["load"], rule["maximum_load"]) == ("mw", 320.0)


def test_every_rule_set_and_condition_is_in_the_table() -> None:
    for name in preset_names():
        found = preset(name)
        assert found is not None
        [line] = [
            line for line in PAGE.splitlines() if line.startswith("|") and f"`{name}`" in line
        ]
        for condition in found.versions[-1].conditions:
            mark = "*" * condition.optional + "=" * (condition.value == "own")
            assert f"`{condition.id}`{mark}" in line, (name, condition.id)
