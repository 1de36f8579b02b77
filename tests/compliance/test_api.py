"""GET /api/v1/compliance and /api/v1/budgets, held against their models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from console.compliance_models import Budget, Classes, Compliance
from storage.times import from_micros
from tests.compliance.plant import (
    DAY_MEAN,
    FOR_EVER,
    HOURS_A_YEAR,
    LONG_AGO,
    MONTH_MEAN,
    TONNES_A_MONTH,
    at,
)
from tests.console.conftest import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.compliance.plant import Plant
    from tests.console.conftest import Server


@pytest_asyncio.fixture
async def api(plant: Plant) -> AsyncIterator[Server]:
    """The application in front of the plant's database."""
    async with serving(plant.pool) as running:
        yield running


@pytest_asyncio.fixture
async def judged(plant: Plant) -> Plant:
    """Three conditions on one channel, two days and some hours."""
    channel = await plant.channel()
    for rule in (DAY_MEAN, replace(MONTH_MEAN, verified=False, label="end"), HOURS_A_YEAR):
        await plant.limit(channel, rule)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24 + [250.0] * 24 + [50.0] * 6)
    await plant.work("2026-02-03T01:00")
    return plant


@pytest.mark.usefixtures("judged")
async def test_every_item_is_as_its_model_says(api: Server) -> None:
    items = await api.items("compliance")
    for item in items:
        Compliance.model_validate(item)
    assert await api.joined("compliance", 2) == items
    found = [(i["condition"], i["start"], i["over"], i["value"], i["left"]) for i in items]
    # January passed without any data: 5 % of the 8,016 hours that are known or to come may exceed
    assert found == [
        ("hours", "2025-12-31T19:00:00Z", False, round(30 / 54, 9), 400 - 24),
        ("day", "2026-01-31T19:00:00Z", True, 90.0, None),
        ("month", "2026-01-31T19:00:00Z", False, pytest.approx(156.6666667, rel=1e-8), None),
        ("day", "2026-02-01T19:00:00Z", True, 250.0, None),
        ("day", "2026-02-02T19:00:00Z", False, 50.0, None),
    ]
    month = items[2]
    assert month["label"] == month["end"] == "2026-02-28T19:00:00Z"
    assert month["verified"] is False
    assert (items[0]["per"], items[0]["factor"], items[0]["limit"]) == ("1year", "2", 100.0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "exceeded"}, ["month", "day"]),
        ({"window": "1d"}, ["day"] * 3),
        ({"window": "1d", "running": "false"}, ["day"] * 2),
        ({"running": "true"}, ["hours", "month", "day"]),
        ({"condition": "hours"}, ["hours"]),
        ({"rules": "other"}, []),
        ({"channel": "gres1/stack-1/so2", "start": "2026-02-02T00:00:00Z"}, ["day"]),
        ({"channel": "nox"}, []),
    ],
)
@pytest.mark.usefixtures("judged")
async def test_filters(api: Server, query: dict[str, str], found: list[str]) -> None:
    assert [item["condition"] for item in await api.items("compliance", **query)] == found


async def test_what_was_known_then_stays_readable(judged: Plant, api: Server) -> None:
    known = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    await judged.blocks(1, "2026-02-01T00:00", [5000.0])
    await judged.work()
    [now, _] = await api.items("compliance", window="1d", running="false")
    [then, _] = await api.items("compliance", window="1d", running="false", as_known_at=known)
    assert (then["value"], then["state"], then["revision"]) == (90.0, "compliant", 0)
    assert (now["state"], now["revision"]) == ("exceeded", 1)
    assert await api.items("compliance", as_known_at="2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", [{"window": "soon"}, {"running": "maybe"}, {"colour": "red"}])
async def test_what_is_refused(api: Server, query: dict[str, str]) -> None:
    problem = await api.refused("compliance", 400, **query)
    assert problem["parameter"] == next(iter(query))


async def test_tonnes_so_far_and_what_the_rest_may_do(plant: Plant, api: Server) -> None:
    channel = await plant.channel(basis="kg/h")
    await plant.limit(channel, replace(TONNES_A_MONTH, limit=20.0))
    values = [30.0] * 24 * 9 + [float("nan")] * 24
    await plant.blocks(channel, "2026-01-31T19:00", values)
    await plant.work("2026-02-10T19:00")
    [item] = await api.items("budgets")
    Budget.model_validate(item)
    assert (item["value"], item["uom"], item["complete"]) == (6.48, "t", 0.9)
    assert item["rest_uom"] == "kg/h"
    assert item["rest_may_average"] == pytest.approx((20 - 6.48) * 1000 / (18 * 24), rel=1e-9)
    assert item["forecast"] == pytest.approx(6.48 + 18 * 24 * 0.03, rel=1e-9)
    assert item["breaks_at"] is None


