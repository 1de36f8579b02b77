"""Alerts of kind forecast: before the breach, apart from judgements, with notices of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from storage.queries.alerts import alert_items
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, TONNES_A_MONTH

if TYPE_CHECKING:
    from tests.compliance.plant import Plant

NAN = float("nan")


async def alerts(plant: Plant) -> list[tuple[Any, ...]]:
    """(limit, state, severity, value) of each forecast, in the order of opening."""
    rows = await plant.pool.fetch(
        "select \"limit\", state, severity, value from alerts where kind = 'forecast'"
        " order by opened_at, id"
    )
    return [tuple(row) for row in rows]


async def test_a_month_in_tonnes_is_told_before_it_breaks_and_when_it_is_safe(
    plant: Plant,
) -> None:
    channel = await plant.channel(basis="kg/h")
    limit = await plant.limit(channel, TONNES_A_MONTH)  # 10 t, 28 days: 14.88 kg/h
    await plant.blocks(channel, "2026-01-31T19:00", [12.0] * 24 * 10)
    await plant.work("2026-02-10T19:00")
    assert await alerts(plant) == []
    await plant.blocks(channel, "2026-02-10T19:00", [20.0] * 24 * 3)
    await plant.work("2026-02-13T19:00")
    # 10 days of 12 and 3 of 20 kg/h are 4.32 t; 15 days go on with 20 kg/h, or with what the last
    # 2.8 days were: 11.52 t
    [(found, state, severity, value)] = await alerts(plant)
    assert (found, state, severity) == (limit, "open", "warning")
    assert value == pytest.approx(4.32 + 15 * 24 * 0.02, rel=1e-9)
    row = await plant.running(limit)
    assert row["name"] != "exceeded"
    assert row["breaks_at"] == row["until"] + (10 - 4.32) / 0.02 * (
        row["until"] - row["until"].replace(hour=18)
    )
    await plant.blocks(channel, "2026-02-13T19:00", [10.0] * 24 * 3)
    await plant.work("2026-02-16T19:00")
    assert [row[1] for row in await alerts(plant)] == ["resolved"]
    bodies = [json.loads(row["body"]) for row in await plant.pool.fetch("select * from notices")]
    assert [body["type"] for body in bodies] == ["kz.ams.alert.opened", "kz.ams.alert.resolved"]
    assert bodies[0]["data"]["kind"] == "forecast"
    assert bodies[0]["data"]["evidence"]["breaks_at"]


async def test_a_forecast_near_the_limit_stays_open(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, MONTH_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [101.0] * 24 * 7)
    await plant.work("2026-02-07T19:00")
    assert [row[1] for row in await alerts(plant)] == ["open"]
    await plant.blocks(channel, "2026-02-07T19:00", [97.0] * 24 * 5)
    await plant.work("2026-02-12T19:00")
    assert [row[1] for row in await alerts(plant)] == ["open"]  # 98.7: below 100, not below 95
    await plant.blocks(channel, "2026-02-12T19:00", [60.0] * 24 * 3)
    await plant.work("2026-02-15T19:00")
    assert [row[1] for row in await alerts(plant)] == ["resolved"]


async def test_a_breach_that_has_come_makes_the_forecast_an_exceedance(plant: Plant) -> None:
    channel = await plant.channel(basis="kg/h")
    limit = await plant.limit(channel, TONNES_A_MONTH)
    await plant.blocks(channel, "2026-01-31T19:00", [30.0] * 24 * 10)
    await plant.work("2026-02-10T19:00")
    assert [row[1:3] for row in await alerts(plant)] == [("open", "warning")]
    await plant.blocks(channel, "2026-02-10T19:00", [30.0] * 24 * 5)
    await plant.work("2026-02-15T19:00")
    assert [row[1:3] for row in await alerts(plant)] == [("open", "exceedance")]
    await plant.blocks(channel, "2026-02-15T19:00", [1.0] * 24 * 14)
    await plant.work("2026-03-01T19:00")
    assert [row[:3] for row in await alerts(plant)] == [(limit, "resolved", "exceedance")]


async def test_hours_of_the_year_that_are_used_up_too_soon(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, HOURS_A_YEAR)  # 438 of 8,760 may be above 200
    few = ([300.0] + [90.0] * 23) * 60
    await plant.blocks(channel, "2025-12-31T19:00", few)
    await plant.work("2026-03-01T19:00")
    assert await alerts(plant) == []
    await plant.blocks(channel, "2026-03-01T19:00", [300.0] * 60)
    await plant.work("2026-03-04T07:00")
    [(found, state, severity, _)] = await alerts(plant)
    assert (found, state, severity) == (limit, "open", "warning")
    row = await plant.running(limit)
    assert (row["exceeding"], row["allowed"], row["name"]) == (120, 438, "compliant")


async def test_the_last_one_that_may_exceed_is_told(plant: Plant) -> None:
    channel = await plant.channel()
    rule = replace(
        DAY_MEAN, condition="three", statistic="count", average="1h", per="1year", at_most=3
    )
    await plant.limit(channel, rule)
    await plant.blocks(channel, "2025-12-31T19:00", [90.0] * 24 + [300.0] * 2)
    await plant.work("2026-01-01T21:00")
    assert await alerts(plant) == []
    await plant.blocks(channel, "2026-01-01T21:00", [300.0])
    await plant.work("2026-01-01T22:00")
    assert [row[1:3] for row in await alerts(plant)] == [("open", "warning")]
    async with plant.pool.acquire() as conn:
        [shown] = await alert_items(conn, [await conn.fetchval("select id from alerts")])
    assert (shown["kind"], shown["condition"], shown["limit"]) == ("forecast", "three", 3.0)
    assert shown["uom"] is None  # a number of hours, not of mg/m3


async def test_nothing_is_forecast_of_nothing(plant: Plant) -> None:
    channel = await plant.channel(basis="kg/h")
    await plant.limit(channel, replace(TONNES_A_MONTH, limit=0.0))
    await plant.limit(channel, MONTH_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [NAN] * 240)
    await plant.work("2026-02-10T19:00")
    assert await alerts(plant) == []
