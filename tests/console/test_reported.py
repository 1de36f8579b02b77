"""GET /api/v1/reported: means as units report them, ours of the same blocks, the difference."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from console.models import Reported
from tests.console.world import MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]


async def test_a_reported_mean_stands_beside_ours(server: Server, world: World, made: Made) -> None:
    await world.block(made["so2"], at("03:00"), 380.0)
    await world.block(made["so2"], at("03:00"), 384.0, revision=1)
    await world.reported(made["so2"], made["ams-1"], at("03:00"), 400.0)
    await world.reported(made["so2"], made["ams-1"], at("03:00"), 410.5, revision=1)
    (item,) = await server.items("reported")
    assert item == {
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "unit": "ams-1",
        "window": "20min",
        "start": "2026-11-22T03:00:00Z",
        "end": "2026-11-22T03:20:00Z",
        "value": 410.5,
        "uom": "mg/m3",
        "status": "valid",
        "revision": 1,
        "known_at": "2026-11-22T03:20:00Z",
        "ours": 384.0,
        "difference": 26.5,
        "tolerance": 19.2,
        "agrees": False,
    }
    Reported.model_validate(item)
    everything = await server.items("reported", revisions="all")
    assert [(one["value"], one["revision"], one["agrees"]) for one in everything] == [
        (400.0, 0, True),
        (410.5, 1, False),
    ]


async def test_what_is_not_compared_says_neither(server: Server, world: World, made: Made) -> None:
    so2, unit = made["so2"], made["ams-1"]
    await world.reported(so2, unit, at("01:00"), 5.0)  # no block of ours
    await world.block(so2, at("02:00"), 5.0, filled=13)  # less than 2/3 of 20
    await world.reported(so2, unit, at("02:00"), 50.0)
    await world.block(so2, at("03:00"), 5.0)
    await world.reported(so2, unit, at("03:00"), 50.0, status=1)
    await world.block(so2, at("04:00"), 5.0)
    await world.reported(so2, unit, at("04:00"), None, status=3)
    items = await server.items("reported")
    shown = [(one["value"], one["ours"], one["difference"], one["agrees"]) for one in items]
    assert shown == [
        (5.0, None, None, None),
        (50.0, 5.0, 45.0, None),
        (50.0, 5.0, 45.0, None),
        (None, 5.0, None, None),
    ]
    assert items[2]["status"] == "calibration"


async def test_near_zero_the_range_says_what_agrees(
    server: Server, world: World, made: Made
) -> None:
    """1 % of -5 … 5000 is 50.05 mg/m3, 5 % of that 2.5025: sharp."""
    for start, value in (("03:00", 2.5025), ("03:20", 2.5026)):
        await world.block(made["so2"], at(start), 0.0)
        await world.reported(made["so2"], made["ams-1"], at(start), value)
    items = await server.items("reported")
    assert [one["tolerance"] for one in items] == [2.5025, 2.5025]
    assert [one["agrees"] for one in items] == [True, False]


async def test_filters_and_pages(server: Server, world: World, made: Made) -> None:
    for n in range(4):
        for name in ("so2", "nox"):
            for length in (20 * MINUTE, 60 * MINUTE):
                start = at("03:00") + n * timedelta(hours=1)
                for revision in range(2):
                    await world.reported(
                        made[name], made["ams-1"], start, 1.0, length=length, revision=revision
                    )
    whole = await server.items("reported", revisions="all")
    assert len(whole) == 32
    for limit in (1, 3, 31):
        assert await server.joined("reported", limit, revisions="all") == whole
    current = await server.items("reported")
    assert current == [one for one in whole if one["revision"] == 1]
    assert len(await server.items("reported", window="1h")) == 8
    assert len(await server.items("reported", channel="gres1/stack-1/nox")) == 8
    assert len(await server.items("reported", start="2026-11-22T04:00:00Z")) == 12
    assert len(await server.items("reported", end="2026-11-22T04:00:00Z")) == 4
    await server.refused("reported", 400, window="soon")
