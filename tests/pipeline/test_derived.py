"""Through the whole server: channels that are derived from others, whatever the order of arrival.

The plant of the streams with an oxygen (nox by 0.05), a temperature (dust, each 20 minutes) and
what they make of so2, each with limits of its own.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from ingest.judging import JudgingStore
from storage.times import from_micros
from tests.fixtures.database import in_database
from tests.pipeline.streams import FIRST, REGISTRY, START, Message, Reading, Stream, streams
from tests.pipeline.test_order import arriving, assert_as_in_order, deliver, followed, minutes
from tests.pipeline.whole import assert_equal, of_event_time, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

OF_DERIVED = "blocks of derived channels"
EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "8"))

_CHANNEL = """
with made as (
    insert into ams.channels (id, enterprise, source, channel, basis) overriding system value
    select max(id) + 1, 'gres1', 'stack-1', $4, $1 from ams.channels returning id)
insert into ams.channel_versions (channel, version, effective, parameter, uom, period_us, recipe)
select id, 1, '2020-01-01', '0330', 'mg/m3', $2, $3::jsonb from made returning channel
"""
_LIMIT = """
with made as (
    insert into ams.limits (id, permit, channel, average, window_us, condition)
    overriding system value
    select max(id) + 1, 'A', $1, $2, $3, 'test' from ams.limits returning id)
insert into ams.limit_versions ("limit", version, effective, valid_from, valid_until, value, uom,
                                coverage, warn_at, clear_at, open_after_us, clear_after_us, rule)
select id, 1, '2025-01-01', '2025-01-01', '2031-01-01', $4, 'mg/m3', '1/4', '0.8', '0.95', 0,
       300000000, $5::jsonb from made
"""


def member(channel: str, *, basis: str = "", required: int = 1, **more: Any) -> dict[str, Any]:
    scaled = {"scale": 1.0, "offset": 0.0, "required": required, "substitute": None}
    return {"channel": channel, "basis": basis, **scaled, **more}


def chain(step: int, main: dict[str, Any], **roles: Any) -> dict[str, Any]:
    reference = {
        "temperature": 273.15,
        "pressure": 101.325,
        "oxygen": None,
        "air": 21.0,
        "oxygen_cap": None,
        "co2": None,
        "co2_floor": None,
        **roles.pop("reference", {}),
    }
    names = ("second", "temperature", "pressure", "moisture", "oxygen", "co2", "flow")
    return {
        "kind": "chain",
        "output": "value",
        "step_us": step,
        "main": main,
        **dict.fromkeys(names),
        "wet": False,
        "stated_oxygen": None,
        "reference": reference,
        "mass": None,
        **roles,
    }


OXYGEN = {"oxygen": member("nox", scale=0.05, wet=False), "reference": {"oxygen": 6.0}}
WARM = {"temperature": member("dust", offset=273.15)}


def select(channel: str, *statuses: str, value: str = "measured") -> dict[str, Any]:
    of = {"channel": channel, "basis": ""}
    return {"kind": "select", "of": of, "statuses": statuses, "value": value}


CALIBRATIONS = [{"from_us": START + HOUR, "intercept": -3.0, "slope": 1.1}]
# Values in calibration take the part of those in start-up: they count, and are not corrected.
MIXED: dict[str, Any] = {"main": member("so2", basis="also"), "uncorrected": "only", **OXYGEN}
DERIVED = [
    ("at 6 % O2", chain(MINUTE, member("so2"), **OXYGEN)),
    ("at 6 % O2, mark", chain(
        MINUTE,
        member("so2"),
        output="mark",
        oxygen=member("nox", scale=0.05, wet=False) | {"substitute": 8.0},
        reference={"oxygen": 6.0},
    )),
    ("at 0 °C", chain(20 * MINUTE, member("so2", required=4), **WARM)),
    ("idle", select("so2", "calibration", "malfunction", value="idle")),
    ("in repair", select("so2", "calibration", "malfunction")),
    ("in calibration", select("so2", "calibration")),  # no chain is made of it
    ("in repair at 6 % O2", chain(MINUTE, member("so2", basis="in repair"), **OXYGEN)),
    ("also", select("so2", "valid", "calibration")),
    ("only", select("so2", "calibration")),
    ("also", select("nox", "valid", "calibration")),
    ("only", select("nox", "calibration")),
    ("at 6 % O2 but for some", chain(MINUTE, **MIXED)),
    ("20 minutes at 6 % O2 but for some", chain(
        20 * MINUTE,
        **MIXED | {"main": MIXED["main"] | {"required": 2, "calibrations": CALIBRATIONS}},
        second=member("nox", basis="also", required=4, calibrations=CALIBRATIONS),
    )),
    ("two hours", chain(2 * HOUR, member("so2", required=20), second=member("dust"))),
]  # fmt: skip


@pytest_asyncio.fixture
async def template(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database that has the registry of the streams, and what is derived of it."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with prepared(postgres_url, registry, FIRST) as name:
        conn = await asyncpg.connect(in_database(postgres_url, name))
        for basis, recipe in DERIVED:
            step = recipe.get("step_us", MINUTE)
            of = recipe.get("of") or recipe["main"]
            channel = await conn.fetchval(_CHANNEL, basis, step, json.dumps(recipe), of["channel"])
            for average, window, value in (
                ("20min", 20, 80.0),
                ("1h", 60, 90.0),
                ("1d", 1440, 60.0),
            ):
                if window * MINUTE % step:
                    continue
                rule = None if average == "1h" else json.dumps({"alert": True})
                await conn.execute(_LIMIT, channel, average, window * MINUTE, value, rule)
        await conn.close()
        yield name


@pytest.mark.timeout(60 + 40 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes too long to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(stream=streams())
async def test_order_of_arrival_decides_nothing(
    postgres_url: str, template: str, stream: Stream
) -> None:
    """Delayed, shuffled, repeated, revised, cut and restarted anywhere: as in the sorted run."""
    await assert_as_in_order(postgres_url, template, stream, START)


async def test_oxygen_that_comes_two_hours_late(postgres_url: str, template: str) -> None:
    oxygen = tuple(one._replace(key="nox") for one in minutes(0, 90, 100.0))
    stream = arriving(
        (START + 2 * HOUR, minutes(0, 90, 95.0)),
        (START + 4 * HOUR, oxygen),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert any(item["channel"] == "so2" for item in found["alerts"])


async def test_a_member_that_was_silent_before_a_restart_holds_nothing_back(
    postgres_url: str, template: str
) -> None:
    oxygen = tuple(one._replace(key="nox") for one in minutes(0, 10, 100.0))
    first, then = 29 * 60, 30 * 60
    stream = followed(
        (START + HOUR, oxygen, "sweep", 2 * HOUR),
        (START + 30 * HOUR, minutes(first, then, 95.0), "kill forgetful", MINUTE),
        (START + 31 * HOUR, minutes(then + 1, then + 45, 95.0), "kill forgetful", 2 * HOUR),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert any(one["basis"] == "at 6 % O2, mark" for one in found["blocks of derived channels"])


async def test_a_chain_of_long_steps_is_read_once_a_step(
    postgres_url: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes are not in memory for so long: it is computed when a step of it is complete."""
    read: list[Sequence[int]] = []
    read_series = JudgingStore.read_series

    async def counted(store: JudgingStore, channels: Sequence[int], *span: int) -> Any:
        read.append(channels)
        return await read_series(store, channels, *span)

    monkeypatch.setattr(JudgingStore, "read_series", counted)
    async with whole(postgres_url, template, START) as server:
        for number in range(245):
            at = START + number * MINUTE
            dust = (Reading("dust", at, 10.0, None),) * (number % 20 == 0)
            some = (*minutes(number, number, 40.0), *dust)
            await deliver(server, [Message(some, number, at + SECOND)])
        assert len(read) == 2
        await server.end(START + 2 * DAY)
        found = (await server.answers(START))["blocks of derived channels"]
        of_it = [(one["mean"], one["count"]) for one in found if one["basis"] == "two hours"]
        assert of_it == [(50.0, 2)]  # the third has 5 of the 20 values that it needs
        assert await server.audit(FIRST) == []


