"""Stored blocks become verdicts, on a real database: which, when, and what stays readable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from storage.times import from_micros
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, QUIET, at, days

if TYPE_CHECKING:
    from tests.compliance.plant import Plant


async def test_days_are_judged_at_midnight_of_the_zone(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24 + [110.0] * 24 + [50.0] * 6)
    await plant.work("2026-02-03T01:00")
    assert days(await plant.judged()) == [
        ("01-31 19", 90.0, "compliant"),
        ("02-01 19", 110.0, "exceeded"),
    ]
    running = await plant.running(limit)
    assert (running["value"], running["valid"], running["name"]) == (50.0, 6, "compliant")
    assert running["finish"] == datetime(2026, 2, 3, 19, tzinfo=UTC)


async def test_the_clock_ends_a_period_though_nothing_comes(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 20)
    await plant.work("2026-02-01T15:00")
    assert await plant.judged() == []
    await plant.work("2026-02-03T20:00")
    assert days(await plant.judged()) == [
        ("01-31 19", 90.0, "compliant"),
        ("02-01 19", None, "not_assessable"),
        ("02-02 19", None, "not_assessable"),
    ]


async def test_a_block_is_taken_when_those_beside_it_must_be_there_too(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, QUIET)
    await plant.work("2026-02-01T00:00")
    await plant.blocks(channel, "2026-02-01T00:00", [90.0, 90.0])
    await plant.work("2026-02-01T01:30")
    assert len(await plant.judged(limit)) == 0
    await plant.work("2026-02-01T02:00")
    assert len(await plant.judged(limit)) == 2


async def test_before_the_first_block_nothing_is_missing(plant: Plant) -> None:
    channel = await plant.channel()
    year = replace(DAY_MEAN, condition="invalid", statistic="count", of="invalid_days")
    limit = await plant.limit(channel, replace(year, per="1year", at_most=10))
    await plant.blocks(channel, "2026-02-10T19:00", [90.0] * 24)
    await plant.work("2026-02-13T19:00")
    assert (await plant.running(limit))["exceeding"] == 2
    await plant.blocks(channel, "2026-02-05T19:00", [90.0] * 24)
    await plant.work()
    assert (await plant.running(limit))["exceeding"] == 6


async def test_an_invalid_reading_from_before_the_first_block_comes_late(plant: Plant) -> None:
    channel = await plant.channel()
    month = await plant.limit(channel, MONTH_MEAN)
    day = await plant.limit(channel, replace(DAY_MEAN, invalid_parts_a_day=3))
    await plant.blocks(channel, "2026-02-01T08:00", [50.0] * 23)
    await plant.work("2026-02-02T07:00")
    assert days(await plant.judged(day)) == [("01-31 19", 50.0, "compliant")]
    await plant.pool.execute(
        "insert into readings (time, value, batch, channel, status, flags)"
        " values ($1, 50, 1, $2, 1, 0)",
        from_micros(at("2026-02-01T03:10")),
        channel,
    )
    await plant.blocks(channel, "2026-02-02T07:00", [50.0])
    await plant.work("2026-02-02T08:00")
    row = await plant.running(month)
    assert (row["valid"], row["expected"]) == (24, 29)
    assert days(await plant.judged(day)) == [("01-31 19", 50.0, "not_assessable")]


async def test_silence_from_the_first_hour_of_a_period_on(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24)
    await plant.work("2026-02-01T19:00")
    assert await plant.running(limit) is None
    await plant.work("2026-02-02T01:00")
    assert (await plant.running(limit))["name"] == "not_assessable"


async def test_a_late_block_changes_what_depends_on_it_and_nothing_else(plant: Plant) -> None:
    channel, other = await plant.channel(), await plant.channel("nox")
    day = await plant.limit(channel, DAY_MEAN)
    month = await plant.limit(channel, MONTH_MEAN)
    hours = await plant.limit(channel, HOURS_A_YEAR)
    neighbour = await plant.limit(other, DAY_MEAN)
    for each in (channel, other):
        await plant.blocks(each, "2025-12-31T19:00", [90.0] * 24 * 90)
    await plant.work("2026-03-31T19:00")
    before = await plant.pool.fetch("select * from compliance order by 1, 7, 9")
    known = datetime.now(UTC)
    await plant.blocks(channel, "2026-02-10T00:00", [5000.0])
    await plant.work()
    news = await plant.pool.fetch(
        'select "limit", start, finish, revision, value, known_at from compliance'
        " where known_at > $1 order by 1",
        known,
    )
    assert [(row["limit"], f"{row['start']:%m-%d %H}", row["revision"]) for row in news] == [
        (day, "02-09 19", 1),
        (month, "01-31 19", 1),
    ]
    assert news[0]["value"] == pytest.approx((23 * 90 + 5000) / 24, rel=1e-8)
    stayed = await plant.pool.fetch(
        "select * from compliance where known_at <= $1 order by 1, 7, 9", known
    )
    assert stayed == before
    assert neighbour not in [row["limit"] for row in news]
    running = await plant.running(hours)
    assert (running["exceeding"], running["allowed"]) == (1, 438)


async def test_a_block_that_says_the_same_again_changes_nothing(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work("2026-02-03T01:00")
    first = await plant.pool.fetch("select * from compliance")
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work()
    assert await plant.pool.fetch("select * from compliance") == first
    assert await plant.pool.fetchval("select count(*) from compliance_due") == 0


async def test_a_gap_is_judged_when_the_channel_is_back(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, QUIET)
    await plant.blocks(channel, "2026-02-01T00:00", [90.0] * 2)
    await plant.work("2026-02-01T02:00")
    await plant.blocks(channel, "2026-02-01T04:00", [90.0])
    await plant.work("2026-02-01T05:00")
    assert [state for _, _, state in days(await plant.judged())] == [
        "compliant", "compliant", "not_assessable", "not_assessable", "compliant",
    ]  # fmt: skip


async def test_nothing_is_lost_when_the_server_is_killed(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24)
    await plant.work("2026-02-01T20:00")
    await plant.blocks(channel, "2026-02-01T19:00", [110.0] * 24)
    await plant.blocks(channel, "2026-02-01T00:00", [5000.0])
    plant.restart()
    await plant.work("2026-02-03T01:00")
    assert [(value, state) for _, value, state in days(await plant.judged())] == [
        (pytest.approx((23 * 90 + 5000) / 24, rel=1e-8), "exceeded"),
        (110.0, "exceeded"),
    ]


async def test_a_limit_applied_today_judges_the_history_that_is_stored(plant: Plant) -> None:
    channel = await plant.channel()
    other = await plant.limit(channel, replace(DAY_MEAN, condition="other", limit=1e6))
    await plant.blocks(channel, "2026-01-31T19:00", [110.0] * 48)
    await plant.work("2026-02-03T01:00")
    assert {row[0] for row in await plant.judged()} == {other}
    limit = await plant.limit(channel, DAY_MEAN, since=datetime(2026, 1, 1, tzinfo=UTC))
    await plant.work()
    assert [row[3] for row in await plant.judged(limit)] == ["exceeded", "exceeded"]


async def test_a_permit_that_changes_at_midnight(plant: Plant) -> None:
    channel = await plant.channel()
    midnight = from_micros(at("2026-02-01T19:00"))
    old = await plant.limit(channel, DAY_MEAN, until=midnight)
    new = await plant.limit(channel, replace(DAY_MEAN, limit=80.0), permit="KZ2", since=midnight)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work("2026-02-02T19:00")
    assert [(row[0], row[3]) for row in await plant.judged()] == [
        (old, "compliant"),
        (new, "exceeded"),
    ]
    assert await plant.running(old) is None


async def test_a_limit_that_is_tightened_judges_the_days_that_end_later(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, DAY_MEAN)
    hours = await plant.limit(channel, HOURS_A_YEAR)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work("2026-02-02T19:00")
    midnight = from_micros(at("2026-02-01T19:00"))
    for number, rule in ((limit, DAY_MEAN), (hours, HOURS_A_YEAR)):
        tight = replace(rule, limit=40.0)
        await plant.limit(channel, tight, number=number, effective=midnight)
    await plant.work()
    assert [row[3] for row in await plant.judged(limit)] == ["compliant", "exceeded"]
    running = await plant.running(hours)
    assert (running["exceeding"], running["valid"]) == (24, 48)


async def test_two_permits_that_overlap_are_both_judged(plant: Plant) -> None:
    channel = await plant.channel()
    strict = await plant.limit(channel, replace(DAY_MEAN, limit=80.0))
    mild = await plant.limit(channel, DAY_MEAN, permit="KZ2")
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24)
    await plant.work("2026-02-01T19:00")
    assert [(row[0], row[3]) for row in await plant.judged()] == [
        (strict, "exceeded"),
        (mild, "compliant"),
    ]


async def test_without_a_permit_nothing_is_judged(plant: Plant) -> None:
    channel = await plant.channel()
    await plant.limit(
        channel,
        DAY_MEAN,
        since=datetime(2026, 2, 1, 19, tzinfo=UTC),
        until=datetime(2026, 2, 2, 19, tzinfo=UTC),
    )
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 96)
    await plant.work("2026-02-05T19:00")
    assert days(await plant.judged()) == [("02-01 19", 90.0, "compliant")]
    assert await plant.pool.fetchval("select count(*) from compliance_running") == 0


async def test_what_a_registry_leaves_no_room_for_is_withdrawn(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 48)
    await plant.work("2026-02-02T19:00")
    await plant.limit(
        channel,
        DAY_MEAN,
        number=limit,
        effective=datetime(2026, 2, 1, 19, tzinfo=UTC),
        ended=True,
    )
    await plant.work()
    assert days(await plant.judged()) == [("01-31 19", 90.0, "compliant")]
    everything = await plant.pool.fetch("select state, revision from compliance order by finish")
    assert [tuple(row) for row in everything if row["revision"]] == [(3, 1)]


async def test_an_hour_that_midnight_cuts_belongs_to_the_day_that_it_begins_in(
    plant: Plant,
) -> None:
    """In India: the hour from 18:00 UTC is the last of 1 February, by the clock half of the 2nd.

    A day is over with its last hour and not before; a limit that begins on the 2nd takes its hours.
    """
    await plant.enterprise("Asia/Kolkata")
    channel = await plant.channel()
    midnight = datetime(2026, 2, 1, 18, 30, tzinfo=UTC)
    limit = await plant.limit(channel, DAY_MEAN, until=midnight)
    tighter = await plant.limit(channel, DAY_MEAN, permit="KZ2", since=midnight)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 23)
    await plant.work("2026-02-01T18:30")
    assert await plant.judged() == []
    await plant.blocks(channel, "2026-02-01T18:00", [114.0] + [90.0] * 24)
    await plant.work("2026-02-02T19:00")
    assert days(await plant.judged(limit)) == [("01-31 19", 91.0, "compliant")]
    assert days(await plant.judged(tighter)) == [("02-01 19", 90.0, "compliant")]
    counts = await plant.pool.fetch("select valid, expected from current_compliance where over")
    assert {tuple(row) for row in counts} == {(24, 24)}


async def test_a_limit_that_was_never_meant_is_taken_back_whole(plant: Plant) -> None:
    channel = await plant.channel()
    limit = await plant.limit(channel, DAY_MEAN)
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 30)
    await plant.work("2026-02-02T01:00")
    assert await plant.running(limit)
    await plant.limit(channel, DAY_MEAN, number=limit, ended=True)
    await plant.work("2026-02-03T01:00")
    assert await plant.judged() == []
    assert await plant.running(limit) is None
    assert await plant.pool.fetchval("select count(*) from compliance_due") == 0


async def test_a_limit_that_never_was_in_force_before_its_permit_begins(plant: Plant) -> None:
    """A registry says later, of all times: the permit begins in March."""
    channel = await plant.channel()
    start, begins = from_micros(at("2026-01-01T00:00")), from_micros(at("2026-02-28T19:00"))
    limit = await plant.limit(channel, DAY_MEAN, since=start)
    await plant.blocks(channel, "2026-02-26T19:00", [150.0] * 24 * 4)
    await plant.work("2026-03-02T19:00")
    assert len(await plant.judged()) == 4
    await plant.limit(channel, DAY_MEAN, number=limit, since=begins, effective=start)
    await plant.work()
    assert days(await plant.judged()) == [
        ("02-28 19", 150.0, "exceeded"),
        ("03-01 19", 150.0, "exceeded"),
    ]


async def test_a_rule_that_contradicts_itself_harms_no_other(plant: Plant) -> None:
    channel, other = await plant.channel(), await plant.channel("nox")
    bad = await plant.limit(channel, replace(DAY_MEAN, statistic="share", share=None, per="1year"))
    good = await plant.limit(other, DAY_MEAN)
    for each in (channel, other):
        await plant.blocks(each, "2026-01-31T19:00", [90.0] * 24)
    await plant.work("2026-02-01T19:00")
    assert [row[0] for row in await plant.judged()] == [good]
    assert await plant.pool.fetchval("select count(*) from compliance_due") > 0
    await plant.limit(channel, DAY_MEAN, number=bad)
    await plant.work()
    assert {row[0] for row in await plant.judged()} == {good, bad}
