"""Verdicts are a function of blocks and registry, not of the order in which the blocks came."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.vocabulary import HOUR
from storage.times import from_micros
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, Plant, at

if TYPE_CHECKING:
    import asyncpg

START = at("2026-01-31T19:00")
DAYS = 45
NOW = f"{from_micros(START + DAYS * 24 * HOUR):%Y-%m-%dT%H:%M}"
RULES = (
    DAY_MEAN,
    MONTH_MEAN,
    HOURS_A_YEAR,
    replace(DAY_MEAN, condition="hour", average="1h", factor="3/2"),
    replace(DAY_MEAN, condition="last day", rolling=True),
    replace(DAY_MEAN, condition="row", statistic="count", average="1h", per="1month",
            at_most=40, at_most_in_a_row=3),
    replace(DAY_MEAN, condition="last week", statistic="share", average="1h", per="7d",
            rolling_per=True, share="9/10"),
    replace(DAY_MEAN, condition="days", statistic="count", of="invalid_days", per="1month",
            invalid_parts_a_day=3, at_most=2),
    replace(DAY_MEAN, condition="operating", average="5operating_days", rolling=True),
    replace(DAY_MEAN, condition="failure", statistic="count", of="abatement_failure",
            average="1h", per="1month", at_most=60, at_most_in_a_row=4),
    replace(DAY_MEAN, condition="any month", statistic="count", of="abatement_failure",
            average="1h", per="1month", rolling_per=True, at_most=200),
    replace(DAY_MEAN, condition="weeks", statistic="count", of="calibration_weeks",
            average="1h", per="1week", at_most=2, calibration_range=140.0,
            calibrated_from="2026-02-05"),
    *(
        replace(DAY_MEAN, condition=f"{name} {average}", average=average, potential=900.0,
                substitution=name, look_back=200, statistic=statistic)
        for name in ("neighbours", "maximum", "mean_two_sigma", "part75")
        for average, statistic in (("1d", "mean"), ("1month", "total"))
    ),
)  # fmt: skip


async def verdicts(plant: Plant) -> list[tuple[Any, ...]]:
    """Every period that is over."""
    rows = await plant.pool.fetch(
        'select "limit", start, finish, value, raw, state, alone, valid, expected, exceeding,'
        " allowed, substituted, replaced, estimate, filled_06, filled_07, filled_08, filled_09,"
        " filled_10, filled_11, filled_12, filled_101 from current_compliance where over"
        " order by 1, 3"
    )
    return [tuple(row) for row in rows]


async def running(plant: Plant) -> list[tuple[Any, ...]]:
    """All running periods, but for when they were written."""
    rows = await plant.pool.fetch('select * from compliance_running order by "limit"')
    return [tuple(value for name, value in row.items() if name != "known_at") for row in rows]


async def limits(plant: Plant) -> tuple[int, int]:
    """The channels of values and of standstills, with every rule on the values."""
    channel, idle = await plant.channel(), await plant.channel(basis="idle")
    for rule in RULES:
        await plant.limit(channel, rule)
    return channel, idle


async def feed(plant: Plant, channel: int, hour: int, value: float, count: int) -> None:
    first = f"{from_micros(START + hour * HOUR):%Y-%m-%dT%H:%M}"
    await plant.blocks(channel, first, [value], count=count, total=0.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_order_of_arrival_decides_nothing(pool: asyncpg.Pool, seed: int) -> None:
    """Pieces come in any order, some hours twice; between them the clock and the follower go on."""
    random = np.random.default_rng(seed)
    plant = Plant(pool)
    channel, idle = await limits(plant)
    values = random.choice([60.0, 95.0, 110.0, 160.0, 230.0], DAYS * 24)
    counts = random.choice([60, 60, 60, 60, 50, 30], DAYS * 24)
    still = np.repeat(random.random(DAYS) < 0.15, 24)
    missing = np.repeat(random.random(DAYS * 4) < 0.1, 6)
    hours = np.flatnonzero(~still & ~missing)
    pieces = [piece for piece in np.array_split(hours, 12) if len(piece)]
    for place in random.permutation(len(pieces)):
        for hour in pieces[place]:
            if random.random() < 0.02:  # revised afterwards
                await feed(plant, channel, int(hour), 500.0, 60)
        now = START + int(random.integers(5, DAYS)) * 24 * HOUR
        plant.now = max(plant.now, now) if random.random() < 0.5 else plant.now
        await plant.follower.work()
        for run in np.split(pieces[place], np.flatnonzero(np.diff(pieces[place]) > 1) + 1):
            first = f"{from_micros(START + int(run[0]) * HOUR):%Y-%m-%dT%H:%M}"
            await plant.blocks(channel, first, values[run], count=counts[run], total=0.0)
        if random.random() < 0.3:
            plant.restart()
    for hour in np.flatnonzero(still):
        await feed(plant, idle, int(hour), 0.0, 60)
    await plant.work(NOW)
    found = await verdicts(plant), await running(plant)
    await pool.execute("truncate compliance, compliance_running, compliance_due")
    await pool.execute("update progress set batch = 0 where follower = 'compliance'")
    plant.restart()
    await plant.work()
    anew = await verdicts(plant), await running(plant)
    for ours, theirs in zip(found, anew, strict=True):
        assert [row for row in ours if row not in theirs] == []
        assert ours == theirs
