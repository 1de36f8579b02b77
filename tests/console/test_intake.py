"""GET /api/v1/ledger and /quarantine, POST /api/v1/quarantine/{id}/retry."""

from __future__ import annotations

from base64 import b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from console.models import LedgerEntry, QuarantineItem
from tests.console.world import World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]


async def roll_up(world: World, unit: int, hour: str, messages: tuple[int, ...]) -> None:
    """Put counts into the ledger proper, as if the batches before had been rolled up."""
    await world.db.execute(
        "insert into ledger values ($1, $2, $3, $4, $5, 100, 10, 5, 1)", at(hour), unit, *messages
    )


async def a_batch(world: World, received_at: str, unit: int, *counts: int) -> None:
    names = (
        "messages_stored",
        "messages_duplicate",
        "messages_quarantined",
        "readings_stored",
        "readings_duplicate",
        "readings_revised",
        "readings_quarantined",
    )
    columns: dict[str, Any] = {name: [n] for name, n in zip(names, counts, strict=True)}
    await world.batch(at(received_at), units=[unit], **columns)


async def test_the_ledger_has_one_item_for_each_unit_and_balances(
    server: Server, world: World, made: Made
) -> None:
    """Hours rolled up and the batches since count together."""
    await roll_up(world, made["ams-1"], "03:00", (20, 2, 1))
    await a_batch(world, "04:10", made["ams-1"], 3, 1, 0, 30, 10, 2, 1)
    await a_batch(world, "04:20", made["ams-1"], 1, 0, 0, 10, 0, 0, 0)
    (item,) = await server.items("ledger")
    assert item == {
        "enterprise": "gres1",
        "unit": "ams-1",
        "messages": {"received": 28, "stored": 24, "duplicate": 3, "quarantined": 1},
        "readings": {
            "received": 169,
            "stored": 140,
            "duplicate": 20,
            "revised": 7,
            "quarantined": 2,
        },
    }
    LedgerEntry.model_validate(item)


async def test_batches_that_were_rolled_up_do_not_count_twice(
    server: Server, world: World, made: Made
) -> None:
    await a_batch(world, "03:10", made["ams-1"], 1, 0, 0, 1, 0, 0, 0)
    await world.db.execute("update progress set batch = 1 where follower = 'ledger'")
    await world.db.execute(
        "insert into ledger (hour, unit, messages_stored) values ($1, $2, 1)",
        at("03:00"),
        made["ams-1"],
    )
    (item,) = await server.items("ledger")
    assert item["messages"]["received"] == 1


@pytest.mark.usefixtures("made")
async def test_messages_of_no_known_unit_stand_under_unit_null(
    server: Server, world: World
) -> None:
    await a_batch(world, "03:10", 0, 0, 1, 2, 0, 0, 0, 0)
    items = await server.items("ledger")
    assert [item["unit"] for item in items] == [None, "ams-1"]
    assert items[0]["enterprise"] is None
    assert items[0]["messages"]["quarantined"] == 2
    assert items[1]["messages"]["received"] == 0
    LedgerEntry.model_validate(items[0])
    (named,) = await server.items("ledger", enterprise="gres1")
    assert named["unit"] == "ams-1"


async def test_start_and_end_are_about_the_utc_hour_of_receipt(
    server: Server, world: World, made: Made
) -> None:
    await roll_up(world, made["ams-1"], "03:00", (1, 0, 0))
    await a_batch(world, "04:59:59", made["ams-1"], 10, 0, 0, 0, 0, 0, 0)
    await a_batch(world, "05:00", made["ams-1"], 100, 0, 0, 0, 0, 0, 0)
    for start, end, received in (
        ("03:00", "04:00", 1),
        ("04:00", "05:00", 10),
        ("04:30", "05:00", 0),
        ("04:00", "06:00", 110),
        ("00:00", "23:00", 111),
    ):
        (item,) = await server.items("ledger", start=at(start).isoformat(), end=at(end).isoformat())
        assert item["messages"]["received"] == received, (start, end)


@pytest.mark.usefixtures("made")
async def test_pages_of_the_ledger_join(server: Server, world: World) -> None:
    await world.unit("gres1/ams-2", {})
    await a_batch(world, "03:10", 0, 0, 0, 1, 0, 0, 0, 0)
    whole = await server.items("ledger")
    assert await server.joined("ledger", 1) == whole
    assert [item["unit"] for item in whole] == [None, "ams-1", "ams-2"]


@pytest.mark.usefixtures("made")
async def test_a_quarantine_item_shows_all_that_is_known_of_it(
    server: Server, world: World
) -> None:
    number = await world.aside(at("03:10"), count=3, payload=b"\xff{")
    (item,) = await server.items("quarantine")
    assert item == {
        "id": number,
        "topic": "ams/v1/gres1/ams-1/readings",
        "enterprise": "gres1",
        "unit": "ams-1",
        "key": None,
        "reason": "not JSON",
        "detail": "why",
        "count": 3,
        "first_at": "2026-11-22T03:10:00Z",
        "last_at": "2026-11-22T03:10:00Z",
        "state": "waiting",
        "payload": "/3s=",
    }
    assert b64decode(item["payload"]) == b"\xff{"
    QuarantineItem.model_validate(item)


@pytest.mark.usefixtures("made")
async def test_the_quarantine_is_filtered_and_pages_join_over_ties(
    server: Server, world: World
) -> None:
    for n in range(5):
        await world.aside(at("03:10") + timedelta(hours=n // 3), unit=f"ams-{n % 2}")
    await world.aside(at("03:10"), enterprise=None, unit=None, topic="ams/v1/x/y/readings")
    whole = await server.items("quarantine")
    assert [item["id"] for item in whole] == [1, 2, 3, 6, 4, 5]
    assert [item["id"] for item in await server.items("quarantine", unit="gres1/ams-1")] == [2, 4]
    assert await server.items("quarantine", enterprise="other") == []
    assert len(await server.items("quarantine", start="2026-11-22T04:00:00Z")) == 2
    assert len(await server.items("quarantine", state="waiting")) == 6
    assert await server.joined("quarantine", 2) == whole


@pytest.mark.usefixtures("made")
async def test_a_retry_answers_the_item_as_it_became(server: Server, world: World) -> None:
    number = await world.aside(at("03:10"))
    item = await server.post(f"quarantine/{number}/retry")
    assert (item["id"], item["state"]) == (number, "stored")
    assert server.retried == [number]
    again = await server.post(f"quarantine/{number}/retry")
    assert again["state"] == "stored"
    assert server.retried == [number]


@pytest.mark.usefixtures("made")
async def test_a_retry_that_fails_answers_that_the_item_waits_again(
    server: Server, world: World
) -> None:
    number = await world.aside(at("03:10"))
    server.retry_leads_to = "waiting"
    item = await server.post(f"quarantine/{number}/retry")
    assert item["state"] == "waiting"


@pytest.mark.usefixtures("made")
async def test_a_retry_that_takes_its_time_answers_202(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.intake_routes._PATIENCE", 0.2)
    number = await world.aside(at("03:10"))
    server.retry_leads_to = None
    item = await server.post(f"quarantine/{number}/retry", 202)
    assert item["state"] == "retrying"


async def test_a_retry_of_no_item_is_404(server: Server) -> None:
    for number in ("99", "0", "-1", "x", "9" * 30, "1.5"):
        problem = await server.post(f"quarantine/{number}/retry", 404)
        assert problem["status"] == 404
    assert server.retried == []
