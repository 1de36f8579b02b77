"""Contracts, section 2: what the server does with a reading, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import numpy as np
import pytest

from alerts.core.vocabulary import Flag
from storage.batches import commit, next_batch
from storage.errors import DataError
from storage.readings import read_readings
from storage.times import to_micros
from tests.storage.given import (
    DAY,
    MINUTE,
    NAN,
    NOW,
    NOX,
    OTHER_UNIT,
    SO2,
    UNIT,
    Message,
    batch,
    booked,
    late,
    outcomes,
)

if TYPE_CHECKING:
    from storage.received import Committed

T = NOW - MINUTE


async def current(db: asyncpg.Connection, channel: int = SO2) -> list[tuple[int, float, int]]:
    """Time, value and revision of a channel's current readings."""
    rows = await read_readings(db, [channel], NOW - 500 * DAY, NOW + DAY)
    columns = (rows["time"].tolist(), rows["value"].tolist(), rows["revision"].tolist())
    return list(zip(*columns, strict=True))


async def put(
    db: asyncpg.Connection, number: int, *messages: Message, at: int = NOW
) -> tuple[list[str], list[str]]:
    return outcomes(await commit(db, batch(number, *messages, at=at)))


async def test_a_new_reading_is_stored(db: asyncpg.Connection) -> None:
    assert await put(db, 1, Message([(SO2, T, 384.2), (NOX, T, 210.0)])) == (
        ["stored", "stored"],
        ["stored"],
    )
    assert await current(db) == [(T, 384.2, 0)]
    assert await current(db, NOX) == [(T, 210.0, 0)]
    assert await booked(db) == {"messages_stored": 1, "readings_stored": 2}


async def test_a_reading_without_a_value_is_stored_as_null(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, NAN, 3), (NOX, T, 1.0)]))
    rows = await db.fetch("select channel, value, status from readings order by channel")
    assert [tuple(row) for row in rows] == [(SO2, None, 3), (NOX, 1.0, 0)]


async def test_a_late_reading_is_stored_and_says_so(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)]))
    assert await put(db, 2, late((SO2, T - MINUTE, 2.0))) == (["stored"], ["stored"])
    rows = await read_readings(db, [SO2], 0, NOW)
    assert rows["value"].tolist() == [2.0, 1.0]
    assert rows["flags"].tolist() == [Flag.LATE, 0]


async def test_equal_to_the_current_revision_is_a_duplicate(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0), (NOX, T, NAN, 3)]))
    again = late((SO2, T, 1.0), (NOX, T, NAN, 3))
    assert await put(db, 2, again) == (["duplicate", "duplicate"], ["duplicate"])
    assert await db.fetchval("select count(*) from all_readings") == 2
    assert (await booked(db))["readings_duplicate"] == 2


@pytest.mark.parametrize("changed", [(2.0, 0), (1.0, 2), (NAN, 3)])
async def test_another_value_or_status_is_a_revision(
    db: asyncpg.Connection, changed: tuple[float, int]
) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)]))
    assert await put(db, 2, late((SO2, T, *changed))) == (["revised"], ["stored"])
    (row,) = await read_readings(db, [SO2], 0, NOW)
    assert (row["status"], row["revision"]) == (changed[1], 1)
    assert row["flags"] == Flag.REVISED
    assert await db.fetchval("select value from readings") == 1.0, "nothing is overwritten"


async def test_equal_to_an_older_revision_depends_on_boot_and_seq(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)]))
    await put(db, 2, late((SO2, T, 2.0)))
    redelivered = late((SO2, T, 1.0), seen=True)
    assert await put(db, 3, redelivered) == (["duplicate"], ["duplicate"])
    assert await current(db) == [(T, 2.0, 1)]
    corrected_back = late((SO2, T, 1.0), seen=False)
    assert await put(db, 4, corrected_back) == (["revised"], ["stored"])
    assert await current(db) == [(T, 1.0, 2)]


