"""Conditions as laws write them, through the judge: published vectors, budgets of exceedances."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from alerts.core.statistics import either, judge
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests.core.compliance import ZONE, hours, rule, states

START = int(datetime.fromisoformat("2025-01-01T00:00+05:00").timestamp()) * SECOND
YEAR = START + 365 * DAY
ALWAYS = 2**62
NINETY_FIVE = {"statistic": "share", "average": "1h", "per": "1year", "share": "0.95"}


def year(exceeding: int, *, parts: int = 8760, above: float = 500.0) -> Any:
    """A year of averages, the first so many above 200 % of 200."""
    means = np.full(parts, 100.0)
    means[:exceeding] = above
    return hours(START, means, length=365 * DAY // parts)


@pytest.mark.parametrize(
    ("parts", "short_term", "share", "exceeding"),
    [(8760, "1h", "0.95", 438), (17520, "30min", "0.97", 525)],
)
def test_shares_of_a_year(parts: int, short_term: str, share: str, exceeding: int) -> None:
    """Vectors V4 (IED annex V part 4) and W1 (annex VI part 8, 1.1 (b))."""
    one = rule(
        statistic="share", average=short_term, short_term=short_term, per="1year", share=share,
        factor="2",
    )  # fmt: skip
    for number, expected in ((exceeding, "compliant"), (exceeding + 1, "exceeded")):
        found = judge(one, 200.0, year(number, parts=parts), ZONE, YEAR)
        assert states(found) == [expected]
        assert found.over.tolist() == [True]
        figures = (found.exceeding, found.allowed, found.left, found.valid, found.expected)
        assert [int(one[0, 0]) for one in figures] == [
            number, exceeding, exceeding - number, parts, parts,
        ]  # fmt: skip


@pytest.mark.parametrize("settings", [{"uncertainty": "limit"}, {"uncertainty": "guess"}])
def test_an_uncertainty_needs_its_figure(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an uncertainty and its figure"):
        judge(rule(**settings), 200.0, hours(START, [1.0]), ZONE, ALWAYS)


def test_a_year_in_progress_shows_what_is_left() -> None:
    """One January hour above is no broken year: the hours to come are counted in."""
    one, short = rule(**NINETY_FIVE, factor="2"), year(439)
    for until, expected in ((1, "compliant"), (438, "compliant"), (439, "exceeded")):
        found = judge(one, 200.0, short, ZONE, START + until * HOUR)
        assert states(found) == [expected]
        assert found.over.tolist() == [False]
        assert (found.allowed[0, 0], found.left[0, 0]) == (438, 438 - until)
        assert found.value[0, 0] == 0.0


def test_a_year_that_was_mostly_missing_is_not_assessable() -> None:
    short = year(0)
    short.mean[3000:] = np.nan
    found = judge(rule(**NINETY_FIVE), 200.0, short, ZONE, YEAR)
    assert states(found) == ["not_assessable"]


def test_ten_minute_values_of_any_24_hours() -> None:
    """IED annex VI part 8, 1.1 (d): 95 % of 144 values, so that 7 may exceed."""
    means = np.full(288, 100.0)
    means[100:108] = 151.0
    one = rule(
        statistic="share", average="10min", short_term="10min", per="1d", rolling_per=True,
        share="0.95",
    )  # fmt: skip
    found = judge(one, 150.0, hours(START, means, length=10 * MINUTE), ZONE, ALWAYS)
    assert found.finish[0] == START + DAY
    assert found.allowed[0, 0] == 7
    over = [finish for finish, state in zip(found.finish, states(found), strict=True)
            if state == "exceeded"]  # fmt: skip
    # The eighth ends at 108; the first leaves the window when the window begins after it.
    assert (over[0], over[-1]) == (START + DAY, START + (100 + 144) * 10 * MINUTE)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (500.0, 100.0, "compliant"),
        (500.0, 500.0, "exceeded"),
        (np.nan, 100.0, "compliant"),
        (np.nan, 500.0, "not_assessable"),
        (500.0, np.nan, "not_assessable"),
    ],
)
def test_one_alternative_is_enough(first: float, second: float, expected: str) -> None:
    one = [
        judge(rule(), 200.0, hours(START, np.full(24, value)), ZONE, ALWAYS)
        for value in (first, second)
    ]
    best = either(one)
    assert states(best) == [expected]
    decided = one[0] if states(one[0]) == [expected] else one[1]
    assert np.array_equal(best.value, decided.value, equal_nan=True)


def test_alternatives_meet_where_periods_end_together() -> None:
    """95 % of ten-minute values in any 24 h, or all half-hours of that period."""
    any_day = {"statistic": "share", "per": "1d", "rolling_per": True}
    tens = np.full(2 * 144, 100.0)
    tens[:20] = 160.0
    values = judge(
        rule(average="10min", short_term="10min", share="0.95", **any_day),
        150.0, hours(START, tens, length=10 * MINUTE), ZONE, ALWAYS,
    )  # fmt: skip
    halves = judge(
        rule(average="30min", short_term="30min", share="1", **any_day),
        100.0, hours(START, np.full(96, 99.0), length=30 * MINUTE), ZONE, ALWAYS,
    )  # fmt: skip
    best = either([values, halves])
    assert best.finish.tolist() == halves.finish.tolist()
    assert set(states(best)) == {"compliant"}
    assert states(values)[0] == "exceeded"


def test_either_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        either([])


def test_runs_survive_the_change_of_the_year() -> None:
    means = np.full(96, 100.0)
    means[46:51] = 300.0
    short = hours(START - 2 * DAY, means)
    one = rule(statistic="count", average="1h", per="1year", at_most_in_a_row=4)
    found = judge(one, 200.0, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [2, 5]
    assert states(found) == ["compliant", "exceeded"]
    assert found.left[:, 0].tolist() == [2, -1]
    both = rule(statistic="count", average="1h", per="1year", at_most=60, at_most_in_a_row=4)
    found = judge(both, 200.0, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [2, 3]
    assert states(found) == ["compliant", "exceeded"]


def test_too_many_are_too_many_whatever_is_missing() -> None:
    means = np.full(48, np.nan)
    means[:3] = 300.0
    one = rule(statistic="count", average="1h", per="1month", at_most=2)
    assert states(judge(one, 200.0, hours(START, means), ZONE, ALWAYS)) == ["exceeded"]
    few = rule(statistic="count", average="1h", per="1month", at_most=3)
    assert states(judge(few, 200.0, hours(START, means), ZONE, ALWAYS)) == ["not_assessable"]


def test_labels() -> None:
    short = hours(START, np.full(24, 1.0))
    assert judge(rule(), 200.0, short, ZONE, ALWAYS).label.tolist() == [START]
    assert judge(rule(label="end"), 200.0, short, ZONE, ALWAYS).label.tolist() == [START + DAY]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"statistic": "median"}, "mean, share, count, total"),
        ({"statistic": "share", "per": "1year"}, "a share"),
        ({"statistic": "count", "per": "1year"}, "at_most"),
        ({"statistic": "count", "at_most": 1}, "a period"),
        ({"statistic": "count", "per": "1year", "at_most": 1, "of": "days"}, "invalid_days"),
        ({"average": "fortnight"}, "duration"),
    ],
)
def test_rules_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge(rule(**settings), 200.0, hours(START, [1.0]), ZONE, ALWAYS)


def test_limits_of_another_shape() -> None:
    with pytest.raises(ValueError, match="one limit"):
        judge(rule(), np.ones(3), hours(START, np.ones((24, 2))), ZONE, ALWAYS)
    with pytest.raises(ValueError, match="starts and finishes"):
        replace(hours(START, np.ones(24)), start=np.arange(23))
    with pytest.raises(ValueError, match="starts and finishes"):
        replace(hours(START, np.ones(24)), finish=np.arange(23))
    with pytest.raises(ValueError, match="do not overlap"):
        replace(hours(START, np.ones(24)), start=np.full(24, START))
    with pytest.raises(ValueError, match="expected count of shape"):
        hours(START, np.ones((24, 2)), count=np.ones((24, 3), np.int32))
