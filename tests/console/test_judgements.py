"""GET /api/v1/judgements?window=: start end mean coverage state limit uom permit limit_version."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from console.models import Judgement
from tests.console.world import LONG_AGO, MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
TWENTY = 20 * MINUTE
COMPLIANT, EXCEEDED, NOT_ASSESSABLE = 0, 1, 2


def shown(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return start (time of day) and state of each."""
    return [(item["start"][11:16], item["state"]) for item in items]


async def test_a_judgement_shows_the_block_its_state_and_the_limit(
    server: Server, world: World, made: Made
) -> None:
    limit = await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.readings(made["so2"], [(at("03:20"), 384.2)])
    await world.judgement(limit, at("03:20"), 384.2, COMPLIANT, filled=15)
    (item,) = await server.items("judgements", end="2026-11-22T03:40:00Z")
    assert item == {
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "parameter": "0330",
        "window": "20min",
        "start": "2026-11-22T03:20:00Z",
        "end": "2026-11-22T03:40:00Z",
        "mean": 384.2,
        "count": 15,
        "expected": 20,
        "coverage": 0.75,
        "state": "compliant",
        "limit": 700.0,
        "uom": "mg/m3",
        "permit": "KZ28VDD00145762",
        "limit_version": limit[1],
        "revision": 0,
        "known_at": "2026-11-22T03:41:00Z",
    }
    Judgement.model_validate(item)


async def test_each_limit_of_a_channel_has_its_own_judgements_and_window_chooses(
    server: Server, world: World, made: Made
) -> None:
    short = await world.limit(made["so2"], 700, "20min", TWENTY)
    hour = await world.limit(made["so2"], 500, "1h", 60 * MINUTE)
    await world.readings(made["so2"], [(at("03:00"), 600.0)])
    await world.judgement(short, at("03:00"), 600.0, COMPLIANT)
    await world.judgement(hour, at("03:00"), 600.0, EXCEEDED, length=60 * MINUTE, filled=60)
    server.now = at("03:20")
    items = await server.items("judgements")
    assert [(item["window"], item["state"]) for item in items] == [
        ("20min", "compliant"),
        ("1h", "exceeded"),
    ]
    for window in ("1h", "60min"):
        (item,) = await server.items("judgements", window=window)
        assert item["limit"] == 500.0


async def test_empty_blocks_from_the_first_reading_on_are_not_assessable(
    server: Server, world: World, made: Made
) -> None:
    limit = await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.readings(made["so2"], [(at("03:05"), 9.0)], status=1)
    await world.readings(made["so2"], [(at("03:40"), 9.0)])
    await world.judgement(limit, at("03:40"), None, NOT_ASSESSABLE, filled=1)
    server.now = at("04:21")
    items = await server.items("judgements")
    assert shown(items) == [
        ("03:00", "not_assessable"),
        ("03:20", "not_assessable"),
        ("03:40", "not_assessable"),
        ("04:00", "not_assessable"),
    ]
    assert [item["count"] for item in items] == [0, 0, 1, 0]
    assert items[0]["limit_version"] == limit[1]
    assert items[0]["expected"] == 20
    Judgement.model_validate(items[0])


async def test_days_of_readings_that_were_never_valid_are_not_assessable(
    server: Server, world: World, made: Made
) -> None:
    await world.limit(made["so2"], 400, "1d", timedelta(days=1))
    first = at("2026-11-15T10:00:00Z")
    samples = [(first + n * timedelta(hours=20), 9.0) for n in range(8)]
    await world.readings(made["so2"], samples, status=2)
    items = await server.items("judgements")
    assert [item["start"][5:10] for item in items] == [f"11-{day}" for day in range(14, 21)]
    assert {item["state"] for item in items} == {"not_assessable"}


async def test_a_channel_that_never_sent_a_reading_has_no_judgement(
    server: Server, world: World, made: Made
) -> None:
    await world.limit(made["so2"], 700, "20min", TWENTY)
    assert await server.items("judgements") == []


async def test_blocks_begin_with_the_limit_where_that_is_later_and_end_with_it(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(made["so2"], [(at("01:00"), 9.0)], status=1)
    await world.limit(
        made["so2"],
        700,
        "20min",
        TWENTY,
        effective=at("03:20"),
        valid_from=at("03:20"),
        valid_until=at("04:00"),
    )
    assert shown(await server.items("judgements")) == [
        ("03:20", "not_assessable"),
        ("03:40", "not_assessable"),
    ]


async def test_an_empty_block_names_the_version_that_is_in_force_when_it_ends(
    server: Server, world: World, made: Made
) -> None:
    first = await world.limit(made["so2"], 700, "20min", TWENTY)
    second = await world.limit_version(first[0], 650, effective=at("03:30"))
    await world.limit_version(first[0], 650, effective=at("04:05"), ended=True)
    await world.readings(made["so2"], [(at("03:00"), 9.0)], status=1)
    items = await server.items("judgements")
    assert [(item["limit_version"], item["limit"]) for item in items] == [
        (first[1], 700.0),
        (second, 650.0),
        (second, 650.0),
    ]
    assert items[1]["start"] == "2026-11-22T03:20:00Z"


async def test_a_revised_judgement_is_shown_as_it_is_now(
    server: Server, world: World, made: Made
) -> None:
    limit = await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.readings(made["so2"], [(at("03:00"), 9.0)])
    await world.judgement(limit, at("03:00"), 701.0, EXCEEDED)
    await world.judgement(limit, at("03:00"), 699.0, COMPLIANT, revision=1)
    server.now = at("03:20:30")
    assert shown(await server.items("judgements")) == [("03:00", "compliant")]


async def test_days_follow_the_enterprises_own_zone(
    server: Server, world: World, made: Made
) -> None:
    await world.entity(
        "enterprise", "gres1", {"reporting_zone": "+06:00"}, LONG_AGO + timedelta(days=1)
    )
    await world.limit(made["so2"], 400, "1d", timedelta(days=1))
    await world.readings(made["so2"], [(at("2026-11-20T10:00:00Z"), 9.0)], status=1)
    items = await server.items("judgements", window="1d")
    assert [item["start"] for item in items] == ["2026-11-19T18:00:00Z", "2026-11-20T18:00:00Z"]


async def test_pages_of_judgements_join(server: Server, world: World, made: Made) -> None:
    server.now = at("05:00:30")
    for key in ("so2", "nox"):
        for average, window in (("20min", TWENTY), ("1h", 3 * TWENTY)):
            number = await world.limit(made[key], 700, average, window)
            await world.judgement(number, at("04:00"), 1.0, COMPLIANT, length=window)
        await world.readings(made[key], [(at("03:10"), 1.0)])
    whole = await server.items("judgements")
    assert len(whole) == 2 * (5 + 2)
    for limit in [1, 2, 5]:
        assert await server.joined("judgements", limit) == whole
