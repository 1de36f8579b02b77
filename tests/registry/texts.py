"""A small valid registry for tests to break, and a way to say where it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.registry_faults import RegistryInvalid
from ingest.registry_read import parse_registry_text

if TYPE_CHECKING:
    from ingest.registry_faults import Fault

VALID = """\
enterprises:
  - id: gres1
    name: {en: Ekibastuz GRES-1, ru: Экибастузская ГРЭС-1, kk: Екібастұз ГРЭС-1}
    bin: "000140000123"
    region: KZ-PAV
    category: 1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        number: "0001"
        position: [51.886, 75.377]
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s}
          - {id: no, parameter: 0304, unit: mg/m3, period: 20min, missing: [-1, -999]}
          - {id: o2, parameter: o2, unit: "%", range: [0, 25], period: 10s}
    units:
      - id: ams-1
        channels: {so2: stack-1/so2, no: stack-1/no, o2: stack-1/o2}
permits:
  - number: KZ28VDD00145762
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 700, unit: mg/m3, average: 20min}
      - {source: stack-1, channel: so2, value: 400, unit: mg/m3, average: 1d}
recipients:
  - id: committee
    type: webhook
    url: http://127.0.0.1:9000/hook
    secret: {env: AMS_HOOK_SECRET}
    enterprises: ["*"]
"""


def faults_of(text: str, *, is_json: bool = False) -> list[Fault]:
    """Return the faults of a registry that has some."""
    with pytest.raises(RegistryInvalid) as raised:
        parse_registry_text("plant.yaml", text, is_json=is_json)
    return raised.value.faults


def with_place(text: str) -> tuple[str, int, int]:
    """Return the text without its mark « and the line and column where the mark stood."""
    before, mark, after = text.partition("«")
    assert mark, "the text marks no place"
    assert "«" not in after
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


def broken(old: str, new: str) -> tuple[str, int, int]:
    """Return VALID with ``old`` (there once) replaced by ``new``, and the place that « marks."""
    assert VALID.count(old) == 1, f"{old!r} is there {VALID.count(old)} times"
    return with_place(VALID.replace(old, new))
