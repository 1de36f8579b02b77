"""Times in messages: RFC 3339, to the letter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import instants
from ingest.instants import Instants, format_time, parse_time

SECOND = 1_000_000


def _is_whole_minutes(moment: datetime) -> bool:
    offset = moment.utcoffset()
    return offset is not None and offset.seconds % 60 == 0 and 1 < moment.year < 9999


@given(st.datetimes(timezones=st.timezones()).filter(_is_whole_minutes))
def test_times_are_what_datetime_says(moment: datetime) -> None:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds
    assert parse_time(moment.isoformat()) == expected
    assert parse_time(format_time(expected)) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-22t03:20:00z", "2026-11-22T03:20:00Z"),
        ("2026-11-22 03:20:00Z", "2026-11-22T03:20:00Z"),
        ("2026-11-22T08:20:00+05:00", "2026-11-22T03:20:00Z"),
        ("2026-11-22T03:20:00-00:00", "2026-11-22T03:20:00Z"),
        ("2026-11-22T03:20:00.1234567891234567Z", "2026-11-22T03:20:00.123456Z"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T04:59:60.25+05:00", "2017-01-01T00:00:00.25Z"),
    ],
)
def test_texts_that_mean_the_same(text: str, same: str) -> None:
    assert parse_time(text) == parse_time(same)


def test_the_year_0_is_a_leap_year_before_the_year_1() -> None:
    year_1 = parse_time("0001-01-01T00:00:00Z")
    assert year_1 - parse_time("0000-01-01T00:00:00Z") == 366 * 86_400 * SECOND
    assert year_1 - parse_time("0000-02-29T00:00:00Z") == 307 * 86_400 * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T03:20:00",
        "2026-11-22T03:20Z",
        "2026-11-22T03:20:00,5Z",
        "2026-11-22T03:20:00.Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T03:60:00Z",
        "2026-11-22T03:20:60Z",
        "2026-11-22T03:20:61Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-22T03:20:00+0500",
        "2026-11-22T03:20:00+24:00",
        "2026-11-22T03:20:00+05",
        "2026-W47-7T03:20:00Z",
        "20261122T032000Z",
        " 2026-11-22T03:20:00Z",
        "2026-11-22T03:20:00Z\n",
        "٢٠٢٦-11-22T03:20:00Z",
        "+2026-11-22T03:20:00Z",
    ],
)
def test_texts_that_are_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"60th|RFC 3339|day|month"):
        parse_time(text)


def test_times_seen_lately_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instants, "CACHE_SIZE", 3)
    cache = Instants()
    for second in range(10):
        text = f"2026-11-22T03:20:0{second}Z"
        assert cache[text] == parse_time(text)
        assert len(cache) <= 3


def test_a_time_of_a_million_digits_is_not_kept() -> None:
    cache = Instants()
    text = "2026-11-22T03:20:00Z"
    assert cache[text.replace("Z", f".{'0' * 1_000_000}Z")] == cache[text]
    assert list(cache) == [text]
