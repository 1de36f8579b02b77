"""Means and masses as laws write them, through the judge: published vectors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from alerts.core.statistics import NONE, judge
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests.core.compliance import ZONE, hours, rule, states

START = int(datetime.fromisoformat("2025-01-01T00:00+05:00").timestamp()) * SECOND
ALWAYS = 2**62


def test_a_day_at_110_percent_complies() -> None:
    """Vector V5."""
    short = hours(START, [220.0] * 24 + [220.1] * 24)
    found = judge(rule(factor="1.1"), 200.0, short, ZONE, ALWAYS)
    assert states(found) == ["compliant", "exceeded"]
    assert found.threshold.tolist() == [[220.0], [220.0]]
    assert found.allowed.tolist() == [[NONE], [NONE]]


def test_validated_averages() -> None:
    """Vector V1: 20 % of a limit of 200 is subtracted, and nothing is below zero."""
    one = rule(average="1h", uncertainty="limit", uncertainty_share="0.2")
    found = judge(one, 200.0, hours(START, [180, 210, 250, 30]), ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [140, 170, 210, 0]
    assert found.raw[:, 0].tolist() == [180, 210, 250, 30]
    assert states(found) == ["compliant", "compliant", "exceeded", "compliant"]


def test_twice_the_limit_reached() -> None:
    """A 30-minute mean of twice the limit or more is an excess emission."""
    short = hours(START, [399.9, 400.0, 400.1], length=30 * MINUTE)
    settings: dict[str, Any] = {"average": "30min", "short_term": "30min", "factor": "2"}
    found = judge(rule(reached=True, **settings), 200.0, short, ZONE, ALWAYS)
    assert states(found) == ["compliant", "exceeded", "exceeded"]
    found = judge(rule(**settings), 200.0, short, ZONE, ALWAYS)
    assert states(found) == ["compliant", "compliant", "exceeded"]


def test_a_geometric_daily_mean() -> None:
    """40 CFR 60.51b; a value of zero has no logarithm and is no part of it."""
    short = hours(START, [10.0] * 12 + [1000.0] * 12 + [100.0] * 23 + [0.0])
    found = judge(rule(geometric=True), 100.0, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [100.0, 100.0]
    assert found.valid[:, 0].tolist() == [24, 23]


def test_thirty_operating_days_pool_hours() -> None:
    """40 CFR 60.48Da(b): a day of one hour weighs as much as that hour."""
    means = np.repeat(np.arange(40.0), 24)[:, None] * [[1, 1]]
    stopped = np.zeros(means.shape, np.int32)
    stopped[24 * 35 :: 2, 0] = 60  # every other hour of the last days
    stopped[24 * 31 : 24 * 33, 1] = 60  # two days at all
    short = hours(START, means, stopped=stopped, idle=stopped)
    one = rule(average="30operating_days", rolling=True)
    found = judge(one, 1.0, short, ZONE, ALWAYS)
    assert states(found)[28:30] == ["not_assessable", "exceeded"]
    assert found.value[29].tolist() == [14.5, 14.5]
    first = [day for day in range(10, 35) for _ in range(24)]
    first += [day for day in range(35, 40) for _ in range(12)]
    assert found.value[39, 0] == pytest.approx(np.mean(first), rel=3e-9)
    assert found.expected[31:33, 1].tolist() == [0, 0]
    second = [*range(8, 31), *range(33, 40)]
    assert found.value[39, 1] == pytest.approx(np.mean(second), rel=3e-9)


def test_masses() -> None:
    """Vector M1: 45 kg/h for 24 h are 1.08 t; what is known already may be too much."""
    flow = np.full(31 * 24, 45.0)
    short = hours(START, flow)
    one = rule(statistic="total", average="1month", uom="t")
    found = judge(one, 33.48, short, ZONE, ALWAYS)
    assert (found.value[0, 0], states(found)) == (33.48, ["compliant"])
    half = hours(START, np.where(np.arange(31 * 24) % 2, 45.0, np.nan))
    assert states(judge(one, 33.48, half, ZONE, ALWAYS)) == ["not_assessable"]
    assert states(judge(one, 16.0, half, ZONE, ALWAYS)) == ["exceeded"]


def test_masses_of_the_last_twelve_months() -> None:
    short = hours(START, np.full(24 * (365 + 31), 45.0))
    one = rule(statistic="total", average="1year", rolling=True, uom="t")
    found = judge(one, 394.2, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [394.2, 394.2]
    assert found.start.tolist() == [START, START + 31 * DAY]
    assert found.over.tolist() == [True, True]


def test_a_month_of_which_half_is_in_force() -> None:
    short = hours(START, [500.0] * (15 * 24) + [100.0] * (16 * 24))
    in_force = np.repeat([False, True], [15 * 24, 16 * 24])[:, None]
    found = judge(rule(average="1month"), 200.0, short, ZONE, ALWAYS, in_force)
    assert (found.value[0, 0], found.expected[0, 0]) == (100.0, 16 * 24)


def test_parts_judged_apart_are_as_the_whole() -> None:
    """A year in two halves: months, days and hours know nothing of each other."""
    chance = np.random.default_rng(5)
    means = np.where(chance.random((24 * 90, 3)) < 0.2, np.nan, chance.normal(190, 60, (2160, 3)))
    whole, split = hours(START, means), 24 * 59  # the end of February
    halves = [hours(START, means[:split]), hours(START + split * HOUR, means[split:])]
    for settings in ({"average": "1month"}, {"invalid_parts_a_day": 6}, {"average": "8h"}):
        one = rule(**settings)
        parts = [judge(one, 200.0, half, ZONE, ALWAYS) for half in halves]
        found = judge(one, 200.0, whole, ZONE, ALWAYS)
        for name in ("value", "state", "valid", "expected", "start", "label"):
            there = np.concatenate([getattr(part, name) for part in parts])
            assert np.array_equal(getattr(found, name), there, equal_nan=True)
