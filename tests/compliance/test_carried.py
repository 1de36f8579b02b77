"""What is carried on of running periods gives what reading them from their beginning gives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.compliance import FIGURES, VERDICT, Condition, Version
from alerts.core.shortterm import ShortTerm
from alerts.core.vocabulary import DAY, HOUR, SECOND
from alerts.core.zones import block_edges
from alerts.scope import FAR, changes_of, depends, judge_scopes, scopes
from storage.times import from_micros
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, TONNES_A_MONTH, at

if TYPE_CHECKING:
    from alerts.carrying import Kept
    from alerts.core.rules import Rule
    from tests.compliance.plant import Plant

RULES = (
    MONTH_MEAN,
    HOURS_A_YEAR,
    TONNES_A_MONTH,
    replace(TONNES_A_MONTH, condition="t a year", average="1year", limit=40.0),
    replace(MONTH_MEAN, condition="validated", uncertainty="limit", uncertainty_share="1/5"),
    replace(MONTH_MEAN, condition="geometric", geometric=True),
    replace(MONTH_MEAN, condition="by days", valid_parts_a_day=20, valid_days_a_month=25,
            valid_days_in_february=23),
    replace(MONTH_MEAN, condition="week", average="1week", invalid_parts_a_day=3),
    replace(DAY_MEAN, condition="quarter", average="1quarter"),
    replace(DAY_MEAN, condition="days", statistic="share", share="97/100", per="1year"),
    replace(DAY_MEAN, condition="invalid", statistic="count", of="invalid_days", per="1year",
            invalid_parts_a_day=3, at_most=10),
    replace(DAY_MEAN, condition="range", statistic="share", average="1h", per="1week",
            share="95/100", of="out_of_calibration", calibration_range=120.0),
    replace(DAY_MEAN, condition="operating", average="5operating_days", rolling=True),
    replace(DAY_MEAN, condition="day"),
)  # fmt: skip
CHANNELS = 2
# Zones and spans: a year ends, clocks go back, hours go on over midnight, a leap day.
PLACES = (
    ("+05:00", "2025-12-01T00:00"),
    ("Asia/Almaty", "2024-02-10T00:00"),
    ("Europe/Berlin", "2026-10-05T00:00"),
    ("+05:30", "2025-12-10T00:00"),
)
DAYS = 50
EXACT = tuple(name for name in FIGURES if name not in {"value", "raw", "replaced", "estimate"})


@dataclass
class World:
    """Averages, conditions and what a database would hold of their verdicts."""

    rule: Rule
    zone: str
    short: ShortTerm
    conditions: list[Condition]
    stored: dict[tuple[int, int], Any] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    carried: int = 0

    def judge(self, spans: dict[int, tuple[int, int]], until: int) -> None:
        """Judge as the follower does, and store."""
        judged: dict[int, int] = {}
        for (limit, finish), row in self.stored.items():
            if row["over"]:
                judged[limit] = max(judged.get(limit, 0), finish)
        begun = dict.fromkeys(spans, int(self.short.start[0]))
        changes = changes_of(self.conditions, spans, judged, begun, until, self.kept)
        wanted = scopes(self.conditions, changes, self.kept)
        self.carried += sum(scope.before is not None for scope in wanted)
        known = self.short.first(int(np.searchsorted(self.short.finish, until, side="right")))
        columns = {channel: channel for channel in range(CHANNELS)}
        found = judge_scopes(
            wanted, {self.rule.short_term: known}, columns, changes, until
        )  # fmt: skip
        old = np.array(list(self.stored.values()), VERDICT)
        for row in old[depends(old, changes)]:
            del self.stored[int(row["limit"]), int(row["finish"])]
        for row in found.rows:
            self.stored[int(row["limit"]), int(row["finish"])] = row
        for limit, one in found.carried.items():  # through bytes, as in a database
            self.kept[limit] = one._replace(figures=np.frombuffer(one.figures.tobytes()))

    def says_the_same_as(self, other: World) -> None:
        assert sorted(self.stored) == sorted(other.stored)
        for key, ours in self.stored.items():
            theirs = other.stored[key]
            for name in FIGURES:
                a, b = ours[name], theirs[name]
                np.testing.assert_equal(a, b, name)
            if not ours["over"] and not np.isnan(ours["value"]):  # of nothing, no forecast
                for name in ("rest", "forecast", "threshold"):
                    np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-7, atol=1e-7)
                assert abs(int(ours["breaks_at"]) - int(theirs["breaks_at"])) <= 60 * SECOND


def averages(zone: str, start: int, random: np.random.Generator) -> ShortTerm:
    starts, finishes = block_edges(HOUR, zone, start, start + DAYS * DAY)
    shape = (len(starts), CHANNELS)
    mean = random.choice([60.0, 95.3, 110.1, 160.7, 230.9], shape)
    count = random.choice([60, 60, 60, 60, 50, 30, 0], shape).astype(np.int32)
    still = np.repeat(random.random((DAYS + 2, CHANNELS)) < 0.1, 24, axis=0)[: len(starts)]
    idle = np.where(still, 60, 0).astype(np.int32)
    count[still] = 0
    mean[count == 0] = np.nan
    return ShortTerm(
        start=starts, finish=finishes, mean=mean, count=count,
        expected=np.full(shape, 60, np.int32), idle=idle, stopped=idle,
        marked=np.where((random.random(shape) < 0.1) & (count > 0), 5, 0).astype(np.int32),
    )  # fmt: skip


def conditions(rule: Rule, zone: str, start: int) -> list[Condition]:
    """One that is always in force, and one from some day of the first month on."""
    return [
        Condition(1, 0, "p a", zone, (Version(1, 0, FAR, rule),)),
        Condition(
            2, 1, "p b", zone,
            (Version(1, start + 9 * DAY, FAR, replace(rule, limit=rule.limit * 1.1)),),
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.condition)
@given(seed=st.integers(0, 2**32), place=st.sampled_from(PLACES))
@settings(max_examples=2, deadline=None)
def test_hour_after_hour_is_as_from_the_beginning(
    rule: Rule, seed: int, place: tuple[str, str]
) -> None:
    """Late averages, some taken back, a limit that changes, follower away for days."""
    random = np.random.default_rng(seed)
    zone, begin = place
    start = at(begin)
    short = averages(zone, start, random)
    world = World(rule, zone, short, conditions(rule, zone, start))
    until = start + 2 * DAY
    spans = dict.fromkeys(range(CHANNELS), (start, until))
    while until < start + DAYS * DAY:
        world.judge(spans, until)
        since, until = until, until + int(random.choice([1, 5, 26, 70])) * HOUR
        spans = dict.fromkeys(range(CHANNELS), (since, until - HOUR))
        if random.random() < 0.15:  # an average of another day comes, changes or is taken back
            row = int(random.integers(0, np.searchsorted(short.finish, until)))
            column = int(random.integers(0, CHANNELS))
            value = float(random.choice([np.nan, 88.8, 555.5]))
            short.mean[row, column] = value
            short.count[row, column] = 0 if np.isnan(value) else 60
            spans[column] = min(since, int(short.start[row])), until - HOUR
        if random.random() < 0.05:  # a registry changes a limit from some day on
            [first, second] = world.conditions
            effective = int(since - random.integers(0, 20) * DAY)
            last = first.versions[-1]
            if effective > last.after:
                tighter = replace(last.rule, limit=last.rule.limit * 0.9)
                versions = (
                    *first.versions[:-1],
                    replace(last, until=effective),
                    Version(last.number + 1, effective, FAR, tighter),
                )
                world.conditions = [replace(first, versions=versions), second]
                spans[0] = min(spans[0][0], effective), FAR
        if random.random() < 0.1:
            world.kept.clear()
        anew = World(rule, zone, short, world.conditions)
    world.judge(spans, until)
    anew = World(rule, zone, short, world.conditions)
    anew.judge(dict.fromkeys(range(CHANNELS), (start, FAR)), until)
    world.says_the_same_as(anew)
    assert world.carried or rule.rolling or (rule.average == "1d" and not rule.per)


async def test_an_hour_of_a_year_reads_no_more_than_its_days(plant: Plant) -> None:
    """Blocks of the year's earlier days are gone: its figures go on all the same."""
    channel = await plant.channel()
    hours = await plant.limit(channel, HOURS_A_YEAR)
    month = await plant.limit(channel, MONTH_MEAN)
    await plant.blocks(channel, "2025-12-31T19:00", [300.0] * 100 + [90.0] * 24 * 50)
    await plant.work("2026-02-24T00:00")
    before = await plant.running(hours), await plant.running(month)
    upto = await plant.pool.fetchval(
        'select upto from compliance_carried where "limit" = $1', hours
    )
    assert upto == from_micros(at("2026-02-23T19:00"))
    await plant.pool.execute("delete from blocks where start < $1", upto)
    plant.restart()
    await plant.blocks(channel, "2026-02-24T00:00", [300.0])
    await plant.work("2026-02-24T01:00")
    row = await plant.running(hours)
    assert (row["exceeding"], row["valid"]) == (101, before[0]["valid"] + 1)
    row = await plant.running(month)
    assert row["valid"] == before[1]["valid"] + 1
    expected = (before[1]["value"] * before[1]["valid"] + 300) / row["valid"]
    assert row["value"] == pytest.approx(expected, rel=1e-8)
    await plant.pool.execute("truncate compliance_carried")
    await plant.blocks(channel, "2026-02-24T01:00", [90.0])
    await plant.work("2026-02-24T02:00")
    assert (await plant.running(hours))["exceeding"] == 1  # read anew, of what is left


