"""A stack with all that rule sets ask for, and its limits as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ingest.registry_faults import RegistryInvalid
from ingest.registry_read import parse_registry_text
from ingest.registry_rows import registry_rows

if TYPE_CHECKING:
    from ingest.registry_faults import Fault
    from storage.registry_rows import ChannelRow, LimitRow

STACK = """\
enterprises:
  - id: gres1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, period: 60s, basis: {dry: false,
             standard: false}}
          - {id: dry, parameter: "0330", unit: mg/m3, period: 60s, basis: {dry: true, o2: 6}}
          - {id: ppm, parameter: "0330", unit: ppm, period: 60s, basis: {dry: true}}
          - {id: bare, parameter: "0330", unit: mg/m3, period: 60s}
          - {id: co, parameter: "0337", unit: mg/m3, period: 60s, basis: {dry: true, o2: 11}}
          - {id: dust, parameter: "2902", unit: mg/m3, period: 60s, basis: {dry: true, o2: 6}}
          - {id: no, parameter: "0304", unit: mg/m3, period: 10s, basis: {dry: true, o2: 6}}
          - {id: no2, parameter: "0301", unit: mg/m3, period: 10s, basis: {dry: true, o2: 6}}
          - {id: nox, parameter: "0301", unit: mg/m3, period: 60s, nox_of: {no: no, no2: no2}}
          - {id: lbs, parameter: "0330", unit: lb/h, period: 1h}
          - {id: o2, parameter: o2, unit: "%", period: 60s, basis: {dry: true}}
          - {id: h2o, parameter: h2o, unit: "%", period: 60s}
          - {id: t, parameter: temperature, unit: degC, period: 60s}
          - {id: p, parameter: pressure, unit: Pa, period: 60s}
          - {id: q, parameter: flow, unit: m3/h, period: 60s, basis: {dry: false, standard: false}}
"""

_FROM, _UNTIL = "2026-01-01", "2030-12-31"


def registry(*limits: str, stack: str = STACK, more: str = "") -> str:
    """Return a registry of one permit with these limits."""
    return stack + more + permit("P1", _FROM, _UNTIL, *limits, first=True)


def permit(number: str, begin: str, end: str, *limits: str, first: bool = False) -> str:
    """Return a permit, after ``permits:`` where it is the first."""
    lines = ["permits:"] if first else []
    lines += [f"  - number: {number}", "    enterprise: gres1"]
    lines += [f"    valid: {{from: {begin}, until: {end}}}", "    limits:" + " []" * (not limits)]
    lines += [f"      - {{source: stack-1, {limit}}}" for limit in limits]
    return "\n".join(lines) + "\n"


def limits_of(text: str) -> list[LimitRow]:
    """Return the limits of a registry."""
    return list(registry_rows(parse_registry_text("plant.yaml", text), "+05:00").limits)


def channels_of(text: str) -> dict[tuple[str, str], ChannelRow]:
    """Return the derived channels of a registry, by (channel, basis)."""
    rows = registry_rows(parse_registry_text("plant.yaml", text), "+05:00").channels
    return {(row.channel, row.basis): row for row in rows if row.recipe is not None}


def recipe_of(text: str, channel: str, basis: str) -> dict[str, Any]:
    """Return how a channel is derived."""
    recipe: dict[str, Any] = json.loads(channels_of(text)[channel, basis].recipe or "{}")
    return recipe


def rule_of(row: LimitRow) -> dict[str, Any]:
    """Return the rule of a row."""
    rule: dict[str, Any] = json.loads(row.rule or "null")
    return rule


def table(text: str) -> list[tuple[str, str, str, str, float, bool]]:
    """Return (channel, basis, average, condition, value, alert) of each limit that is judged."""
    return [
        (row.channel, row.basis, row.average, row.condition, row.value, rule_of(row)["alert"])
        for row in limits_of(text)
        if "statistic" in rule_of(row)
    ]


def records(text: str) -> set[tuple[str, str, str]]:
    """Return (channel, basis, average) of each series of blocks that is kept for conditions."""
    return {
        (row.channel, row.basis, row.average)
        for row in limits_of(text)
        if rule_of(row) == {"record": True}
    }


def faults_of(text: str) -> list[Fault]:
    """Return the faults of a registry that has some."""
    with pytest.raises(RegistryInvalid) as raised:
        parse_registry_text("plant.yaml", text)
    return raised.value.faults
