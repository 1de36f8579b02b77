"""GET /api/v1/units: state boot last_seen seq gaps (ranges not yet received)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from console.models import Unit
from tests.console.world import World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
LAST = 2**63 - 1


@pytest.mark.usefixtures("made")
async def test_a_unit_that_never_said_anything_is_unknown(server: Server) -> None:
    (item,) = await server.items("units")
    assert item == {
        "enterprise": "gres1",
        "unit": "ams-1",
        "state": "unknown",
        "boot": None,
        "last_seen": None,
        "seq": None,
        "gaps": [],
        "earlier_gaps": [],
        "firmware": None,
        "state_at": None,
    }


async def test_a_unit_shows_its_state_boot_receipt_and_gaps(
    server: Server, world: World, made: Made
) -> None:
    unit = made["ams-1"]
    await world.db.execute(
        "insert into unit_states values ($1, 'online', '7f3c9a', '2.1', $2)", unit, at("02:59")
    )
    await world.boot(unit, "7f3c9a", "{[1,5),[8,9)}", first_at=at("03:00"), last_at=at("03:10"))
    (item,) = await server.items("units")
    assert item["state"] == "online"
    assert item["boot"] == "7f3c9a"
    assert item["last_seen"] == "2026-11-22T03:10:00Z"
    assert item["seq"] == 8
    assert item["gaps"] == [[5, 7]]
    assert item["firmware"] == "2.1"
    Unit.model_validate(item)


async def test_gaps_count_the_batches_that_are_not_rolled_up_yet(
    server: Server, world: World, made: Made
) -> None:
    boot = await world.boot(made["ams-1"], "a", "{[1,5),[8,9)}", first_at=at("03:00"))
    await world.batch(
        at("04:00"), boots=[boot, boot], seq_first=[6, 10], seq_last=[7, 12], units=[]
    )
    (item,) = await server.items("units")
    assert item["gaps"] == [[5, 5], [9, 9]]
    assert item["seq"] == 12
    assert item["last_seen"] == "2026-11-22T04:00:00Z"


async def test_gaps_close_when_they_are_filled(server: Server, world: World, made: Made) -> None:
    boot = await world.boot(made["ams-1"], "a", "{[1,5),[8,9)}", first_at=at("03:00"))
    await world.batch(at("04:00"), boots=[boot], seq_first=[5], seq_last=[7], units=[])
    (item,) = await server.items("units")
    assert item["gaps"] == []


async def test_what_former_starts_lack_stays_visible(
    server: Server, world: World, made: Made
) -> None:
    unit = made["ams-1"]
    await world.boot(unit, "a", "{[0,3),[7,9)}", first_at=at("01:00"))
    await world.boot(unit, "b", "{[0,5)}", first_at=at("02:00"))
    await world.boot(unit, "c", first_at=at("03:00"))
    (item,) = await server.items("units")
    assert (item["boot"], item["seq"], item["gaps"]) == ("c", None, [])
    assert item["earlier_gaps"] == [{"boot": "a", "ranges": [[3, 6]]}]
    Unit.model_validate(item)


async def test_the_highest_sequence_number_there_is_does_no_harm(
    server: Server, world: World, made: Made
) -> None:
    boot = await world.boot(made["ams-1"], "a", first_at=at("03:00"))
    await world.batch(
        at("04:00"),
        boots=[boot, boot],
        seq_first=[0, LAST],
        seq_last=[LAST - 2, LAST],
        units=[],
    )
    (item,) = await server.items("units")
    assert item["seq"] == LAST
    assert item["gaps"] == [[LAST - 1, LAST - 1]]


@pytest.mark.usefixtures("made")
async def test_units_are_filtered_by_id_and_path(server: Server, world: World) -> None:
    await world.unit("other/ams-1", {})
    assert len(await server.items("units", unit="ams-1")) == 2
    (item,) = await server.items("units", unit="other/ams-1")
    assert item["enterprise"] == "other"
    assert [i["unit"] for i in await server.items("units", enterprise="gres1")] == ["ams-1"]
    assert await server.items("units", enterprise="gres1", unit="other/ams-1") == []


@pytest.mark.usefixtures("made")
async def test_pages_of_units_join(server: Server, world: World) -> None:
    for n in range(2, 5):
        await world.unit(f"gres1/ams-{n}", {})
    page = await server.get("units", limit="3")
    assert [item["unit"] for item in page["items"]] == ["ams-1", "ams-2", "ams-3"]
    last = await server.get("units", limit="3", cursor=page["next"])
    assert [item["unit"] for item in last["items"]] == ["ams-4"]
    assert last["next"] is None