async def test_what_is_carried_on_does_not_outlive_a_late_block(plant: Plant) -> None:
    channel = await plant.channel()
    hours = await plant.limit(channel, HOURS_A_YEAR)
    await plant.blocks(channel, "2025-12-31T19:00", [90.0] * 24 * 55)
    await plant.work("2026-02-24T19:00")
    await plant.blocks(channel, "2026-01-10T00:00", [300.0] * 2)
    await plant.work()
    assert (await plant.running(hours))["exceeding"] == 2
    await plant.blocks(channel, "2026-01-10T00:00", [float("nan")])
    await plant.blocks(channel, "2026-02-24T19:00", [300.0])
    await plant.work("2026-02-24T20:00")
    row = await plant.running(hours)
    assert (row["exceeding"], row["valid"]) == (2, 24 * 55)


async def test_what_is_carried_on_of_a_month_that_is_over_does_not_outlive_a_late_block(
    plant: Plant,
) -> None:
    """On the first of a month the last one is what is carried on still."""
    channel = await plant.channel()
    month = await plant.limit(channel, MONTH_MEAN)
    hours = 31 * 24
    await plant.blocks(channel, "2025-12-31T19:00", [90.0] * (hours + 20))
    await plant.work("2026-01-31T18:00")
    await plant.work("2026-02-01T08:00")
    await plant.blocks(channel, "2026-01-10T00:00", [300.0] * 10)
    await plant.work()
    await plant.blocks(channel, "2026-01-31T15:00", [300.0])  # of its last day, not carried on
    await plant.work()
    [(_, _, value, _)] = await plant.judged(month)
    assert value == pytest.approx((90 * (hours - 11) + 300 * 11) / hours)


