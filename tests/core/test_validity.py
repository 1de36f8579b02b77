"""What counts: short-term averages, days and months, by the numbers that rule sets name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from alerts.core.statistics import judge
from alerts.core.validity import averages
from alerts.core.vocabulary import HOUR, MINUTE, SECOND
from tests.core.compliance import ZONE, hours, rule, states

START = int(datetime.fromisoformat("2026-01-01T00:00+05:00").timestamp()) * SECOND


def valid(settings: dict[str, Any], **given: Any) -> list[bool]:
    """Which hours of a channel count, with as many slots as ``given`` says."""
    arrays: dict[str, Any] = {name: np.array(part)[:, None] for name, part in given.items()}
    short = hours(START, np.full(len(given["count"]), 100.0), **arrays)
    return list(averages(rule(**settings), short)[0][:, 0].tolist())


@pytest.mark.parametrize(
    ("coverage", "slots", "enough", "too_few"),
    [("2/3", 30, 20, 19), ("3/4", 60, 45, 44), ("4/5", 60, 48, 47)],
)
def test_coverage_of_published_rules(coverage: str, slots: int, enough: int, too_few: int) -> None:
    """Vector Q2: EN 17255-1 practice; HJ 212-2017, eq. 24; (EU) 2018/2066, Art. 44."""
    found = valid({"coverage": coverage}, count=[enough, too_few], expected=[slots] * 2)
    assert found == [True, False]


def test_idle_time_is_neither_valid_nor_missing() -> None:
    """20 of 30 operating minutes are two thirds, as 40 of 60 are; none of none is neither."""
    settings = {"average": "1h"}
    given = {"count": [20, 19, 40, 0], "expected": [60] * 4, "idle": [30, 30, 0, 60]}
    assert valid(settings, **given) == [True, False, True, False]
    arrays: dict[str, Any] = {name: np.array(part)[:, None] for name, part in given.items()}
    found = judge(
        rule(**settings), 200.0, hours(START, np.full(4, 100.0), **arrays), ZONE, START + 9 * HOUR
    )
    assert states(found) == ["compliant", "not_assessable", "compliant", "not_assessable"]
    assert found.expected[:, 0].tolist() == [1, 1, 1, 0]


def test_statuses_that_a_rule_leaves_out() -> None:
    given = {"count": [20], "expected": [60], "idle": [30], "stopped": [0]}
    assert valid({}, **given) == [True]
    assert valid({"leaves_out": ("stopped",)}, **given) == [False]
    assert valid({"leaves_out": ("stopped",)}, **{**given, "stopped": [30]}) == [True]
    assert valid({"leaves_out": ("start_up",)}, **{**given, "stopped": [30]}) == [False]


@pytest.mark.parametrize(
    ("quarters", "idle", "answer"),
    [(4, 0, True), (3, 0, False), (3, 15, True), (3, 14, False), (1, 45, True), (1, 44, False)],
)
def test_a_value_in_each_quadrant_of_operation(quarters: int, idle: int, answer: bool) -> None:  # noqa: FBT001
    """40 CFR 60.13(h)(2)."""
    settings = {"coverage": "0", "quadrants": True}
    given = {"count": [4], "expected": [60], "idle": [idle], "quarters": [quarters]}
    assert valid(settings, **given) == [answer]


def day(invalid: int, off: int = 0, parts: int = 24) -> Any:
    """A day of ``parts`` averages of which so many are invalid, and so many outside operation."""
    length = 24 * HOUR // parts
    count, idle = np.full((parts, 1), 60, np.int32), np.zeros((parts, 1), np.int32)
    count[:invalid], idle[parts - off :] = 39, 60
    return hours(START, np.full(parts, 100.0), length=length, count=count, idle=idle)


@pytest.mark.parametrize(
    ("least", "parts", "short_term"),
    [(3, 24, "1h"), (5, 48, "30min"), (6, 48, "30min")],
)
@pytest.mark.parametrize("off", [0, 4])
def test_days_with_too_many_invalid_parts(
    least: int, parts: int, short_term: str, off: int
) -> None:
    """Vector Q0: IED annex V part 3 and annex VI part 8, 1.2; 44. BImSchV, § 30."""
    one = rule(short_term=short_term, invalid_parts_a_day=least)
    for invalid, expected in ((least, "compliant"), (least + 1, "not_assessable")):
        found = judge(one, 200.0, day(invalid, off, parts), ZONE, START + 24 * HOUR)
        assert states(found) == [expected]
        assert found.valid[0, 0] == parts - invalid - off
        assert found.expected[0, 0] == parts - off


@pytest.mark.parametrize(
    ("invalid", "off", "expected"),
    [
        (4, 0, "compliant"),
        (5, 0, "not_assessable"),
        (2, 12, "compliant"),  # 10 of 12, as 20 of 24
        (3, 12, "not_assessable"),
    ],
)
def test_days_with_too_few_valid_parts(invalid: int, off: int, expected: str) -> None:
    """HJ 212-2017, appendix D: 20 of the day's hours."""
    one = rule(valid_parts_a_day=20)
    assert states(judge(one, 200.0, day(invalid, off), ZONE, START + 24 * HOUR)) == [expected]


