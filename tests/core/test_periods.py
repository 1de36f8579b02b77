"""Periods of rule sets: durations, calendar edges, leap days and zones that change their offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.periods import Duration, duration, edges, february, rolling_step
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests.oracles import instant

ALMATY = "Asia/Almaty"


def at(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("10min", 10 * MINUTE, "exact"),
        ("60s", MINUTE, "exact"),
        ("4h", 4 * HOUR, "exact"),
        ("1440min", 1, "d"),
        ("24h", 1, "d"),
        ("7d", 7, "d"),
        ("1week", 1, "week"),
        ("1month", 1, "month"),
        ("12months", 12, "month"),
        ("1quarter", 1, "quarter"),
        ("1year", 1, "year"),
        ("30operating_days", 30, "operating_day"),
    ],
)
def test_durations(text: str, number: int, unit: str) -> None:
    assert duration(text) == Duration(number, unit)


@pytest.mark.parametrize("text", ["", "0h", "1", "h", "1.5h", "25h", "1fortnight", "-1d", "1 d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        duration(text)


@pytest.mark.parametrize("text", ["2d", "2month", "30operating_days", "1operating_day"])
def test_what_has_no_blocks(text: str) -> None:
    with pytest.raises(ValueError, match="one calendar period"):
        edges(duration(text), ALMATY, 0, DAY)


def test_a_month_is_no_exact_time() -> None:
    with pytest.raises(ValueError, match="at most a day"):
        _ = duration("1month").exact


@pytest.mark.parametrize(
    ("text", "start", "finish"),
    [
        # Almaty went from UTC+6 to UTC+5 at the end of 29 February 2024.
        ("1d", "2024-02-28T18:00Z", "2024-02-29T19:00Z"),
        ("1week", "2024-02-25T18:00Z", "2024-03-03T19:00Z"),
        ("1month", "2024-01-31T18:00Z", "2024-02-29T19:00Z"),
        ("1quarter", "2023-12-31T18:00Z", "2024-03-31T19:00Z"),
        ("1year", "2023-12-31T18:00Z", "2024-12-31T19:00Z"),
        ("1h", "2024-02-29T12:00Z", "2024-02-29T13:00Z"),
        ("12h", "2024-02-29T06:00Z", "2024-02-29T19:00Z"),  # 13 hours, by the clock's change
    ],
)
def test_a_leap_day_with_a_change_of_clocks(text: str, start: str, finish: str) -> None:
    noon = at("2024-02-29T12:30Z")
    starts, finishes = edges(duration(text), ALMATY, noon, noon + 1)
    assert (starts.tolist(), finishes.tolist()) == ([at(start)], [at(finish)])


def test_blocks_of_four_hours_from_midnight_of_the_zone() -> None:
    starts, _ = edges(duration("4h"), "-07:00", at("2017-06-01T07:00Z"), at("2017-06-02T07:00Z"))
    assert [int(one - starts[0]) // HOUR for one in starts] == [0, 4, 8, 12, 16, 20]
    assert starts[0] == at("2017-06-01T07:00Z")


def test_a_month_whose_first_day_a_zone_left_out() -> None:
    """Kiritimati went over the date line: 1994 had no 31 December."""
    starts, finishes = edges(
        duration("1year"), "Pacific/Kiritimati", at("1994-06-01T00:00Z"), at("1995-06-01T00:00Z")
    )
    assert finishes[0] == starts[1] == at("1994-12-31T10:00Z")


def test_no_time_has_no_periods() -> None:
    for text in ("1h", "1d", "1month"):
        assert edges(duration(text), ALMATY, DAY, DAY)[0].tolist() == []


def test_february() -> None:
    starts, _ = edges(duration("1month"), ALMATY, at("2023-01-15T00:00Z"), at("2024-03-15T00:00Z"))
    assert np.flatnonzero(february(ALMATY, starts)).tolist() == [1, 13]


@pytest.mark.parametrize(
    ("text", "step"),
    [("8h", None), ("1d", None), ("3d", "1d"), ("1week", "1d"), ("30operating_days", "1d"),
     ("12month", "1month"), ("1year", "1month"), ("1quarter", "1month")],
)  # fmt: skip
def test_what_rolling_periods_are_made_of(text: str, step: str | None) -> None:
    assert rolling_step(duration(text)) == (duration(step) if step else None)


@given(
    st.sampled_from(["1week", "1month", "1quarter", "1year"]),
    st.sampled_from([ALMATY, "+05:00", "Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo"]),
    st.integers(at("1990-01-01T00:00Z") // HOUR, at("2040-01-01T00:00Z") // HOUR),
    st.integers(1, 24 * 800),
)
@settings(max_examples=50, deadline=None)
def test_calendar_periods_follow_each_other(text: str, zone: str, hour: int, hours: int) -> None:
    start, end = hour * HOUR, (hour + hours) * HOUR
    starts, finishes = edges(duration(text), zone, start, end)
    assert starts[0] <= start < finishes[0]
    assert starts[-1] < end <= finishes[-1]
    assert starts[1:].tolist() == finishes[:-1].tolist()
    first = {"1week": _monday, "1month": _month, "1quarter": _quarter, "1year": _year}[text]
    middle = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(starts[0]) + 36 * HOUR)
    assert starts[0] == instant(first(middle.date()), zone)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month(day: date) -> date:
    return day.replace(day=1)


def _quarter(day: date) -> date:
    return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)


def _year(day: date) -> date:
    return day.replace(day=1, month=1)