async def test_the_limit_before_a_gap_judges_what_is_carried_on(plant: Plant) -> None:
    """No limit is in force since the 21st, and the next one is another."""
    channel = await plant.channel()
    ends, begins = from_micros(at("2026-02-20T19:00")), from_micros(at("2026-04-10T00:00"))
    month = await plant.limit(channel, MONTH_MEAN, until=ends)
    later = replace(MONTH_MEAN, limit=200.0)
    await plant.limit(channel, later, number=month, since=begins)
    await plant.blocks(channel, "2026-01-31T19:00", [150.0] * 24 * 22)
    await plant.work("2026-02-21T23:00")
    assert (await plant.running(month))["name"] == "exceeded"
    await plant.blocks(channel, "2026-02-21T23:00", [150.0])
    await plant.work("2026-02-22T00:00")
    row = await plant.running(month)
    assert (row["name"], row["threshold"]) == ("exceeded", 100.0)


async def test_of_whole_days_one_is_there_to_be_judged(plant: Plant) -> None:
    """When another condition's period ends within the day, the last one is not carried on yet."""
    channel = await plant.channel()
    year = await plant.limit(channel, replace(HOURS_A_YEAR, average="1d", short_term="1d"))
    await plant.limit(channel, replace(DAY_MEAN, average="12h"))
    await plant.blocks(channel, "2025-12-31T19:00", [300.0] * 20, window=DAY)
    await plant.blocks(channel, "2025-12-31T19:00", [90.0] * 24 * 20)
    await plant.work("2026-01-20T19:00")
    for now in ("2026-01-20T23:00", "2026-01-21T07:00"):
        await plant.pool.execute(
            "insert into compliance_due (channel, first, last) values ($1, $2, '9999-01-01Z')",
            channel,
            from_micros(at("2026-01-20T20:00")),
        )
        await plant.work(now)
        row = await plant.running(year)
        assert (row["exceeding"], row["valid"]) == (20, 20)
