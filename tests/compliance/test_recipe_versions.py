"""Recipes that change: what was measured is counted by the recipe of its time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.vocabulary import HOUR, MINUTE
from storage.times import from_micros
from tests.compliance.plant import MONTH_MEAN, QUIET, at
from tests.compliance.test_part75 import APART, BY_LOAD, MASS_FLOW, START, one

if TYPE_CHECKING:
    from tests.compliance.plant import Plant

NAN = float("nan")
CHANGED = "2026-01-31T21:00"  # two hours after START


def averaged(main: str, step: int = HOUR) -> dict[str, Any]:
    """A recipe that normalises averages."""
    return {"kind": "chain", "step_us": step, "main": {"channel": main}}


async def states(plant: Plant, limit: int) -> list[str]:
    return [state for *_, state in await plant.judged(limit)]


async def test_what_stands_behind_an_hour_is_what_its_own_recipe_names(plant: Plant) -> None:
    """Before the other analyser came there is nothing of it, later nothing of the first one."""
    first, other = await plant.channel("no_a"), await plant.channel("no_b")
    value = await plant.channel("nox", "at 6 % O2", averaged("no_a"))
    await plant.recipe(value, averaged("no_b"), CHANGED)
    limit = await plant.limit(value, replace(QUIET, quadrants=True))
    for measured, since in ((first, START), (other, CHANGED)):
        await plant.blocks(measured, since, [200.0, 200.0], count=[60, 50])
        await plant.blocks(measured, since, [200.0] * 8, window=HOUR // 4, count=15)
    await plant.blocks(value, START, [50.0] * 4, count=1, expected=1)
    await plant.work("2026-01-31T23:00")
    assert await states(plant, limit) == ["compliant"] * 4
    counts = await plant.pool.fetch("select complete from current_compliance order by start")
    assert [row["complete"] for row in counts] == [1, 1, 1, 1]


@pytest.mark.parametrize("since", [averaged("no_b"), averaged("no_a", MINUTE)], ids=str)
async def test_late_values_behind_hours_of_an_older_recipe(
    plant: Plant, since: dict[str, Any]
) -> None:
    """The average stays what it was, and so does its block."""
    first, other = await plant.channel("no_a"), await plant.channel("no_b")
    value = await plant.channel("nox", "at 6 % O2", averaged("no_a"))
    await plant.recipe(value, since, CHANGED)
    limit = await plant.limit(value, QUIET)
    await plant.blocks(first, START, [200.0] * 2, count=[60, 10])
    await plant.blocks(other, CHANGED, [200.0] * 2)
    await plant.blocks(value, START, [50.0] * 2, count=1, expected=1)
    later = 1 if since["step_us"] == HOUR else 60
    await plant.blocks(value, CHANGED, [50.0] * 2, count=later, expected=later)
    await plant.work("2026-01-31T23:00")
    assert await states(plant, limit) == ["compliant", "not_assessable", "compliant", "compliant"]
    await plant.blocks(first, "2026-01-31T20:00", [200.0], count=60)
    await plant.work()
    assert await states(plant, limit) == ["compliant"] * 4


async def reading(plant: Plant, channel: int, moment: str) -> None:
    """One that is not valid."""
    await plant.pool.execute(
        "insert into readings (time, value, batch, channel, status, flags)"
        " values ($1, 50, 1, $2, 1, 0)",
        from_micros(at(moment)),
        channel,
    )


async def test_data_begin_with_the_channel_that_the_recipe_of_then_names(plant: Plant) -> None:
    first, other = await plant.channel("no_a"), await plant.channel("no_b")
    value = await plant.channel("nox", "at 6 % O2", averaged("no_a", MINUTE))
    await plant.recipe(value, averaged("no_b", MINUTE), "2026-02-02T00:00")
    month = await plant.limit(value, MONTH_MEAN)
    await plant.blocks(value, "2026-02-01T08:00", [50.0] * 24)
    await reading(plant, first, "2026-02-01T03:10")
    await reading(plant, other, "2026-02-01T01:10")  # it stood behind nothing yet
    await plant.work("2026-02-02T08:00")
    row = await plant.running(month)
    assert (row["valid"], row["expected"]) == (24, 29)


async def test_data_begin_with_a_reading_that_is_not_selected(plant: Plant) -> None:
    measured = await plant.channel("so2")
    recipe = {"kind": "select", "of": {"channel": "so2"}, "statuses": ["valid", "start_up"]}
    value = await plant.channel("so2", "with start_up", recipe)
    month = await plant.limit(value, MONTH_MEAN)
    await plant.blocks(value, "2026-02-01T08:00", [50.0] * 24)
    await reading(plant, measured, "2026-02-01T03:10")
    await plant.work("2026-02-02T08:00")
    row = await plant.running(month)
    assert (row["valid"], row["expected"]) == (24, 29)


async def test_what_a_mass_flow_was_not_made_of_is_not_filled(plant: Plant) -> None:
    """A gas that was measured dry has no moisture to be missing; later it is measured wet."""
    dry: dict[str, Any] = {**MASS_FLOW, "moisture": None}
    value = await plant.channel("so2", "kg/h", dry)
    channels = {name: await plant.channel(name) for name in ("so2", "q", "h2o", "mw")}
    await plant.recipe(value, MASS_FLOW, "2026-02-01T05:00")
    await plant.limit(value, APART)
    hours, changed = 34, 10
    so2, h2o = np.full(hours, 100.0), np.full(hours, 10.0)
    so2[2:8], h2o[:changed], h2o[30] = NAN, NAN, NAN
    for name, values in (("so2", so2), ("q", np.full(hours, 10.0)), ("h2o", h2o)):
        await plant.blocks(channels[name], START, values)
    await plant.blocks(channels["mw"], START, [35.0] * hours)
    made = np.where(np.arange(hours) < changed, so2 / 100, 0.9 * so2 / 100 * h2o / 10)
    await plant.blocks(value, START, made, count=1, expected=1)
    await plant.work("2026-02-02T05:00")
    item = await one(plant)
    # Of SO2 there are less than 8 hours before. Of moisture 20 of 21 hours are 95.2 %.
    assert item["methods"] == {"06": 1, "07": 6}
    assert item["replaced"] == pytest.approx((6 * 1.0 + 0.9) / 1000)


@pytest.mark.parametrize("late", [False, True])
async def test_the_load_of_an_hour_is_what_the_rule_of_then_names(
    plant: Plant, *, late: bool
) -> None:
    """A gap is filled from hours of full load as they were told then, whatever comes later."""
    channel, first, other = [await plant.channel(name) for name in ("nox", "mw", "mw2")]
    limit, end = await plant.limit(channel, BY_LOAD), "2026-02-02T05:00"
    values = np.tile([20.0, 60.0], 17)
    values[21] = NAN
    await plant.blocks(first, START, [35.0, 75.0] * 17)
    await plant.blocks(other, START, [75.0] * 34)
    await plant.blocks(channel, START, values[:-1] if late else values)
    await plant.work(end)
    other_load = replace(BY_LOAD, load="mw2")
    await plant.limit(channel, other_load, number=limit, effective=from_micros(at(end)))
    await plant.work(end)
    if late:
        await plant.blocks(channel, "2026-02-02T04:00", values[-1:])
        await plant.work(end)
    item = await one(plant)
    assert (item["value"], item["methods"]) == (17 * (20 + 60) / 1000, {"11": 1})
