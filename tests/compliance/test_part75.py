"""40 CFR part 75 on stored blocks: ranges of load, mass flows whose members are filled apart."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.chain import Role
from alerts.core.rules import Quantity
from alerts.core.shortterm import ShortTerm
from alerts.core.vocabulary import HOUR, MINUTE
from alerts.matrix import NO_ROWS, made_of
from ingest.rules_recipe import _empty
from storage.registry_derived import chains_of
from storage.times import from_micros
from tests.compliance.plant import TONNES_A_MONTH, Plant, at
from tests.compliance.test_order import running, verdicts
from tests.compliance.test_whole import items
from tests.console.conftest import serving
from tests.pipeline.whole import prepared, whole

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

NAN = float("nan")
START = "2026-01-31T19:00"  # midnight of the zone
BY_LOAD = replace(
    TONNES_A_MONTH, substitution="part75", potential=900.0, look_back=8, coverage="1/1000",
    by_load=True, load="mw", maximum_load=100.0,
)  # fmt: skip
APART = replace(
    BY_LOAD, potential=None, by_load=False,
    apart=(
        Quantity(role="main", potential=900.0, look_back=8),
        Quantity(role="flow", potential=1000.0, look_back=8, by_load=True),
        Quantity(role="moisture", potential=0.01, look_back=8, lesser=True),
    ),
)  # fmt: skip


def member(channel: str, **more: Any) -> dict[str, Any]:
    usual = {"channel": channel, "basis": "", "scale": 1.0, "offset": 0.0, "required": 1}
    return {**usual, "substitute": None, **more}


MASS_FLOW = {
    **_empty(HOUR),
    "main": member("so2", calibrations=[]),
    "flow": member("q", wet=True, standard=True),
    "moisture": member("h2o", scale=0.01),
    "mass": 1e-3,
}


async def one(plant: Plant) -> Any:
    """What the API says of the only period."""
    async with serving(plant.pool) as api:
        [item] = await api.items("compliance")
    return item


async def test_a_gap_is_filled_from_hours_of_the_same_range_of_load(plant: Plant) -> None:
    channel, load = await plant.channel("nox"), await plant.channel("mw")
    await plant.limit(channel, BY_LOAD)
    await plant.blocks(channel, START, [100.0] * 10 + [300.0] * 10 + [NAN, NAN, 200.0])
    await plant.blocks(load, START, [35.0] * 10 + [75.0] * 10 + [35.0, 72.0, 75.0])
    await plant.work("2026-02-01T18:00")  # the 23rd hour has just ended
    item = await one(plant)
    # 20 of 21 and of 22 hours are 95.2 and 90.9 %: the mean of the range, and so is the other,
    # as the gap has no more than 8 hours.
    assert (item["methods"], item["value"]) == ({"11": 2}, round((4000 + 400 + 200) / 1000, 9))
    assert (item["replaced"], item["complete"]) == (0.4, 21 / 23)


async def test_a_load_that_comes_late_moves_the_hour_into_its_range(plant: Plant) -> None:
    channel, load = await plant.channel("nox"), await plant.channel("mw")
    await plant.limit(channel, BY_LOAD)
    await plant.blocks(channel, START, [100.0] * 10 + [300.0] * 10 + [NAN, 200.0])
    await plant.blocks(load, START, [35.0] * 10 + [75.0] * 10)
    await plant.work("2026-02-01T17:00")
    assert (await one(plant))["methods"] == {"12": 1}  # in which range it is nobody knows
    await plant.blocks(load, "2026-02-01T15:00", [71.0])
    await plant.work()
    item = await one(plant)
    assert (item["methods"], item["replaced"]) == ({"11": 1}, 0.3)


async def test_a_source_without_load_is_looked_back_on_as_a_whole(plant: Plant) -> None:
    channel = await plant.channel("nox")
    await plant.limit(channel, replace(BY_LOAD, load=None, maximum_load=None))
    await plant.blocks(channel, START, [100.0] * 10 + [300.0] * 4 + [NAN, 200.0])
    await plant.work("2026-02-01T11:00")
    item = await one(plant)
    # 14 of 15 hours are 93.3 %: the mean of the last 8, four of 100 and four of 300.
    assert (item["methods"], item["replaced"]) == ({"11": 1}, 0.2)


async def masses(plant: Plant) -> dict[str, int]:
    """The channels of a mass flow, its members and the load."""
    found = {"kg/h": await plant.channel("so2", "kg/h", MASS_FLOW)}
    for name in ("so2", "q", "h2o", "mw"):
        found[name] = await plant.channel(name)
    found["idle"] = await plant.channel("so2", "idle")
    await plant.limit(found["kg/h"], APART)
    return found


async def test_concentration_flow_and_moisture_are_filled_apart(plant: Plant) -> None:
    channels = await masses(plant)
    so2 = np.array([100.0] * 12 + [NAN, 300.0, 300.0, 300.0])
    flow = np.array([10.0] * 6 + [20.0] * 6 + [20.0, 20.0, NAN, 20.0])
    h2o = np.array([10.0] * 11 + [20.0] + [20.0, NAN, 20.0, 20.0])
    made = so2 * flow * (1 - h2o / 100) / 1000
    for name, values in (("so2", so2), ("q", flow), ("h2o", h2o)):
        await plant.blocks(channels[name], START, values)
    await plant.blocks(channels["mw"], START, [35.0] * 6 + [75.0] * 10)
    await plant.blocks(channels["kg/h"], START, made, count=1, expected=1)
    await plant.work("2026-02-01T11:00")
    item = await one(plant)
    # SO2: 12 of 13 hours, 92.3 %, 1 hour: (100 + 300) / 2. Moisture: 13 of 14, 92.9 %: 20 %. Flow:
    # 14 of 15, 93.3 %: the mean of its range, 20.
    filled = (200 * 20 * 0.8 + 300 * 20 * 0.8 + 300 * 20 * 0.8) / 1e6
    assert item["methods"] == {"06": 2, "11": 1}
    assert item["replaced"] == pytest.approx(filled, rel=1e-9)
    assert item["value"] == pytest.approx(np.nansum(made) / 1000 + filled, rel=1e-8)
    assert (item["substituted"], item["valid"], item["complete"]) == (3, 16, 13 / 16)
    # The flow of the hour comes after all: no mass flow is stored of it yet, one was measured.
    await plant.blocks(channels["q"], "2026-02-01T09:00", [40.0])
    await plant.blocks(channels["kg/h"], "2026-02-01T09:00", [9.6], count=1, expected=1)
    await plant.work()
    assert (await one(plant))["methods"] == {"06": 2}


async def test_a_late_hour_of_a_member_is_taken_though_no_mass_flow_comes_of_it(
    plant: Plant,
) -> None:
    channels = await masses(plant)
    so2, flow = np.full(16, 100.0), np.full(16, 10.0)
    so2[14], flow[14] = NAN, NAN
    for name, values in (("so2", so2), ("q", flow), ("h2o", np.full(16, 10.0))):
        await plant.blocks(channels[name], START, values)
    await plant.blocks(channels["mw"], START, [35.0] * 16)
    await plant.blocks(channels["kg/h"], START, so2 * flow * 0.9 / 1000, count=1, expected=1)
    await plant.work("2026-02-01T11:00")
    item = await one(plant)
    assert (item["methods"], item["valid"], item["complete"]) == ({"06": 1, "11": 1}, 16, 15 / 16)
    await plant.blocks(channels["q"], "2026-02-01T09:00", [40.0])
    await plant.work()
    item = await one(plant)
    assert (item["methods"], item["replaced"]) == ({"06": 1}, 100 * 40 * 0.9 / 1e6)


def test_a_members_hour_counts_with_the_values_that_the_chain_requires() -> None:
    chains = chains_of([MASS_FLOW | {"flow": member("q", wet=True, standard=True, required=40)}])
    members = {Role.MAIN: np.array([1], np.int32), Role.FLOW: np.array([2], np.int32)}
    rows = np.zeros(4, NO_ROWS.dtype)
    rows["channel"], rows["start"] = [1, 2, 1, 2], [0, 0, HOUR, HOUR]
    rows["mean"], rows["expected"], rows["count"] = 5.0, 60, [1, 39, 60, 40]
    shape = np.zeros((2, 1), np.int32)
    short = ShortTerm(
        start=np.array([0, HOUR]), finish=np.array([HOUR, 2 * HOUR]), mean=np.full((2, 1), NAN),
        count=shape, expected=shape + 120,
    )  # fmt: skip
    made = made_of(chains, members, rows, None, short)
    assert made.means[Role.MAIN][:, 0].tolist() == [5.0, 5.0]
    assert np.isnan(made.means[Role.FLOW][:, 0]).tolist() == [True, False]
    assert made.counts[Role.FLOW][:, 0].tolist() == [78, 80]
    assert made.quarters == {}


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_order_of_arrival_decides_nothing(pool: asyncpg.Pool, seed: int) -> None:
    """Members, load and mass flows come in any order; between them the follower goes on."""
    random = np.random.default_rng(seed)
    plant = Plant(pool)
    channels = await masses(plant)
    nox = await plant.channel("nox")
    await plant.limit(nox, replace(BY_LOAD, average="1d", statistic="mean"))
    hours = 40 * 24

    def lossy(values: Any) -> Any:
        lost = np.repeat(random.random(hours // 6) < 0.12, 6)
        return np.where(lost, NAN, random.choice(values, hours))

    series = {
        "so2": lossy([50.0, 80.0, 120.0]), "q": lossy([10.0, 20.0, 40.0]),
        "h2o": lossy([5.0, 10.0, 12.0]), "mw": lossy([5.0, 40.0, 75.0, 100.0]),
    }  # fmt: skip
    made = series["so2"] * series["q"] * (1 - series["h2o"] / 100) / 1000
    series["kg/h"] = np.array([float(f"{one:.9g}") for one in made])
    pieces = [(name, piece) for name in series for piece in np.array_split(np.arange(hours), 6)] + [
        ("nox", piece) for piece in np.array_split(np.arange(hours), 6)
    ]
    series["nox"] = lossy([60.0, 90.0, 200.0])
    for place in random.permutation(len(pieces)):
        name, piece = pieces[place]
        first = f"{from_micros(at(START) + int(piece[0]) * HOUR):%Y-%m-%dT%H:%M}"
        slots = {"count": 1, "expected": 1} if name == "kg/h" else {}
        channel = nox if name == "nox" else channels[name]
        await plant.blocks(channel, first, series[name][piece], **slots)
        if random.random() < 0.4:
            now = at(START) + int(random.integers(5, 40)) * 24 * HOUR
            plant.now = max(plant.now, now)
            await plant.follower.work()
        if random.random() < 0.2:
            plant.restart()
    await plant.work(f"{from_micros(at(START) + hours * HOUR):%Y-%m-%dT%H:%M}")
    found = await verdicts(plant), await running(plant)
    assert sum(1 for row in found[0] if any(row[13:])) > 10  # many days were filled
    await pool.execute("truncate compliance, compliance_running, compliance_due")
    await pool.execute("update progress set batch = 0 where follower = 'compliance'")
    plant.restart()
    await plant.work()
    assert found == (await verdicts(plant), await running(plant))


REGISTRY = """
enterprises:
  - id: gres1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        maximum_load: 100
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, period: 60s,
             basis: {dry: true, standard: true}}
          - {id: q, parameter: flow, unit: m3/h, period: 60s, basis: {dry: false, standard: true}}
          - {id: h2o, parameter: h2o, unit: "%", period: 60s}
          - {id: mw, parameter: load, unit: MW, period: 60s}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, q: stack-1/q, h2o: stack-1/h2o, mw: stack-1/mw}}
