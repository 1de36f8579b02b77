"""Failures over New Year, twelve months that roll, weeks since a calibration, start-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from alerts.core.statistics import judge
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests.core.compliance import ZONE, hours, rule, states

ALWAYS = 2**62
FAILURE = {"statistic": "count", "of": "abatement_failure", "average": "1h", "per": "1year"}
WEEKS = {
    "statistic": "count", "of": "calibration_weeks", "average": "1h", "per": "1week", "at_most": 5,
    "calibration_range": 450.0, "calibrated_from": "2026-01-01",
}  # fmt: skip


def at(text: str) -> int:
    return int(datetime.fromisoformat(text + "+05:00").timestamp()) * SECOND


def test_an_event_lasts_over_new_year_and_gaps_and_ends_with_a_standstill() -> None:
    means = np.full(4 * 24, 100.0)
    means[46:50] = 300.0  # two hours of the old year, two of the new one
    means[50] = np.nan  # not known: the event goes on
    means[51] = 300.0
    stopped = np.zeros((96, 1), np.int32)
    short = hours(at("2025-12-30T00:00"), means, idle=stopped, stopped=stopped)
    found = judge(rule(**FAILURE, at_most_in_a_row=4), 200.0, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [2.0, 5.0]
    assert found.raw[:, 0].tolist() == [2.0, 0.0]
    assert states(found) == ["compliant", "exceeded"]
    assert found.left[:, 0].tolist() == [2, -1]
    stopped[50] = 60
    short = hours(at("2025-12-30T00:00"), means, idle=stopped, stopped=stopped)
    found = judge(rule(**FAILURE, at_most_in_a_row=4), 200.0, short, ZONE, ALWAYS)
    assert found.value[:, 0].tolist() == [2.0, 4.0]
    assert states(found) == ["compliant", "compliant"]


def test_half_hours_are_half_an_hour_each() -> None:
    means = np.full(48, 100.0)
    means[-9:] = 300.0
    one = rule(**{**FAILURE, "average": "30min"}, short_term="30min", at_most=5, at_most_in_a_row=4)
    found = judge(
        one, 200.0, hours(at("2026-01-01T00:00"), means, length=30 * MINUTE), ZONE, ALWAYS
    )
    assert (found.value[0, 0], found.raw[0, 0]) == (4.5, 4.5)
    assert (found.exceeding[0, 0], found.allowed[0, 0], found.left[0, 0]) == (9, 10, 1)
    assert states(found) == ["exceeded"]  # 4.5 h on end


def test_twelve_months_roll_from_day_to_day() -> None:
    means = np.full(400 * 24, 100.0)
    means[:10] = 300.0  # on 1 January 2025
    one = rule(**FAILURE, rolling_per=True, at_most=9)
    found = judge(one, 200.0, hours(at("2025-01-01T00:00"), means), ZONE, ALWAYS)
    assert len(found.start) == 400
    assert set(found.value[:365, 0]) == {10.0}
    assert found.finish[364] == at("2026-01-01T00:00")
    assert set(found.value[365:, 0]) == {0.0}  # the year that ends on 2 January begins on the 2nd
    assert states(found)[364:366] == ["exceeded", "compliant"]


def weeks(outside: list[int]) -> Any:
    """Weeks of hours, so many of each above 495, from Monday 29 December 2025 on."""
    means = np.full(len(outside) * 168, 495.0)
    for week, number in enumerate(outside):
        means[week * 168 : week * 168 + number] = 495.1
    return hours(at("2025-12-29T00:00"), means)


def test_six_weeks_since_the_calibration_are_one_too_many() -> None:
    """5 % of 168 h are 8.4. The week in which the calibration fell does not count."""
    found = judge(rule(**WEEKS), 200.0, weeks([9, 9, 8, 9, 9, 9, 9, 9]), ZONE, ALWAYS)
    assert found.expected[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found.exceeding[1:, 0].tolist() == [1, 1, 2, 3, 4, 5, 6]
    assert found.left[1:, 0].tolist() == [4, 4, 3, 2, 1, 0, -1]
    assert states(found)[1:] == ["compliant"] * 6 + ["exceeded"]


def test_the_week_in_progress_counts_when_it_is_over() -> None:
    short = weeks([0, 9, 9])
    found = judge(rule(**WEEKS), 200.0, short, ZONE, at("2026-01-12T00:00") + 5 * DAY)
    assert found.exceeding[:, 0].tolist() == [0, 1, 1]
    assert found.over.tolist() == [True, True, False]


def test_more_than_a_year_back_nothing_counts() -> None:
    short = weeks([0, 9, *[0] * 52, 0])
    found = judge(rule(**WEEKS), 200.0, short, ZONE, ALWAYS)
    assert found.exceeding[:, 0].tolist() == [0, *[1] * 53, 0]


def test_starts_are_counted_apart_and_never_judged() -> None:
    means = np.array([500.0, 500.0, 500.0, 300.0, 500.0])
    idle = np.array([60, 60, 50, 60, 60], np.int32)[:, None]
    count = np.array([60, 39, 50, 60, 60], np.int32)[:, None]
    stopped = np.array([0, 0, 0, 0, 60], np.int32)[:, None]
    short = hours(at("2026-01-01T00:00"), means, idle=idle, count=count, stopped=stopped)
    one = rule(statistic="count", of="special_class", average="1h", per="1year", factor="2")
    found = judge(one, 200.0, short, ZONE, ALWAYS)
    # The second lacks values, the third is partly normal operation, the last one a standstill.
    assert (found.value[0, 0], found.valid[0, 0], found.expected[0, 0]) == (1.0, 2, 3)
    assert found.allowed[0, 0] == -1
    assert states(found) == ["not_assessable"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"of": "abatement_failure", "per": "1year"}, "at_most"),
        ({"of": "abatement_failure", "at_most": 1}, "a period"),
        ({"of": "abatement_failure", "at_most": 1, "per": "7d", "rolling_per": True}, "months"),
        ({"of": "calibration_weeks", "per": "1week", "at_most": 5}, "its day"),
        ({"of": "special_class"}, "a period"),
        ({"of": "failure_above", "per": "1year"}, "a bound"),
        ({"of": "failure_up_to", "bound": 100.0}, "a period"),
    ],
)
def test_events_that_lack_something(settings: dict[str, Any], message: str) -> None:
    one = rule(statistic="count", average="1h", **settings)
    with pytest.raises(ValueError, match=message):
        judge(one, 200.0, hours(at("2026-01-01T00:00"), np.full(3, 1.0)), ZONE, ALWAYS)


def test_no_hours_no_events() -> None:
    short = hours(at("2026-01-01T00:00"), np.full(2, 1.0))
    for one in (
        rule(**FAILURE, at_most=1),
        rule(**WEEKS),
        rule(**FAILURE, at_most=1, rolling_per=True),
    ):
        assert len(judge(one, 200.0, short, ZONE, at("2026-01-01T00:00") + HOUR // 2).start) == 0
