"""A registry that has another analyser for a gas, effective three days back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.track import iso
from tests.pipeline.foretelling import written
from tests.pipeline.test_recipes_applied import MIDNIGHT, as_if_in_time
from tests.pipeline.whole import prepared

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.whole import Whole

REGISTRY = """
enterprises:
  - id: gres1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        channels:
          - {id: no_a, parameter: "0304", unit: mg/m3, period: 60s,
             basis: {dry: true, standard: true}}
          - {id: no_b, parameter: "0304", unit: mg/m3, period: 60s,
             basis: {dry: true, standard: true}}
          - {id: no2, parameter: "0301", unit: mg/m3, period: 60s,
             basis: {dry: true, standard: true}}
          - {id: nox, parameter: "0301", unit: mg/m3, period: 60s, nox_of: {no: no_a, no2: no2}}
          - {id: o2, parameter: o2, unit: "%", period: 60s, basis: {dry: true}}
    units:
      - {id: ams-1, channels: {no_a: stack-1/no_a, no_b: stack-1/no_b, no2: stack-1/no2,
                               o2: stack-1/o2}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: nox, value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6},
         override: {normalise: short_term}}
"""


async def send(server: Whole, first: int, last: int) -> None:
    """Hours as they are measured, four to a message."""
    for begin in range(first, last, 4):
        end = min(begin + 4, last)
        samples = [sample(minute) for minute in range(60 * begin, 60 * end)]
        server.now = max(server.now, MIDNIGHT + end * HOUR + SECOND)
        await server.deliver(json.dumps({"boot": "1", "seq": begin, "samples": samples}).encode())
        await server.sweep()


def sample(minute: int) -> dict[str, Any]:
    """Of each analyser some hours have too few minutes."""
    hour = minute // 60
    values = {"no_a": 100.0, "no_b": 110.0, "no2": 10.0 + hour, "o2": 9.0}
    few = {name for name, each in (("no_a", 7), ("no_b", 5)) if not hour % each}
    return {
        "time": iso(MIDNIGHT + minute * MINUTE),
        "values": {
            name: value for name, value in values.items() if minute % 60 < 35 or name not in few
        },
    }


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_all_is_as_if_it_had_been_applied_in_time(
    postgres_url: str, tmp_path: Path, *, stopped: bool
) -> None:
    registry = written(tmp_path / "registry.yaml", REGISTRY)
    file = written(tmp_path / "other.yaml", REGISTRY.replace("no: no_a, no2", "no: no_b, no2"))
    async with prepared(postgres_url, registry, MIDNIGHT - 60 * DAY) as template:
        await as_if_in_time(postgres_url, template, file, stopped=stopped, send=send)
