"""Gaps that are filled where the rule asks for it: what is told, and from how far back it comes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR
from alerts.scope import reach
from console.compliance_models import Compliance
from storage.times import from_micros
from tests.compliance.plant import DAY_MEAN, FOR_EVER, LONG_AGO, TONNES_A_MONTH, at
from tests.console.conftest import serving

if TYPE_CHECKING:
    from tests.compliance.plant import Plant

NAN = float("nan")
PART75 = replace(
    TONNES_A_MONTH, substitution="part75", potential=900.0, look_back=48, coverage="1/1000"
)


async def test_the_verdict_says_how_many_were_filled_and_how(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, PART75)
    values = [100.0] * 100 + [NAN] * 2 + [200.0] * 50 + [NAN] * 60 + [300.0] * 4
    await plant.blocks(channel, "2026-01-31T19:00", values)
    await plant.work("2026-02-09T21:00")
    async with serving(plant.pool) as api:
        [item] = await api.items("compliance")
    Compliance.model_validate(item)
    # Of 102 hours 100 are measured: 98 %, so the first gap is that of 06. Of 152 + k, 150: 95 % up
    # to the 5th hour of the second gap, 90 % up to the 14th, 80 % up to the 35th. Two more hours
    # have passed since the last one that was measured.
    assert item["methods"] == {"06": 2, "08": 5, "09": 9, "10": 21, "12": 27}
    assert item["substituted"] == 64
    measured = (100 * 100 + 50 * 200 + 4 * 300) / 1000
    replaced = (2 * 150 + 14 * 250 + 21 * 200 + 27 * 900) / 1000
    assert (item["value"], item["replaced"]) == (round(measured + replaced, 9), round(replaced, 9))
    assert item["state"] == "exceeded"
    assert (item["complete"], item["estimate"]) == (154 / 218, 0.0)


async def test_what_is_not_asked_for_is_not_filled(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, replace(PART75, substitution="none"))
    await plant.blocks(channel, "2026-01-31T19:00", [100.0] * 100 + [NAN] * 2 + [100.0])
    await plant.work("2026-02-05T02:00")
    async with serving(plant.pool) as api:
        [item] = await api.items("compliance")
    assert (item["methods"], item["replaced"], item["value"]) == ({}, 0.0, 10.1)
    assert item["estimate"] == 0.2


async def test_an_hour_that_ends_a_gap_fills_it_in_the_days_before(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, replace(DAY_MEAN, substitution="neighbours"))
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 14)
    await plant.work("2026-02-03T19:00")
    assert [row[2:] for row in await plant.judged(limit)] == [
        (90.0, "not_assessable"), (None, "not_assessable"), (None, "not_assessable"),
    ]  # fmt: skip
    await plant.blocks(channel, "2026-02-03T18:00", [130.0])
    await plant.work()
    days = [row[2:] for row in await plant.judged(limit)]
    first = round((14 * 90 + 10 * 110) / 24, 7)
    assert days == [(first, "compliant"), (110.0, "exceeded"), (110.833333, "exceeded")]
    rows = await plant.pool.fetch(
        "select filled_06, filled_12 from current_compliance order by start"
    )
    assert [tuple(row) for row in rows] == [(10, None), (24, None), (23, None)]


async def test_late_hours_of_last_year_change_the_substitutes_of_this_one(plant: Plant) -> None:
    channel = await plant.channel()
    rule = replace(PART75, statistic="mean", average="1d", coverage="2/3", limit=500.0)
    limit = await plant.limit(channel, rule)
    last_year = np.full(24 * 100, 100.0)
    last_year[1:1000] = NAN
    await plant.blocks(channel, "2025-10-01T19:00", last_year)
    start = from_micros(at("2025-10-01T19:00") + 2400 * HOUR)
    await plant.blocks(channel, f"{start:%Y-%m-%dT%H:%M}", [NAN] * 12 + [100.0] * 12)
    now = from_micros(at("2025-10-01T19:00") + 2424 * HOUR)
    await plant.work(f"{now:%Y-%m-%dT%H:%M}")
    assert (await plant.judged(limit))[-1][2:] == (500.0, "compliant")  # half of it 900
    await plant.blocks(channel, "2025-10-01T19:00", np.full(1000, 100.0))
    await plant.work()
    assert (await plant.judged(limit))[-1][2:] == (100.0, "compliant")


async def test_failures_and_weeks_are_judged_by_the_follower(plant: Plant) -> None:
    channel = await plant.channel()
    base = replace(DAY_MEAN, statistic="count", average="1h")
    failure = replace(
        base, condition="run", of="abatement_failure", per="1year", at_most_in_a_row=4
    )
    weeks = replace(
        base, condition="weeks", of="calibration_weeks", per="1week", at_most=0,
        calibration_range=150.0, calibrated_from="2025-12-01",
    )  # fmt: skip
    run = await plant.limit(channel, failure, since=LONG_AGO, until=FOR_EVER)
    week = await plant.limit(channel, weeks)
    values = np.full(14 * 24, 90.0)
    values[70:77] = 200.0  # three hours of the old year, four of the new one
    await plant.blocks(channel, "2025-12-28T19:00", np.where(values > 100, 90.0, values))
    await plant.work("2026-01-11T19:00")
    assert (await plant.running(run))["name"] == "compliant"
    await plant.blocks(channel, "2025-12-31T17:00", [200.0] * 2)
    await plant.blocks(channel, "2025-12-31T19:00", [200.0] * 3)
    await plant.work()
    running = await plant.running(run)
    assert (running["name"], running["value"], running["raw"]) == ("exceeded", 5.0, 0.0)
    await plant.blocks(channel, "2025-12-29T00:00", [166.0] * 9)
    await plant.work()
    assert [row[2:] for row in await plant.judged(week)] == [(1.0, "exceeded"), (1.0, "exceeded")]


async def test_an_hour_in_which_the_ams_was_serviced_needs_two_values_apart(plant: Plant) -> None:
    channel, serviced = await plant.channel(), await plant.channel(basis="serviced")
    hour = replace(DAY_MEAN, average="1h", coverage="1/1000", quadrants=True)
    limit = await plant.limit(channel, hour)
    await plant.blocks(channel, "2026-02-01T00:00", [90.0] * 2, count=20)
    for start in ("2026-02-01T00:00", "2026-02-01T01:15"):
        await plant.blocks(channel, start, [90.0] * 3, window=HOUR // 4, count=7, expected=15)
    await plant.work("2026-02-01T02:00")
    states = [row[3] for row in await plant.judged(limit)]
    assert states == ["not_assessable", "not_assessable"]
    await plant.blocks(serviced, "2026-02-01T01:00", [1.0], count=9)
    await plant.work()
    assert [row[3] for row in await plant.judged(limit)] == ["not_assessable", "compliant"]


async def test_start_ups_are_counted_apart_and_judged_by_nobody(plant: Plant) -> None:
    channel, idle = (
        await plant.channel(basis="only start_up shut_down"),
        await plant.channel(basis="idle"),
    )
    special = replace(
        DAY_MEAN, statistic="count", average="1h", of="special_class", per="1year", factor="2"
    )
    limit = await plant.limit(channel, special)
    await plant.blocks(idle, "2026-02-01T00:00", [1.0] * 3, total=60.0)
    await plant.blocks(channel, "2026-02-01T00:00", [250.0, 150.0, 250.0])
    await plant.blocks(channel, "2026-02-01T05:00", [250.0], count=10)  # no hour of start-up alone
    await plant.work("2026-02-01T06:00")
    running = await plant.running(limit)
    assert (running["name"], running["value"], running["valid"], running["expected"]) == (
        "not_assessable", 2.0, 3, 3,
    )  # fmt: skip
    async with serving(plant.pool) as api:
        [item] = await api.items("compliance")
    assert (item["exceeding"], item["allowed"], item["left"]) == (2, None, None)


def test_how_far_back_substitutes_come_from() -> None:
    moment = at("2026-02-10T10:00")
    for substitution, start in (
        ("none", "2026-01-31T19:00"),
        ("neighbours", "2025-07-31T19:00"),
        ("part75", "2022-11-01T19:00"),
        ("mean_two_sigma", "2025-12-31T19:00"),
    ):
        rule = replace(PART75, substitution=substitution)
        low, _ = reach(rule, "+05:00", moment, moment)
        assert from_micros(low) == from_micros(at(start)), substitution