async def test_a_seen_seq_with_other_content_loses_nothing(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)], boot=1, seq=7))
    other = late((SO2, T, 5.0), (SO2, T + 1, 6.0), boot=1, seq=7, seen=True)
    assert await put(db, 2, other) == (["revised", "stored"], ["stored"])


async def test_repeats_within_a_batch_are_decided_in_order(db: asyncpg.Connection) -> None:
    first = Message([(SO2, T, 1.0)])
    rest = late((SO2, T, 1.0), (SO2, T, 2.0), (SO2, T, 2.0), (SO2, T, 1.0), (NOX, T, 1.0))
    assert (await put(db, 1, first, rest))[0] == [
        *("stored", "duplicate", "revised", "duplicate", "revised"),
        "stored",
    ]
    assert await current(db) == [(T, 1.0, 2)]


async def test_revisions_of_one_reading_go_on_and_on(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 0.0)]))
    stuck_clock = late(*((SO2, T, float(n)) for n in range(1, 40_001)))
    await put(db, 2, stuck_clock)
    assert await current(db) == [(T, 40_000.0, 40_000)]


async def test_what_was_wrongly_taken_for_new_is_looked_up(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)]))
    stale = Message([(SO2, T, 1.0), (NOX, T, 1.0)])  # says that it is fresh, and is not
    assert await put(db, 2, stale) == (["duplicate", "stored"], ["stored"])
    rows = await read_readings(db, [SO2, NOX], 0, NOW)
    assert rows["flags"].tolist() == [0, 0]


async def test_as_known_at_gives_the_reading_of_then(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)]), at=NOW)
    await put(db, 2, late((SO2, T, 2.0)), at=NOW + MINUTE)
    await put(db, 3, late((SO2, T, 3.0), (SO2, T - 1, 0.5)), at=NOW + 2 * MINUTE)
    seen = [
        (await read_readings(db, [SO2], 0, NOW, known_at=at))["value"].tolist()
        for at in (NOW - 1, NOW, NOW + MINUTE, NOW + 2 * MINUTE)
    ]
    assert seen == [[], [1.0], [2.0], [0.5, 3.0]]


async def test_the_books_balance(db: asyncpg.Connection) -> None:
    await put(
        db,
        1,
        Message([(SO2, T, 1.0)], values=[("xyz", b"1")]),
        Message(unit=0, whole=b"{"),
        Message(unit=OTHER_UNIT, values=[("xyz", b"2")]),
    )
    await put(
        db,
        2,
        late((SO2, T, 1.0), values=[("xyz", b"1"), ("xyz", b"3")]),
        Message(unit=0, whole=b"{"),
        late((SO2, T, 9.0)),
    )
    assert await booked(db) == {
        "messages_stored": 2,
        "messages_duplicate": 1,
        "messages_quarantined": 3,
        "readings_stored": 1,
        "readings_duplicate": 2,
        "readings_revised": 1,
        "readings_quarantined": 3,
    }
    units = await db.fetchval("select units from batches where id = 1")
    assert units == [0, UNIT, OTHER_UNIT]


async def test_a_message_of_nothing_new_is_a_duplicate(db: asyncpg.Connection) -> None:
    message = late((SO2, T, 1.0), values=[("xyz", b"1")])
    assert (await put(db, 1, message))[1] == ["stored"]
    assert (await put(db, 2, message))[1] == ["duplicate"]
    more = late((SO2, T, 1.0), values=[("xyz", b"2")])
    assert (await put(db, 3, more))[1] == ["quarantined"]


async def test_the_row_of_a_batch(db: asyncpg.Connection) -> None:
    messages = [
        Message([(SO2, T, 1.0), (SO2, T + 5, 1.0), (NOX, T - 3, 1.0)], boot=3, seq=8),
        Message(boot=3, seq=7),
        Message(boot=3, seq=10),
        Message(boot=2, seq=2**63 - 1),
        Message(boot=0, seq=-1),
    ]
    await put(db, 1, *messages)
    row = await db.fetchrow("select * from batches")
    assert to_micros(row["received_at"]) == NOW
    assert to_micros(row["oldest"]) == T - 3
    assert row["boots"] == [2, 3, 3]
    assert row["seq_first"] == [2**63 - 1, 7, 10]
    assert row["seq_last"] == [2**63 - 1, 8, 10]
    assert row["channels"] == [SO2, NOX]
    assert [to_micros(time) for time in row["newest"]] == [T + 5, T - 3]