async def test_the_classes_of_a_year_by_the_zone(plant: Plant, api: Server) -> None:
    """An hour of New Year's Eve in UTC lies in the new year at +05:00, and is classed there."""
    channel = await plant.channel()
    hour = replace(DAY_MEAN, condition="hour", average="1h", classes=4, classes_top="2")
    await plant.limit(channel, hour)
    await plant.limit(channel, replace(DAY_MEAN, classes=2))
    await plant.limit(channel, DAY_MEAN, permit="without classes")
    values = [10.0, 50.0, 50.1, 100.0, 199.0, 200.0, 200.1, float("nan"), *[60.0] * 16]
    await plant.blocks(channel, "2025-12-31T18:00", [77.0, *values])
    await plant.work("2026-01-01T19:00")
    items = await api.items("classes", year="2026")
    hours, days = (Classes.model_validate(item) for item in items)
    assert [(one.above, one.up_to, one.count) for one in hours.classes] == [
        (None, 50.0, 2), (50.0, 100.0, 18), (100.0, 150.0, 0), (150.0, 200.0, 2),
    ]  # fmt: skip
    assert (hours.beyond, hours.not_assessable, hours.uom) == (1, 1, "mg/m3")
    assert (days.condition, [one.count for one in days.classes], days.beyond) == ("day", [0, 1], 0)
    assert await api.joined("classes", 1, year="2026") == items
    old = await api.items("classes", year="2025", channel="so2")
    assert (old[0]["start"], old[0]["end"]) == ("2024-12-31T19:00:00Z", "2025-12-31T19:00:00Z")
    assert [one["count"] for one in old[0]["classes"]] == [0, 1, 0, 0]
    assert await api.items("classes", year="2027") == []


@pytest.mark.parametrize("query", [{"year": "26"}, {"year": "2026.0"}, {"year": "1970"}])
async def test_classes_are_of_a_year(api: Server, query: dict[str, str]) -> None:
    assert (await api.refused("classes", 400, **query))["parameter"] == "year"


async def test_the_minutes_left_of_a_block(plant: Plant, api: Server) -> None:
    channel = await plant.channel()
    await plant.pool.execute(
        "insert into limits (permit, channel, average, window_us)"
        " values ('KZ1', $1, '20min', 1200000000), ('KZ1', $1, '1d', 86400000000)",
        channel,
    )
    for number in (1, 2):
        await plant.pool.execute(
            'insert into limit_versions ("limit", version, effective, valid_from, valid_until,'
            " value, uom, coverage, warn_at, clear_at, open_after_us, clear_after_us)"
            " values ($1, $2, $3, $3, $4, 700, 'mg/m3', '2/3', '0.8', '0.95', 0, 0)",
            number,
            await plant.registry(),
            LONG_AGO,
            FOR_EVER,
        )
    await plant.blocks(
        channel, "2026-11-22T11:40", [100.0], window=20 * 60_000_000, count=20, expected=20
    )
    minutes = [from_micros(at(f"2026-11-22T12:{minute:02}")) for minute in range(12)]
    await plant.pool.executemany(
        "insert into readings (time, value, batch, channel, status, flags)"
        " values ($1, $2, 1, $3, $4, 0)",
        [(time, 800.0, channel, int(i == 5)) for i, time in enumerate(minutes)],
    )
    api.now = from_micros(at("2026-11-22T12:12"))
    block, day = await api.items("budgets")
    for item in (block, day):
        Budget.model_validate(item)
    assert (block["average"], block["value"], block["end"]) == (
        "20min",
        800.0,
        "2026-11-22T12:20:00Z",
    )
    # 11 values of 800 are there, 8 minutes remain: (19 x 700 - 8,800) / 8
    assert block["rest_may_average"] == (19 * 700 - 8800) / 8
    assert day["value"] == pytest.approx((20 * 100 + 11 * 800) / 31, rel=1e-8)
    assert await api.joined("budgets", 1) == [block, day]
