"""GET /api/v1/averages?window=&kind=: start end mean count expected coverage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from console.models import Average
from tests.console.world import MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
HOUR = 60 * MINUTE


def shown(items: list[dict[str, Any]]) -> list[tuple[str, float | None, int]]:
    """Return start (time of day), mean and count of each."""
    return [(item["start"][11:16], item["mean"], item["count"]) for item in items]


async def minutes(world: World, channel: int, first: str, values: list[float], **more: Any) -> None:
    samples = [(at(first) + n * MINUTE, value) for n, value in enumerate(values)]
    await world.readings(channel, samples, **more)


async def test_a_block_shows_start_end_mean_count_expected_coverage(
    server: Server, world: World, made: Made
) -> None:
    await world.block(made["so2"], at("03:20"), 384.2, filled=15)
    items = await server.items("averages", window="20min", end="2026-11-22T03:40:00Z")
    assert items == [
        {
            "enterprise": "gres1",
            "source": "stack-1",
            "channel": "so2",
            "basis": None,
            "start": "2026-11-22T03:20:00Z",
            "end": "2026-11-22T03:40:00Z",
            "mean": 384.2,
            "count": 15,
            "expected": 20,
            "coverage": 0.75,
            "revision": 0,
            "known_at": "2026-11-22T03:41:00Z",
        }
    ]
    Average.model_validate(items[0])


async def test_the_window_is_20min_and_the_kind_block_unless_told(
    server: Server, world: World, made: Made
) -> None:
    server.now = at("04:00")
    await world.block(made["so2"], at("03:00"), 1.0)
    await world.block(made["so2"], at("03:00"), 2.0, HOUR, filled=60)
    assert [item["mean"] for item in await server.items("averages", channel="so2")][:1] == [1.0]
    hours = await server.items("averages", channel="so2", window="60min", kind="block")
    assert [item["mean"] for item in hours] == [2.0]


async def test_a_revised_block_is_shown_as_it_is_now(
    server: Server, world: World, made: Made
) -> None:
    server.now = at("03:40")
    await world.block(made["so2"], at("03:20"), 1.0)
    await world.block(made["so2"], at("03:20"), 2.0, revision=1)
    assert shown(await server.items("averages")) == [("03:20", 2.0, 20)]


async def test_blocks_without_a_valid_reading_are_shown_between_stored_ones(
    server: Server, world: World, made: Made
) -> None:
    server.now = at("04:20:30")
    await world.block(made["so2"], at("03:00"), 1.0)
    await world.block(made["so2"], at("04:00"), 4.0)
    items = await server.items("averages")
    assert shown(items) == [
        ("03:00", 1.0, 20),
        ("03:20", None, 0),
        ("03:40", None, 0),
        ("04:00", 4.0, 20),
    ]
    assert (items[1]["expected"], items[1]["coverage"]) == (20, 0.0)
    Average.model_validate(items[1])


async def test_a_silent_channel_has_empty_blocks_until_a_minute_ago(
    server: Server, world: World, made: Made
) -> None:
    await minutes(world, made["so2"], "03:00", [1.0] * 20)
    await world.block(made["so2"], at("03:00"), 1.0)
    server.now = at("04:00:59")
    assert shown(await server.items("averages")) == [("03:00", 1.0, 20), ("03:20", None, 0)]
    server.now = at("04:01")
    assert shown(await server.items("averages"))[2:] == [("03:40", None, 0)]


async def test_a_block_that_is_not_yet_computed_is_not_shown_as_empty(
    server: Server, world: World, made: Made
) -> None:
    """Valid readings of 03:45 are there; until their mean is written nothing is said of it."""
    await world.block(made["so2"], at("03:00"), 1.0)
    await minutes(world, made["so2"], "03:45", [5.0])
    server.now = at("05:00")
    assert shown(await server.items("averages")) == [("03:00", 1.0, 20), ("03:20", None, 0)]


async def test_readings_that_are_not_valid_leave_their_blocks_empty(
    server: Server, world: World, made: Made
) -> None:
    await world.block(made["so2"], at("03:00"), 1.0)
    await minutes(world, made["so2"], "03:20", [9.0] * 20, status=1)
    await minutes(world, made["so2"], "03:40", [9999.0] * 20, flags=1)
    server.now = at("04:05")
    assert shown(await server.items("averages"))[1:] == [("03:20", None, 0), ("03:40", None, 0)]


async def test_channels_without_a_block_have_no_item(
    server: Server, world: World, made: Made
) -> None:
    await world.block(made["so2"], at("03:00"), 1.0)
    server.now = at("03:20")
    assert {item["channel"] for item in await server.items("averages")} == {"so2"}
    assert await server.items("averages", window="30min") == []


async def test_days_begin_at_midnight_of_the_reporting_zone(
    server: Server, world: World, made: Made
) -> None:
    await world.limit(made["so2"], 400, "1d", timedelta(days=1))
    await world.block(made["so2"], at("2026-11-18T19:00:00Z"), 1.0, timedelta(days=1))
    await world.block(made["so2"], at("2026-11-20T19:00:00Z"), 3.0, timedelta(days=1))
    items = await server.items("averages", window="1d")
    assert [(item["start"], item["mean"]) for item in items] == [
        ("2026-11-18T19:00:00Z", 1.0),
        ("2026-11-19T19:00:00Z", None),
        ("2026-11-20T19:00:00Z", 3.0),
    ]
    assert items[1]["expected"] == 1440


async def test_blocks_of_a_former_zone_hide_the_empty_ones_of_the_new(
    server: Server, world: World, made: Made
) -> None:
    """The days of +06:00 were stored; since +05:00 is in force they still are the record."""
    await world.limit(made["so2"], 400, "1d", timedelta(days=1))
    for day in (17, 18, 19):
        start = at(f"2026-11-{day}T18:00:00Z")
        await world.block(made["so2"], start, float(day), timedelta(days=1))
    items = await server.items("averages", window="24h", limit="10000")
    assert [(item["start"][8:16], item["mean"]) for item in items] == [
        ("17T18:00", 17.0),
        ("18T18:00", 18.0),
        ("19T18:00", 19.0),
        ("20T19:00", None),
    ]


async def test_pages_of_stored_and_empty_blocks_join(
    server: Server, world: World, made: Made
) -> None:
    server.now = at("06:00:30")
    for key, starts in {
        "so2": ("03:00", "03:20", "05:00"),
        "nox": ("03:20", "05:20"),
        "o2": ("04:00",),
    }.items():
        for start in starts:
            await world.block(made[key], at(start), 1.0)
    whole = await server.items("averages")
    assert whole == sorted(whole, key=lambda item: item["start"])
    assert len(whole) == 8 + 7 + 5  # up to 05:40, each from its first block on
    for limit in [1, 2, 3, 50]:
        assert await server.joined("averages", limit) == whole


async def test_start_and_end_are_about_the_start_of_the_block(
    server: Server, world: World, made: Made
) -> None:
    for start in ("03:00", "03:20", "03:40"):
        await world.block(made["so2"], at(start), 1.0)
    items = await server.items("averages", start="2026-11-22T03:20:00Z", end="2026-11-22T03:40:00Z")
    assert shown(items) == [("03:20", 1.0, 20)]


async def test_rolling_means_are_computed_for_each_minute(
    server: Server, world: World, made: Made
) -> None:
    await minutes(world, made["so2"], "03:00", [float(n) for n in range(40)])
    items = await server.items(
        "averages",
        kind="rolling",
        window="20min",
        start="2026-11-22T03:00:00Z",
        end="2026-11-22T03:02:00Z",
    )
    assert items == [
        {
            "enterprise": "gres1",
            "source": "stack-1",
            "channel": "so2",
            "basis": None,
            "start": f"2026-11-22T03:0{n}:00Z",
            "end": f"2026-11-22T03:2{n}:00Z",
            "mean": 9.5 + n,
            "count": 20,
            "expected": 20,
            "coverage": 1.0,
            "revision": None,
            "known_at": None,
        }
        for n in range(2)
    ]


async def test_rolling_means_rest_on_valid_current_readings(
    server: Server, world: World, made: Made
) -> None:
    await minutes(world, made["so2"], "03:00", [10.0] * 10)
    await minutes(world, made["so2"], "03:10", [99.0] * 5, status=2)
    await minutes(world, made["so2"], "03:15", [9999.0] * 4, flags=1)
    await minutes(world, made["so2"], "03:19", [10.0])
    await world.revision(made["so2"], at("03:19"), 21.0, at("03:30"), 1)
    (item,) = await server.items(
        "averages",
        kind="rolling",
        start="2026-11-22T03:00:00Z",
        end="2026-11-22T03:00:01Z",
    )
    assert (item["mean"], item["count"], item["coverage"]) == (11.0, 11, 0.55)


async def test_rolling_windows_go_from_the_first_reading_to_a_minute_ago(
    server: Server, world: World, made: Made
) -> None:
    await minutes(world, made["so2"], "03:00", [1.0, 2.0])
    server.now = at("03:24:00")
    items = await server.items("averages", kind="rolling", window="20min")
    assert [item["end"][11:16] for item in items][:2] == ["03:01", "03:02"]
    assert items[-1]["end"][11:16] == "03:23"
    assert [(item["mean"], item["count"]) for item in items][-4:] == [
        (1.5, 2),
        (2.0, 1),
        (None, 0),
        (None, 0),
    ]


async def test_long_rolling_windows_move_by_20_minutes(
    server: Server, world: World, made: Made
) -> None:
    await minutes(world, made["so2"], "00:00", [float(n // 60) for n in range(300)])
    items = await server.items(
        "averages",
        kind="rolling",
        window="2h",
        start="2026-11-22T00:00:00Z",
        end="2026-11-22T01:00:00Z",
    )
    assert [(item["start"][11:16], item["mean"], item["count"]) for item in items] == [
        ("00:00", 0.5, 120),
        ("00:20", 0.833333333, 120),
        ("00:40", 1.16666667, 120),
    ]
    problem = await server.refused("averages", 400, kind="rolling", window="61min")
    assert problem["parameter"] == "window"


async def test_pages_of_rolling_means_join(server: Server, world: World, made: Made) -> None:
    await minutes(world, made["so2"], "03:00", [1.0] * 5)
    await minutes(world, made["nox"], "03:02", [2.0] * 5)
    server.now = at("03:10")
    whole = await server.items("averages", kind="rolling")
    assert len(whole) == 9 + 7
    for limit in [1, 4, 5, 100]:
        assert await server.joined("averages", limit, kind="rolling") == whole
