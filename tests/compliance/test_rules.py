"""What rules ask of stored blocks: their periods, what counts in them, alternatives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.core.vocabulary import HOUR, MINUTE
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, QUIET, at, days

if TYPE_CHECKING:
    from tests.compliance.plant import Plant

NAN = float("nan")


async def test_another_reporting_zone_makes_other_days(plant: Plant) -> None:
    await plant.enterprise("+05:00")
    channel = await plant.channel()
    await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work("2026-02-02T19:00")
    await plant.enterprise("+06:00")
    await plant.work()
    assert days(await plant.judged()) == [
        ("01-31 18", 90.0, "compliant"),
        ("02-01 18", 90.0, "compliant"),
    ]
    assert await plant.pool.fetchval("select count(*) from compliance where state = 3") == 2


@pytest.mark.parametrize(
    ("zone", "starts"),
    [
        ("+05:00", ["12-31 19", "01-31 19", "02-29 19"]),
        # The clocks of Almaty went back an hour on 2024-03-01: its February had an hour more.
        ("Asia/Almaty", ["12-31 18", "01-31 18", "02-29 19"]),
    ],
)
async def test_months_and_the_leap_day_by_the_zone(
    plant: Plant, zone: str, starts: list[str]
) -> None:
    await plant.enterprise(zone)
    channel = await plant.channel()
    month = await plant.limit(channel, MONTH_MEAN)
    day = await plant.limit(channel, DAY_MEAN)
    hours = int((at("2024-03-31T19:00") - at("2023-12-31T18:00")) / HOUR)
    await plant.blocks(channel, "2023-12-31T18:00", np.full(hours, 90.0))
    await plant.work("2024-03-31T19:00")
    judged = days(await plant.judged(month))
    assert [start for start, _, _ in judged][-3:] == starts
    lengths = await plant.pool.fetch(
        'select finish - start as length, expected from current_compliance where "limit" = $1'
        " and over and extract(epoch from finish - start) <> 86400",
        day,
    )
    found = [(row["length"].total_seconds() / 3600, row["expected"]) for row in lengths]
    assert found == ([(25.0, 25)] if zone == "Asia/Almaty" else [])


async def test_a_year_ends_at_midnight_of_the_zone_and_says_how_many_are_left(
    plant: Plant,
) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, HOURS_A_YEAR)
    values = np.full(8760 + 10, 90.0)
    values[:438] = values[8760:8763] = 201.0  # at most 200; the second year has 3 already
    await plant.blocks(channel, "2024-12-31T19:00", values)
    await plant.work("2026-01-01T05:00")
    [(_, start, value, state)] = await plant.judged(limit)
    assert (f"{start:%m-%d %H}", value, state) == ("12-31 19", 0.95, "compliant")
    row = await plant.running(limit)
    assert (row["exceeding"], row["allowed"], row["name"]) == (3, 438, "compliant")
    await plant.blocks(channel, "2025-06-01T00:00", [300.0])
    await plant.work()
    [(_, _, _, state)] = await plant.judged(limit)
    assert state == "exceeded"


async def test_a_standstill_is_neither_valid_nor_missing(plant: Plant) -> None:
    channel = await plant.channel()
    idle = await plant.channel(
        basis="idle", recipe={"kind": "select", "statuses": ["start_up", "shut_down", "stopped"]}
    )
    await plant.limit(channel, replace(DAY_MEAN, invalid_parts_a_day=3))
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 20 + [NAN] * 4 + [90.0] * 20)
    await plant.blocks(idle, "2026-02-01T15:00", [0.0] * 4, total=0.0)
    await plant.work("2026-02-02T19:00")
    rows = await plant.pool.fetch(
        "select judgement_name(state) as state, valid, expected from current_compliance"
        " where over order by start"
    )
    assert [tuple(row) for row in rows] == [("compliant", 20, 20), ("not_assessable", 20, 24)]


async def test_values_made_of_averages_count_what_was_measured(plant: Plant) -> None:
    measured = await plant.channel()
    recipe = {"kind": "chain", "step_us": HOUR, "main": {"channel": "so2", "basis": ""}}
    value = await plant.channel(basis="at 6 % O2", recipe=recipe)
    await plant.limit(value, DAY_MEAN)
    await plant.blocks(value, "2026-01-31T19:00", [90.0] * 24, count=1, expected=1)
    await plant.blocks(measured, "2026-01-31T19:00", [60.0] * 24, count=[60] * 12 + [20] * 12)
    await plant.work("2026-02-01T19:00")
    [(_, _, state)] = days(await plant.judged())
    row = await plant.pool.fetchrow("select valid, expected from current_compliance where over")
    assert (tuple(row), state) == ((12, 24), "not_assessable")


async def test_alternatives_one_that_complies_is_enough(plant: Plant) -> None:
    channel = await plant.channel()
    strict = await plant.limit(
        channel, replace(DAY_MEAN, condition="a", group="either", limit=80.0)
    )
    mild = await plant.limit(channel, replace(DAY_MEAN, condition="b", group="either"))
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24 + [110.0] * 24)
    await plant.work("2026-02-02T19:00")
    rows = await plant.pool.fetch(
        'select "limit", judgement_name(state) as state, judgement_name(alone) as alone'
        ' from current_compliance where over order by start, "limit"'
    )
    assert [tuple(row) for row in rows] == [
        (strict, "compliant", "exceeded"),
        (mild, "compliant", "compliant"),
        (strict, "exceeded", "exceeded"),
        (mild, "exceeded", "exceeded"),
    ]


async def test_quadrants_are_counted_from_quarter_hours(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, replace(QUIET, quadrants=True, coverage="1/60"))
    await plant.blocks(channel, "2026-02-01T00:00", [90.0] * 2, count=4)
    quarters = [90.0] * 4 + [90.0, 90.0, 90.0, NAN]
    await plant.blocks(
        channel, "2026-02-01T00:00", quarters, window=HOUR // 4, count=1, expected=15
    )
    await plant.work("2026-02-01T02:00")
    assert [state for _, _, state in days(await plant.judged())] == ["compliant", "not_assessable"]


async def test_a_rolling_mean_of_thirty_operating_days(plant: Plant) -> None:
    channel = await plant.channel()
    rule = replace(DAY_MEAN, average="30operating_days", rolling=True)
    limit = await plant.limit(channel, rule)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24 * 31)
    await plant.work("2026-03-03T19:00")
    judged = days(await plant.judged(limit))
    assert [row[1:] for row in judged[-2:]] == [(90.0, "compliant"), (90.0, "compliant")]
    await plant.blocks(channel, "2026-01-31T19:00", [90.0 + 24 * 30 * 15] * 1)
    await plant.work()
    again = days(await plant.judged(limit))
    assert [row[1:] for row in again[-2:]] == [(105.0, "exceeded"), (90.0, "compliant")]


@pytest.mark.parametrize("order", [1, -1], ids=["averages last", "averages first"])
async def test_a_recipe_that_normalises_otherwise_from_some_hour_on(
    plant: Plant, order: int
) -> None:
    """Each value or the average: what stands behind an hour is told by the hour itself."""
    averages = {"kind": "chain", "step_us": HOUR, "main": {"channel": "so2"}}
    recipes = [{**averages, "step_us": MINUTE}, averages][::order]
    so2 = await plant.channel("so2")
    value = await plant.channel("so2", "at 6 % O2", recipes[0])
    await plant.recipe(value, recipes[1], "2026-01-31T21:00")
    limit = await plant.limit(value, replace(QUIET, quadrants=True))
    await plant.blocks(so2, "2026-01-31T19:00", [200.0] * 4)
    await plant.blocks(so2, "2026-01-31T19:00", [200.0] * 16, window=HOUR // 4, count=15)
    each, made = ("2026-01-31T19:00", "2026-01-31T21:00")[::order]
    await plant.blocks(value, each, [50.0] * 2)
    await plant.blocks(value, each, [50.0] * 8, window=HOUR // 4, count=15)
    await plant.blocks(value, made, [50.0] * 2, count=1, expected=1)
    await plant.work("2026-01-31T23:00")
    assert [state for *_, state in await plant.judged(limit)] == ["compliant"] * 4