def test_a_day_without_a_rule_needs_coverage_of_its_parts() -> None:
    for invalid, expected in ((8, "compliant"), (9, "not_assessable")):
        found = judge(rule(), 200.0, day(invalid), ZONE, START + 24 * HOUR)
        assert states(found) == [expected]


def days(first: str, good: list[bool]) -> Any:
    """Hours of days of which some have no value at all."""
    start = int(datetime.fromisoformat(first).timestamp()) * SECOND
    return hours(start, np.where(np.repeat(good, 24), 100.0, np.nan))


@pytest.mark.parametrize(
    ("first", "length", "least"),
    [("2026-01-01T00:00+05:00", 31, 25), ("2024-02-01T00:00+05:00", 29, 23)],
)
def test_months_with_too_few_valid_days(first: str, length: int, least: int) -> None:
    """HJ 212-2017, appendix D: 25 days, in February 23."""
    one = rule(
        average="1month", valid_parts_a_day=20, valid_days_a_month=25, valid_days_in_february=23
    )
    for good, expected in ((least, "compliant"), (least - 1, "not_assessable")):
        short = days(first, [number < good for number in range(length)])
        found = judge(one, 200.0, short, ZONE, int(short.finish[-1]))
        assert states(found) == [expected]


def test_invalid_days_are_discarded_and_counted() -> None:
    """A day with four invalid hours gives its other twenty to no month, and counts."""
    means = np.full(31 * 24, 100.0)
    means[24:28] = np.nan
    means[28:48] = 900.0
    short, until = hours(START, means), START + 31 * 24 * HOUR
    settings: dict[str, Any] = {"invalid_parts_a_day": 3}
    month = judge(rule(average="1month", **settings), 200.0, short, ZONE, until)
    assert month.value[0, 0] == 100.0
    assert (month.valid[0, 0], month.expected[0, 0]) == (30 * 24, 31 * 24)
    share = {"statistic": "share", "average": "1h", "per": "1year", "share": "0.95"}
    year = judge(rule(**share, **settings), 200.0, short, ZONE, until)
    assert (year.exceeding[0, 0], year.valid[0, 0]) == (0, 30 * 24)
    count = {"statistic": "count", "of": "invalid_days", "per": "1year", "at_most": 10}
    counted = judge(rule(**count, **settings), 200.0, short, ZONE, until)
    assert (counted.value[0, 0], counted.allowed[0, 0], counted.left[0, 0]) == (1, 10, 9)


@pytest.mark.parametrize(("invalid", "expected"), [(10, "compliant"), (11, "exceeded")])
def test_ten_invalid_days_a_year(invalid: int, expected: str) -> None:
    """IED annex V part 3, annex VI part 8, 1.2."""
    short = days("2026-01-01T00:00+05:00", [number >= invalid for number in range(365)])
    one = rule(statistic="count", of="invalid_days", per="1year", at_most=10, invalid_parts_a_day=3)
    assert states(judge(one, 200.0, short, ZONE, int(short.finish[-1]))) == [expected]


def test_a_day_of_one_hour_of_operation_may_be_invalid() -> None:
    idle = np.full((24, 1), 60, np.int32)
    idle[5] = 0
    short = hours(START, np.full(24, np.nan), idle=idle)
    one = rule(statistic="count", of="invalid_days", per="1year", at_most=0)
    found = judge(one, 200.0, short, ZONE, START + 24 * HOUR)
    assert (found.exceeding[0, 0], found.expected[0, 0]) == (1, 1)


def test_a_day_in_progress_is_not_invalid_yet() -> None:
    """Twelve of twenty valid hours by noon; one invalid hour too many can not be mended."""
    noon = START + 12 * HOUR
    one = rule(statistic="count", of="invalid_days", per="1year", at_most=0, valid_parts_a_day=20)
    found = judge(one, 200.0, day(0), ZONE, noon)
    assert (found.exceeding[0, 0], found.over[0]) == (0, False)
    strict = rule(statistic="count", of="invalid_days", per="1year", at_most=0,
                  invalid_parts_a_day=3)  # fmt: skip
    assert states(judge(strict, 200.0, day(3), ZONE, noon)) == ["not_assessable"]
    assert states(judge(strict, 200.0, day(4), ZONE, noon)) == ["exceeded"]


def test_a_minute_into_an_hour_nothing_is_judged() -> None:
    found = judge(rule(average="1h"), 200.0, day(0), ZONE, START + MINUTE)
    assert len(found.start) == 0
