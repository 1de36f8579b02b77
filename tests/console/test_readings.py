"""GET /api/v1/readings: time value status flags revision received_at."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from console.models import Reading
from tests.console.world import MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]


async def test_a_reading_shows_time_value_status_flags_revision_and_receipt(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(
        made["so2"], [(at("03:20"), 384.2)], received_at=at("03:20:02"), status=1, flags=1 + 16
    )
    assert await server.items("readings") == [
        {
            "enterprise": "gres1",
            "source": "stack-1",
            "channel": "so2",
            "time": "2026-11-22T03:20:00Z",
            "value": 384.2,
            "status": "calibration",
            "flags": ["range", "late"],
            "revision": 0,
            "received_at": "2026-11-22T03:20:02Z",
        }
    ]


async def test_a_null_value_stays_null_and_microseconds_are_kept(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(made["so2"], [(at("03:20:00.000250"), None)], status=3)
    (item,) = await server.items("readings")
    assert (item["value"], item["status"]) == (None, "malfunction")
    assert item["time"] == "2026-11-22T03:20:00.00025Z"
    Reading.model_validate(item)


async def test_the_current_revision_is_shown_all_of_them_when_asked(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(made["so2"], [(at("03:20"), 1.0), (at("03:21"), 5.0)])
    await world.revision(made["so2"], at("03:20"), 2.0, at("04:00"), 1)
    await world.revision(made["so2"], at("03:20"), 3.0, at("05:00"), 2)
    current = await server.items("readings")
    assert [(item["value"], item["revision"]) for item in current] == [(3.0, 2), (5.0, 0)]
    every = await server.items("readings", revisions="all")
    assert [(item["value"], item["revision"]) for item in every] == [
        (1.0, 0),
        (2.0, 1),
        (3.0, 2),
        (5.0, 0),
    ]


async def test_as_known_at_shows_what_had_been_received_by_then(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(made["so2"], [(at("03:20"), 1.0)])
    await world.revision(made["so2"], at("03:20"), 2.0, at("04:00"), 1)
    await world.revision(made["so2"], at("03:20"), 3.0, at("05:00"), 2)
    for known_at, known in (
        ("03:00", []),
        ("03:30", [1.0]),
        ("04:00", [1.0, 2.0]),
        ("04:30", [1.0, 2.0]),
        ("06:00", [1.0, 2.0, 3.0]),
    ):
        moment = at(known_at).isoformat()
        items = await server.items("readings", as_known_at=moment)
        assert [item["value"] for item in items] == known[-1:], known_at
        every = await server.items("readings", as_known_at=moment, revisions="all")
        assert [item["value"] for item in every] == known, known_at


async def test_a_retry_is_known_from_the_retry_on_though_it_was_received_before(
    server: Server, world: World, made: Made
) -> None:
    """A retry keeps the time of its first receipt; what it stored was not known then."""
    await world.readings(made["so2"], [(at("03:20"), 1.0)], received_at=at("03:20:01"))
    await world.readings(made["so2"], [(at("05:00"), 2.0)], received_at=at("05:00:01"))
    await world.readings(made["nox"], [(at("03:20"), 9.0)], received_at=at("03:20:01"))
    before = await server.items("readings", as_known_at="2026-11-22T04:00:00Z")
    assert [item["value"] for item in before] == [1.0]
    after = await server.items("readings", as_known_at="2026-11-22T06:00:00Z")
    assert [item["value"] for item in after] == [1.0, 9.0, 2.0]


async def test_received_at_is_null_once_the_batch_is_gone(
    server: Server, world: World, made: Made
) -> None:
    batch = await world.readings(made["so2"], [(at("03:20"), 1.0)])
    await world.db.execute("delete from batches where id = $1", batch)
    (item,) = await server.items("readings")
    assert item["received_at"] is None


async def test_readings_that_lie_months_apart_are_found(
    server: Server, world: World, made: Made
) -> None:
    days = ("2026-01-05", "2026-01-06", "2026-03-01", "2026-11-21", "2026-11-22")
    await world.readings(made["so2"], [(at(f"{day}T03:20:00Z"), 1.0) for day in days])
    for limit in [1, 2, 3]:
        joined = await server.joined("readings", limit, as_known_at="9999-12-31T23:59:59Z")
        assert [item["time"][:10] for item in joined] == list(days)


async def test_start_is_included_and_end_is_not(server: Server, world: World, made: Made) -> None:
    await world.readings(made["so2"], [(at("03:00") + n * MINUTE, n) for n in range(5)])
    items = await server.items(
        "readings", start="2026-11-22T08:01:00+05:00", end="2026-11-22T03:03:00Z"
    )
    assert [item["value"] for item in items] == [1, 2]


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["so2", "nox", "o2", "so2"]),
    ({"enterprise": "gres1"}, ["so2", "nox", "o2"]),
    ({"source": "stack-1"}, ["so2", "nox", "o2"]),
    ({"source": "gres1/stack-1"}, ["so2", "nox", "o2"]),
    ({"channel": "so2"}, ["so2", "so2"]),
    ({"channel": "gres1/stack-1/so2"}, ["so2"]),
    ({"unit": "ams-1"}, ["so2", "nox", "o2"]),
    ({"unit": "gres1/ams-1", "channel": "o2"}, ["o2"]),
    ({"enterprise": "other", "channel": "gres1/stack-1/so2"}, []),
    ({"enterprise": "nowhere"}, []),
    ({"unit": "other/ams-1"}, []),
]


async def test_filters_take_ids_and_full_paths(server: Server, world: World, made: Made) -> None:
    elsewhere = await world.channel("other/chimney/so2")
    for number in (made["so2"], made["nox"], made["o2"], elsewhere):
        await world.readings(number, [(at("03:20"), 1.0)])
    for query, channels in FILTERS:
        items = await server.items("readings", **query)
        assert [item["channel"] for item in items] == channels, query


@pytest.mark.parametrize("revisions", ["current", "all"])
async def test_pages_join_without_a_gap_or_a_repeat_whatever_ties(
    server: Server, world: World, made: Made, revisions: str
) -> None:
    """Channels share every instant, and some readings have revisions."""
    times = [at("03:00") + n * timedelta(microseconds=1) for n in range(4)]
    for number in (made["so2"], made["nox"], made["o2"]):
        await world.readings(number, [(time, float(number)) for time in times])
    for n, time in enumerate(times[1:3], start=1):
        await world.revision(made["nox"], time, 0.5, at("09:00"), 1)
        await world.revision(made["nox"], time, 0.7 + n, at("09:01"), 2)
    whole = await server.items("readings", revisions=revisions)
    assert len(whole) == (12 if revisions == "current" else 16)
    for limit in [1, 2, 3, 7]:
        assert await server.joined("readings", limit, revisions=revisions) == whole
