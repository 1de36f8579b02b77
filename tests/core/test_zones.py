"""Where days begin, and the blocks between: against days counted one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.core.zones import block_edges, expected_slots, grid, in_block, midnights, zone_info
from tests import oracles

ZONES = [
    "+05:00",
    "-03:30",
    "+05:45",
    "Asia/Kolkata",
    "UTC",
    "Asia/Almaty",
    "Europe/Berlin",
    "America/New_York",
]
FROM, TO = 1_672_531_200 * SECOND, 1_798_761_600 * SECOND  # 2023 to 2026


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ZONES),
    st.integers(FROM, TO),
    st.integers(1, 5 * DAY),
    st.sampled_from([20 * MINUTE, HOUR, 90 * MINUTE, 7 * HOUR, 8 * HOUR, DAY]),
)
def test_blocks_are_those_counted_one_by_one(zone: str, start: int, span: int, window: int) -> None:
    end = start + span
    counted = oracles.block_edges(window, zone, start)
    expected = [edge for edge in takewhile(lambda edge: edge[0] < end, counted) if edge[1] > start]
    found = block_edges(window, zone, start, end)
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected
    assert (found[0][1:] == found[1][:-1]).all(), "blocks follow each other without a gap"


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(FROM, FROM + 3 * DAY), max_size=20),
    st.sampled_from([20 * MINUTE, HOUR, 7 * HOUR, DAY]),
)
def test_each_instant_lies_in_its_block(zone: str, instants: list[int], window: int) -> None:
    times = np.array(instants, np.int64)
    start, end = in_block(times, window, zone)
    assert ((start <= times) & (times < end)).all()
    for time, one, other in zip(instants, start.tolist(), end.tolist(), strict=True):
        assert (one, other) == tuple(
            edges.item() for edges in block_edges(window, zone, time, time + 1)
        )


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.integers(FROM, TO), st.integers(0, 5 * DAY))
def test_midnights_reach_one_beyond_each_end(zone: str, start: int, span: int) -> None:
    found = midnights(zone, start, start + span)
    assert found[0] < start <= found[1]
    assert found[-2] <= start + span < found[-1]
    assert ((np.diff(found) >= 23 * HOUR) & (np.diff(found) <= 25 * HOUR)).all()


def test_a_fixed_offset_has_midnights_every_24_hours() -> None:
    noon = utc("2026-03-01T12:00")
    assert midnights("+05:00", noon, noon).tolist() == [
        utc("2026-02-28T19:00"),
        utc("2026-03-01T19:00"),
    ]


def test_almatys_29_february_2024_had_25_hours() -> None:
    starts, ends = block_edges(DAY, "Asia/Almaty", utc("2024-02-29T00:00"), utc("2024-02-29T01:00"))
    assert (starts.tolist(), ends.tolist()) == (
        [utc("2024-02-28T18:00")],
        [utc("2024-02-29T19:00")],
    )


def test_a_day_of_25_hours_has_as_many_blocks_and_a_longer_last_one() -> None:
    noon = utc("2024-02-28T18:00")
    starts, ends = block_edges(8 * HOUR, "Asia/Almaty", noon, noon + 25 * HOUR)
    assert ((ends - starts) // HOUR).tolist() == [8, 8, 9]


def test_a_day_of_23_hours_has_a_shorter_last_block() -> None:
    begin = utc("2026-03-28T23:00")  # Berlin's 29 March
    starts, ends = block_edges(DAY, "Europe/Berlin", begin, begin + 1)
    assert ((ends - starts) // HOUR).tolist() == [23]
    starts, ends = block_edges(HOUR + 30 * MINUTE, "Europe/Berlin", begin, begin + 23 * HOUR)
    assert ((ends - starts) // MINUTE).tolist() == [90] * 15 + [30]


def test_a_midnight_that_the_clock_skips_is_the_instant_of_the_skip() -> None:
    # Beirut goes from 00:00 to 01:00 on the last Sunday of March.
    skip = utc("2025-03-29T22:00")
    assert skip in midnights("Asia/Beirut", skip - HOUR, skip + HOUR)


def test_a_day_that_a_zone_leaves_out_begins_nowhere() -> None:
    # Samoa had no 30 December 2011.
    begin = utc("2011-12-29T10:00")
    starts, ends = block_edges(DAY, "Pacific/Apia", begin, begin + 2 * DAY)
    assert (np.diff(starts) == DAY).all()
    assert (starts[1:] == ends[:-1]).all()


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        ("+05:00", 20), ("UTC", 20), ("-03:20", 20), ("Asia/Almaty", 20), ("Europe/Berlin", 20),
        ("+05:30", 10), ("-09:30", 10), ("Asia/Kolkata", 10), ("America/St_Johns", 10),
        ("Australia/Lord_Howe", 10),  # half an hour of daylight saving
        ("Asia/Pyongyang", 10), ("America/Caracas", 10),  # half hours from 2015, 2007 on
        ("+05:45", 5), ("Asia/Kathmandu", 5), ("Pacific/Chatham", 5), ("+12:55", 5),
    ],
)  # fmt: skip
def test_midnights_of_a_zone_lie_on_its_grid(zone: str, minutes: int) -> None:
    assert grid(zone) == minutes * MINUTE
    assert (midnights(zone, utc("2000-01-02"), utc("2049-12-30")) % grid(zone) == 0).all()


@pytest.mark.parametrize("zone", ["+05:37", "-00:01"])
def test_what_fits_no_5_minutes_says_so(zone: str) -> None:
    with pytest.raises(ValueError, match=f"^\\{zone}: .* must be a multiple of 5 minutes$"):
        grid(zone)


def test_hours_follow_utc_whatever_the_zone() -> None:
    begin = utc("2026-03-01T00:10")
    starts, _ = block_edges(HOUR, "+05:30", begin, begin + HOUR)
    assert starts.tolist() == [utc("2026-03-01T00:00"), utc("2026-03-01T01:00")]


def test_an_empty_stretch_has_no_blocks() -> None:
    for window in (HOUR, DAY):
        assert [len(edges) for edges in block_edges(window, "+05:00", 5, 5)] == [0, 0]


def test_slots_of_a_block_count_one_that_is_cut_short() -> None:
    start, end = np.array([0, 0]), np.array([25 * HOUR, 90 * MINUTE])
    assert expected_slots(start, end, HOUR).tolist() == [25, 2]


def test_a_window_of_more_than_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="at most a day"):
        block_edges(48 * HOUR, "+05:00", 0, DAY)


@pytest.mark.parametrize("zone", ["+05:00", "-11:30", "Asia/Almaty", "UTC", "Etc/GMT+5"])
def test_zones_are_offsets_or_names(zone: str) -> None:
    assert zone_info(zone).utcoffset(datetime(2026, 1, 1)) is not None  # noqa: DTZ001 - local time


@pytest.mark.parametrize(
    "zone", ["", "+5", "5:00", "+05:60", "+25:00", "Asia", "Asia/Nowhere", "../etc/passwd", "/etc"]
)
def test_what_is_no_zone_says_what_was_expected(zone: str) -> None:
    with pytest.raises(ValueError, match="expected an offset such as"):
        zone_info(zone)


def test_the_oracles_days_follow_each_other() -> None:
    edges = list(islice(oracles.block_edges(DAY, "Asia/Almaty", utc("2024-02-27T00:00")), 6))
    assert all(one[1] == other[0] for one, other in pairwise(edges))