LATER, IN_CLOSED_BLOCK = ((0, 59), (60, 130)), ((0, 44), (50, 55))


@pytest.mark.parametrize(
    ("parts", "forgetful"), [(LATER, False), (LATER, True), (IN_CLOSED_BLOCK, False)]
)
async def test_a_start_judges_what_is_derived_as_far_as_what_was_committed(
    postgres_url: str, template: str, parts: Sequence[tuple[int, int]], *, forgetful: bool
) -> None:
    """The clock need not come to it first: nothing more is heard of the plant."""
    first, then = [
        tuple(one._replace(key=key) for key in ("so2", "nox") for one in minutes(*part, 95.0))
        for part in parts
    ]
    found = []
    for killed in (False, True):
        async with whole(postgres_url, template, START) as server:
            await deliver(server, [Message(first, 0, START + HOUR)])
            server.now = START + 62 * MINUTE  # the clock closes what no reading has closed
            await server.sweep()
            await server.restart()
            server.deaf = killed
            await deliver(server, [Message(then, 1, START + 131 * MINUTE)])
            if killed:
                await server.restart(killed=True, forgetful=forgetful)
            await server.judge.engine.flush()
            found.append(of_event_time(await server.answers(START)))
    assert found[0]["blocks of derived channels"]
    assert_equal(found[1], found[0])


async def test_what_is_selected_no_more_leaves_no_blocks_behind(
    postgres_url: str, template: str
) -> None:
    """The first of two calibrations turns out to be none."""
    first = Reading("so2", START, 150.0, "calibration")
    stream = arriving(
        (START, (first,)),
        (START + 5 * HOUR, (first._replace(time=START + 5 * HOUR),)),
        (START + 6 * HOUR, (first._replace(status=None),)),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    begins = {
        one["start"]
        for one in found[OF_DERIVED]
        if one["basis"] == "in calibration" and one["window_s"] <= 3600
    }
    assert begins == {from_micros(START + 5 * HOUR)}
