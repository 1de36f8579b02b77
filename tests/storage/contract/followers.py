"""What is rolled up from the batches: ledger, sequences, newest times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from storage.batches import commit
from storage.boots import (
    LAST_SEQ,
    UnitState,
    load_sequences,
    look_up_boots,
    save_unit_state,
)
from storage.followers import load_newest, roll_up, save_newest, slim
from storage.times import to_micros
from tests.storage.given import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    NOX,
    OTHER_UNIT,
    SO2,
    UNIT,
    Message,
    batch,
    late,
    make_units,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg


async def _ledger(db: asyncpg.Connection) -> dict[tuple[int, int], list[int]]:
    rows = await db.fetch("select * from ledger order by hour, unit")
    return {(to_micros(row["hour"]), row["unit"]): list(row.values())[2:] for row in rows}


async def test_the_ledger_counts_by_hour_and_unit(db: asyncpg.Connection) -> None:
    hour = NOW // HOUR * HOUR
    await commit(db, batch(1, Message([(SO2, NOW, 1.0)]), Message([(SO2, NOW + 1, 1.0)])))
    await commit(db, batch(2, late((SO2, NOW, 1.0)), Message(unit=0, whole=b"{")))
    assert await roll_up(db) == 2
    await commit(db, batch(4, late((SO2, NOW, 2.0)), at=NOW + HOUR))
    assert await roll_up(db) == 4
    assert await roll_up(db) == 4, "nothing is counted twice"
    assert await _ledger(db) == {
        (hour, 0): [0, 0, 1, 0, 0, 0, 0],
        (hour, UNIT): [2, 1, 0, 2, 1, 0, 0],
        (hour + HOUR, UNIT): [1, 0, 0, 0, 0, 1, 0],
    }


async def boot_ids(
    db: asyncpg.Connection, boots: Sequence[tuple[int, str]], at: int
) -> dict[tuple[int, str], int]:
    return {(boot.unit, boot.boot): boot.id for boot in await look_up_boots(db, boots, at)}


async def test_boots_keep_their_numbers(db: asyncpg.Connection) -> None:
    await make_units(db)
    first = await boot_ids(db, [(UNIT, "a"), (UNIT, "b"), (OTHER_UNIT, "a"), (UNIT, "a")], NOW)
    assert len(set(first.values())) == 3
    again = await boot_ids(db, [(UNIT, "b"), (UNIT, "c\x00\ud800")], NOW + DAY)
    assert again.pop((UNIT, "b")) == first[UNIT, "b"]
    assert not set(again.values()) & set(first.values())


async def test_sequences_are_what_is_rolled_up_and_what_came_since(
    db: asyncpg.Connection,
) -> None:
    await make_units(db)
    ids = await boot_ids(db, [(UNIT, "old")], NOW - DAY)
    ids |= await boot_ids(db, [(UNIT, "new"), (OTHER_UNIT, "x")], NOW)
    old, new, other = (ids[k] for k in ((UNIT, "old"), (UNIT, "new"), (OTHER_UNIT, "x")))

    def numbers(boot: int, *seqs: int) -> list[Message]:
        return [Message(boot=boot, seq=seq) for seq in seqs]

    await commit(db, batch(1, *numbers(old, 1, 2, 3, 7), *numbers(new, 0)))
    await roll_up(db)
    await commit(db, batch(2, *numbers(old, 4, 9), *numbers(new, LAST_SEQ, 1)))
    for _ in range(2):
        loaded = {boot.id: boot for boot in await load_sequences(db)}
        assert loaded[old].ranges == [(1, 4), (7, 7), (9, 9)]
        assert loaded[new].ranges == [(0, 1), (LAST_SEQ, LAST_SEQ)]
        assert loaded[other].ranges == []
        assert [loaded[i].is_latest for i in (old, new, other)] == [False, True, True]
        await roll_up(db)
    (again,) = await look_up_boots(db, [(UNIT, "old")], NOW + DAY)
    assert (again.id, again.ranges) == (old, loaded[old].ranges)
    recent = await load_sequences(db, since=NOW + DAY)
    assert {boot.boot for boot in recent} == {"new", "x"}, "the latest of each unit"


async def test_newest_times_are_what_is_saved_and_what_came_since(db: asyncpg.Connection) -> None:
    far = 2345
    await commit(db, batch(1, Message([(SO2, NOW, 1.0), (far, NOW - MINUTE, 1.0)])))
    newest = await load_newest(db, 3000)
    assert {int(i): int(newest[i]) for i in np.flatnonzero(newest)} == {
        SO2: NOW,
        far: NOW - MINUTE,
    }
    await save_newest(db, newest, 1)
    await commit(db, batch(2, Message([(NOX, NOW, 1.0)]), late((SO2, NOW - MINUTE, 1.0))))
    expected = newest.copy()
    expected[NOX] = NOW
    np.testing.assert_array_equal(await load_newest(db, 3000), expected)
    await save_newest(db, expected, 2)
    np.testing.assert_array_equal(await load_newest(db, 3000), expected)
    assert len(await load_newest(db, 20)) == 20
    assert (await load_newest(db, 9000))[far] == NOW - MINUTE


async def test_arrays_go_when_every_follower_has_read_them(db: asyncpg.Connection) -> None:
    for number in (1, 2, 3):
        await commit(db, batch(number, Message([(SO2, NOW + number, 1.0)])))
    await db.execute("update progress set batch = 3 where follower not in ('registry', 'slim')")
    await db.execute("update progress set batch = 2 where follower = 'alerts'")
    assert await slim(db) == 2
    rows = await db.fetch("select channels, newest, readings_stored from batches order by id")
    assert [row["channels"] for row in rows] == [[], [], [SO2]]
    assert [row["readings_stored"] for row in rows] == [[1], [1], [1]]


async def test_a_units_last_word_counts(db: asyncpg.Connection) -> None:
    await make_units(db)
    await save_unit_state(db, UnitState(UNIT, "online", "a", "1.0", NOW))
    await save_unit_state(db, UnitState(UNIT, "offline", "a", None, NOW - 1))
    assert await db.fetchval("select state from unit_states") == "online"