async def test_a_batch_of_nothing_leaves_a_row(db: asyncpg.Connection) -> None:
    assert await put(db, 1) == ([], [])
    assert await db.fetchval("select count(*) from batches") == 1


async def test_batches_are_numbered_on_and_on(db: asyncpg.Connection) -> None:
    assert await next_batch(db) == 1
    await put(db, 1, Message([(SO2, T, 1.0)]))
    assert await next_batch(db) == 2
    await db.execute("delete from batches")
    await db.execute("update progress set batch = 1 where follower = 'ledger'")
    assert await next_batch(db) == 2


def _same(one: Committed, other: Committed) -> None:
    np.testing.assert_array_equal(one.readings, other.readings)
    np.testing.assert_array_equal(one.messages, other.messages)
    assert (one.values_quarantined, one.values_duplicate) == (
        other.values_quarantined,
        other.values_duplicate,
    )


async def test_a_commit_whose_answer_was_lost_is_said_again(db: asyncpg.Connection) -> None:
    await put(db, 1, Message([(SO2, T, 1.0)], values=[("old", b"1")]), Message(whole=b"{"))
    received = batch(
        2,
        Message([(SO2, T + 1, 1.0)], values=[("old", b"1"), ("new", b"2"), ("new", b"2")]),
        late((SO2, T, 1.0)),
        late((SO2, T, 2.0), (SO2, T, 2.0), (SO2, T, 1.0)),
        late((SO2, T, 1.0)),
        Message(whole=b"{"),
        Message(whole=b"["),
        Message(values=[("new", b"3")]),
    )
    first = await commit(db, received)
    before = (await booked(db), await db.fetch("select * from quarantine order by id"))
    _same(first, await commit(db, received))
    assert (await booked(db), await db.fetch("select * from quarantine order by id")) == before
    assert await db.fetchval("select count(*) from all_readings") == 4


async def test_a_row_that_the_database_refuses_is_named(db: asyncpg.Connection) -> None:
    far = -(2**62)  # no instant of PostgreSQL
    received = batch(1, late((SO2, T, 1.0)), Message([(SO2, T + 1, 1.0), (SO2, far, 1.0)]))
    received.fresh[:] = True
    with pytest.raises(DataError) as refused:
        await commit(db, received)
    assert refused.value.rows == [2]
    assert await db.fetchval("select count(*) from batches") == 0, "all or nothing"


async def test_what_cannot_be_counted_is_not_stored(db: asyncpg.Connection) -> None:
    """Readings, quarantine and the row that counts them are one transaction."""
    await db.execute("alter table batches add constraint uncounted check (id <> 7)")
    received = batch(7, Message([(SO2, T, 1.0)], values=[("xyz", b"1")]), Message(whole=b"{"))
    with pytest.raises(asyncpg.CheckViolationError):
        await commit(db, received)
    for table in ("all_readings", "quarantine", "quarantine_values", "batches"):
        assert await db.fetchval(f"select count(*) from {table}") == 0, table  # noqa: S608
    await db.execute("alter table batches drop constraint uncounted")
    assert outcomes(await commit(db, received))[1] == ["stored", "quarantined"]


async def test_readings_of_any_age_find_a_place(db: asyncpg.Connection) -> None:
    old: list[tuple[float, ...]] = [
        (SO2, NOW - days * DAY, float(days)) for days in range(0, 400, 7)
    ]
    await put(db, 1, Message(old))
    assert len(await current(db)) == len(old)
    days = await db.fetch("select * from late_days order by day")
    assert len(days) == len(old) - 1
    assert {to_micros(row["last_received_at"]) for row in days} == {NOW}
