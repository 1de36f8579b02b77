"""Quarantine: what is set aside, shown, retried, and moved within its hour in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.batches import commit
from storage.followers import roll_up
from storage.quarantine import list_items
from storage.retries import mark_for_retry, settle, take_retries
from storage.times import to_micros
from tests.storage.given import (
    HOUR,
    MINUTE,
    NOW,
    NOX,
    SO2,
    UNIT,
    Message,
    batch,
    late,
    outcomes,
)

if TYPE_CHECKING:
    import asyncpg

    from storage.received import Received

T = NOW - MINUTE
LATER = NOW + 5 * HOUR
HOUR_OF_NOW = NOW // HOUR * HOUR


async def ledger(db: asyncpg.Connection) -> dict[tuple[int, int], dict[str, int]]:
    """What the ledger counts by hour and unit, zeros left out."""
    await roll_up(db)
    books = {}
    for row in await db.fetch("select * from ledger order by hour, unit"):
        counts = dict(row.items())
        key = (to_micros(counts.pop("hour")), counts.pop("unit"))
        books[key] = {name: count for name, count in counts.items() if count}
        assert all(count >= 0 for count in counts.values())
    return {key: counts for key, counts in books.items() if counts}


async def retry(db: asyncpg.Connection, number: int, *messages: Message) -> None:
    """Retry all that waits; it has become the messages given."""
    assert await mark_for_retry(db, None)
    retries = await take_retries(db)
    assert len(retries) == len(messages)
    await settle(db, batch(number, *messages, at=NOW), retries, LATER)
    assert await take_retries(db) == []


async def test_the_same_bytes_again_raise_the_count(db: asyncpg.Connection) -> None:
    nonsense = Message(unit=0, whole=b"\x00{", topic="ams/v1/x/y/readings")
    assert outcomes(await commit(db, batch(1, nonsense, nonsense)))[1] == [
        "quarantined",
        "duplicate",
    ]
    elsewhere = Message(unit=0, whole=b"\x00{", topic="ams/v1/x/z/readings")
    await commit(db, batch(2, nonsense, elsewhere, at=NOW + MINUTE))
    first, second = await list_items(db)
    assert (first["topic"], first["count"], first["payload"]) == (nonsense.topic, 3, b"\x00{")
    assert [to_micros(first[name]) for name in ("first_at", "last_at")] == [NOW, NOW + MINUTE]
    assert (second["count"], second["key"], second["state"]) == (1, None, "waiting")


async def test_values_are_one_item_for_each_unit_reason_and_key(db: asyncpg.Connection) -> None:
    committed = await commit(
        db,
        batch(
            1,
            Message(values=[("xyz", b"1"), ("xyz", b"2"), ("q", b"1")]),
            Message(values=[("xyz", b"2")]),
            Message(values=[("xyz", b"1")], unit=2),
        ),
    )
    assert (committed.values_quarantined, committed.values_duplicate) == (4, 1)
    items = await list_items(db)
    assert sorted((row["key"], row["count"]) for row in items) == [("q", 1), ("xyz", 1), ("xyz", 2)]


async def test_names_that_no_text_column_takes_are_kept_readable(db: asyncpg.Connection) -> None:
    strange = ["nul\x00", "half\ud800", "k" * 100_000, "k" * 99_999]
    await commit(db, batch(1, Message(values=[(key, b"1") for key in strange])))
    keys = {row["key"] for row in await list_items(db)}
    assert {"nul\\x00", "half\\ud800"} < keys
    assert len(keys) == 4


async def test_a_retried_message_moves_within_its_hour(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message(unit=0, whole=b"m"), Message(unit=0, whole=b"m")))
    assert await ledger(db) == {
        (HOUR_OF_NOW, 0): {"messages_quarantined": 1, "messages_duplicate": 1}
    }
    await retry(db, 2, Message([(SO2, T, 1.0), (NOX, T, 2.0)], values=[("xyz", b"1")]))
    assert await ledger(db) == {
        (HOUR_OF_NOW, 0): {"messages_duplicate": 1},
        (HOUR_OF_NOW, UNIT): {
            "messages_stored": 1,
            "readings_stored": 2,
            "readings_quarantined": 1,
        },
    }
    (item,) = await list_items(db)
    assert (item["key"], to_micros(item["first_at"])) == ("xyz", NOW)


async def test_retried_values_take_their_message_along(db: asyncpg.Connection) -> None:
    await commit(
        db,
        batch(
            1,
            Message([(SO2, T, 1.0)], values=[("xyz", b"1")]),
            Message(values=[("xyz", b"2"), ("xyz", b"3")]),
        ),
    )
    before = {"messages_stored": 1, "messages_quarantined": 1, "readings_stored": 1}
    assert await ledger(db) == {(HOUR_OF_NOW, UNIT): before | {"readings_quarantined": 3}}
    await mark_for_retry(db, None)
    values = {one.payload: one for one in await take_retries(db)}
    assert {one.received_at for one in values.values()} == {NOW}
    became = batch(2, late((NOX, T, 1.0)), late((NOX, T + 1, 2.0)), Message(values=[("xyz", b"3")]))
    settled = await settle(db, became, [values[name] for name in (b"1", b"2", b"3")], LATER)
    assert outcomes(settled)[1] == ["stored", "stored", "quarantined"]
    after = {"messages_stored": 2, "readings_stored": 3, "readings_quarantined": 1}
    assert await ledger(db) == {(HOUR_OF_NOW, UNIT): after}
    (item,) = await list_items(db)
    assert (item["state"], item["count"]) == ("waiting", 3)
    assert item["detail"] == "unknown_channel: no channel xyz"
    await retry(db, 3, late((NOX, T + 1, 2.0)))
    after = {"messages_stored": 2, "readings_stored": 3, "readings_duplicate": 1}
    assert await ledger(db) == {(HOUR_OF_NOW, UNIT): after}
    assert await list_items(db) == []


async def test_a_message_of_retried_duplicates_is_a_duplicate(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message(values=[("xyz", b"1"), ("xyz", b"2")])))
    await commit(db, batch(2, Message([(NOX, T, 1.0)])))
    await mark_for_retry(db, None)
    first, second = await take_retries(db)
    again = late((NOX, T, 1.0))
    await settle(db, batch(3, again, Message(values=[("xyz", b"2")])), [first, second], LATER)
    assert (await ledger(db))[HOUR_OF_NOW, UNIT]["messages_quarantined"] == 1
    await retry(db, 4, again)
    assert await ledger(db) == {
        (HOUR_OF_NOW, UNIT): {
            "messages_stored": 1,
            "messages_duplicate": 1,
            "readings_stored": 1,
            "readings_duplicate": 2,
        }
    }


async def test_what_is_refused_again_waits_on(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message(unit=0, whole=b"m")))
    before = await ledger(db)
    await retry(db, 2, Message(unit=0, whole=b"m"))
    assert await ledger(db) == before
    (item,) = await list_items(db)
    assert (item["state"], item["count"]) == ("waiting", 1)
    assert item["detail"] == "not_json: line 1, column 1"


async def test_a_settlement_whose_answer_was_lost_is_said_again(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message(values=[("xyz", b"1")]), Message(whole=b"m")))
    await mark_for_retry(db, None)
    retries = await take_retries(db)
    became: Received = batch(2, *(late((NOX, T + n, 1.0)) for n in range(2)))
    first = await settle(db, became, retries, LATER)
    books = await ledger(db)
    assert outcomes(await settle(db, became, retries, LATER)) == outcomes(first)
    assert await ledger(db) == books
    assert await db.fetchval("select count(*) from all_readings") == 2


async def test_only_the_items_named_are_retried_in_portions(db: asyncpg.Connection) -> None:
    values = [("xyz", b"%d" % n) for n in range(5)]
    await commit(db, batch(1, Message(values=values), Message(whole=b"m")))
    whole, several = await list_items(db)
    if whole["key"]:
        whole, several = several, whole
    assert await mark_for_retry(db, [several["id"], 999]) == [several["id"]]
    for number, size in ((2, 2), (3, 2), (4, 1)):
        portion = await take_retries(db, 2)
        assert len(portion) == size
        stored = [late((NOX, T + number * 10 + n, 1.0)) for n in range(size)]
        await settle(db, batch(number, *stored), portion, LATER)
    assert await take_retries(db) == []
    assert [row["id"] for row in await list_items(db)] == [whole["id"]]


async def test_a_retried_reading_is_known_from_the_retry_on(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message(values=[("xyz", b"1")])))
    await retry(db, 2, late((NOX, T, 1.0)))
    then = "select count(*) from readings_as_known_at(to_timestamp($1::float8))"
    assert await db.fetchval(then, (LATER - HOUR) / 1e6) == 0
    assert await db.fetchval(then, LATER / 1e6) == 1