permits:
  - number: KZ1
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - source: stack-1
        channel: so2
        value: 100
        unit: t
        rules: us-part75-hour
        override:
          {substitution: part75, potentials: {concentration: 900, flow: 1e6, h2o: 4}}
"""
DAY = at("2026-02-01T19:00")  # midnight of the zone
USUAL = {"so2": 100.0, "q": 1e5, "h2o": 10.0, "mw": 35.0}


def message(hour: int, **values: float | None) -> bytes:
    """A sample each minute of an hour; None: not measured."""
    measured = {name: value for name, value in (USUAL | values).items() if value is not None}
    samples = [
        {"time": from_micros(DAY + hour * HOUR + minute * MINUTE).isoformat(), "values": measured}
        for minute in range(60)
    ]
    return json.dumps({"boot": "1", "seq": hour, "samples": samples}).encode()


async def test_from_messages_to_the_mass_of_the_year(postgres_url: str, tmp_path: Path) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, at("2026-01-01T00:00")) as name,
        whole(postgres_url, name, DAY) as server,
    ):
        course: dict[int, dict[str, float | None]] = {
            4: {"mw": 75.0, "q": 2e5},  # 18 kg/h in range 8, where all others make 9 in range 4
            5: {"mw": 75.0, "q": None},  # the mean of range 8 before: 2e5, 18 kg/h
            6: {"so2": None},  # (100 + 140) / 2: 10.8 kg/h
            7: {"so2": 140.0},  # 12.6 kg/h
            8: {"mw": 15.0, "q": None},  # none in range 2: the mean of range 4 above it, 9 kg/h
            9: {"mw": 85.0, "q": None},  # none in range 9 or 10: the potential, 1e6, 90 kg/h
            10: {"h2o": None},  # (10 + 20) / 2: 8.5 kg/h
            11: {"h2o": 20.0},  # 8 kg/h
        }
        for hour in range(13):
            server.now = DAY + (hour + 1) * HOUR
            await server.deliver(message(hour, **course.get(hour, {})))
            await server.sweep()
        await server.judge.engine.flush()
        await server.end(DAY + 13 * HOUR + 2 * MINUTE)
        [year] = await items(server, condition="year")
    assert (year["valid"], year["expected"], year["complete"]) == (13, 13, 8 / 13)
    assert year["methods"] == {"07": 4, "12": 1}
    replaced = 18 + 10.8 + 9 + 90 + 8.5
    assert year["replaced"] == pytest.approx(replaced / 1000, rel=1e-8)
    measured = 4 * 9 + 18 + 12.6 + 8 + 9
    assert year["value"] == pytest.approx((measured + replaced) / 1000, rel=1e-8)
    assert year["clause"].endswith("by 75.33(c): ranges of the load that mw tells")


async def test_an_hour_is_filled_by_the_recipe_of_its_time(plant: Plant) -> None:
    """Also where the values of no hour change: those since are gaps themselves."""
    channels, hours = await masses(plant), 14
    so2 = np.array([100.0] * 10 + [NAN, 100.0, NAN, 100.0])
    for name, values in (("so2", so2), ("q", [10.0] * hours), ("h2o", [10.0] * hours)):
        await plant.blocks(channels[name], START, values)
    await plant.blocks(channels["mw"], START, [35.0] * hours)
    await plant.blocks(channels["kg/h"], START, so2 * 10 * 0.9 / 1000, count=1, expected=1)
    await plant.work("2026-02-01T09:00")
    assert (await one(plant))["replaced"] == pytest.approx(2 * 0.9 / 1000)
    between = "2026-02-01T06:00"  # the two gaps
    await plant.recipe(channels["kg/h"], {**MASS_FLOW, "mass": 5e-3}, between)
    await plant.work()
    assert (await one(plant))["replaced"] == pytest.approx((0.9 + 4.5) / 1000)
