"""Through the whole server: NOx of two calibrated gases, in start-up as measured (40 CFR 60.6490).

A nitrogen oxide of 30 is 35 by its calibration, 35 x 46/30 as NO2; with 10 of NO2, 10 by its own,
63.666667, at 7 % O2 of 13.95 the double: 127.333333. In start-up 60 of NO are 68, with the 10
114.266667 at whatever oxygen.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.track import iso
from ingest.registry_command import apply_registry_file
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.pipeline.whole import ZONE, prepared, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.pipeline.whole import Whole

START = int(datetime.fromisoformat("2026-03-02T12:00:00Z").timestamp()) * SECOND
PLANT = """\
enterprises:
  - id: gres1
    sources:
      - id: stack-1
        channels:
          - {id: "no", parameter: "0304", unit: mg/m3, period: 10s,
             basis: {dry: true, standard: true},
             calibration: [{from: 2026-01-15, intercept: 2, slope: 1.1}]}
          - {id: no2, parameter: "0301", unit: mg/m3, period: 10s,
             basis: {dry: true, standard: true},
             calibration: [{from: 2026-02-15, intercept: 1, slope: 0.9}]}
          - {id: nox, parameter: "0301", unit: mg/m3, period: 60s, nox_of: {"no": "no", no2: no2}}
          - {id: o2, parameter: o2, unit: "%", period: 60s, basis: {dry: true}}
    units:
      - {id: ams-1, channels: {"no": stack-1/no, no2: stack-1/no2, o2: stack-1/o2}}
"""
PERMIT = """\
permits:
  - number: P1
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: nox, value: 150, unit: mg/m3, rules: us-part60, basis: {o2: 7},
         conditions: [four_hours], override: {counts: [start_up]}}
"""
HOURS_FIRST = PERMIT.replace("[start_up]}", "[start_up], normalise: short_term}")

Sample = dict[str, Any]


def minute(number: int, *, started: int) -> list[Sample]:
    """A minute's samples, those from second ``started`` on valid and those before in start-up."""
    found = []
    for second in range(0, 60, 10):
        at = START + number * MINUTE + second * SECOND
        values = {"no": 30.0, "no2": 10.0} if second >= started else {"no": 60.0, "no2": 10.0}
        if second == 0:
            values["o2"] = 13.95 if started < 60 else 20.95
        starting = [
            key for key in values if second < started and not (key == "o2" and started < 60)
        ]
        found.append(
            {"time": iso(at), "values": values, "status": dict.fromkeys(starting, "start_up")}
        )
    return found


def twenty() -> list[list[Sample]]:
    """Ten minutes of start-up, one that is half of it, nine valid ones."""
    return [minute(n, started=60 if n < 10 else 30 if n == 10 else 0) for n in range(20)]


def messages(parts: Iterable[Sequence[Sample]]) -> Iterator[bytes]:
    for seq, samples in enumerate(parts):
        yield json.dumps({"boot": "b1", "seq": seq, "samples": samples}).encode()


async def blocks(server: Whole, window: int) -> list[tuple[Any, ...]]:
    await server.judge.engine.flush()
    return await server.rows(
        "select b.mean, b.count::int, b.expected::int from current_blocks b"
        " join channels c on c.id = b.channel where b.window_s = $1 and b.samples > 0"
        " and c.channel = 'nox' and c.basis like '%uncorrected' order by b.start",
        window // SECOND,
    )


HALF = (3 * (2 * 35 + 68) * 46 / 30 + 3 * (2 * 10 + 10)) / 6  # 120.8
IN_TWENTY = (10 * 114.266666667 + HALF + 9 * 127.333333333) / 20  # 120.473333


@pytest.mark.parametrize("order", ["at once", "one by one", "backwards", "killed amid"])
async def test_each_gas_and_value_goes_its_own_way(
    postgres_url: str, tmp_path: Path, order: str
) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(PLANT + PERMIT)
    parts = twenty()
    if order == "backwards":
        parts.reverse()
    if order == "at once":
        parts = [[sample for part in parts for sample in part]]
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
    ):
        server.now = START + 20 * MINUTE
        for number, payload in enumerate(messages(parts)):
            await server.deliver(payload)
            if order == "killed amid" and number % 5 == 4:
                await server.restart(killed=True, forgetful=number % 2 == 0)
        server.now += 30 * MINUTE
        await server.sweep()
        [(mean, count, expected)] = await blocks(server, 20 * MINUTE)
        assert mean == pytest.approx(IN_TWENTY, rel=1e-8)
        assert (count, expected) == (20, 20)
        assert await server.audit(START - DAY) == []


async def test_hours_averaged_first_know_of_start_up_before_the_registry_asked(
    postgres_url: str, tmp_path: Path
) -> None:
    """20 minutes of start-up, then the limit, then 40 valid ones: no reading of start-up since."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(PLANT)
    parts = [minute(n, started=60 if n < 20 else 0) for n in range(62)]
    sent = list(messages(parts))
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
    ):
        for number, payload in enumerate(sent):
            server.now = START + (number + 1) * MINUTE
            await server.deliver(payload)
            if number == 30:
                registry.write_text(PLANT + HOURS_FIRST)
                async with server.pool.acquire() as conn:
                    await apply_registry_file(
                        conn, registry, default_zone=ZONE, effective=from_micros(server.now)
                    )
                    await server.judge.follow(await load_registry(conn, server.now, ZONE))
        server.now += 3 * HOUR
        await server.sweep()
        [(mean, _, _), *_] = await blocks(server, HOUR)
        gases = (120 * 68 + 240 * 2 * 35) * 46 / 30 + 120 * 10 + 240 * 2 * 10
        assert mean == pytest.approx(gases / 360, rel=1e-8)  # 122.977778
        assert await server.audit(START - DAY) == []
