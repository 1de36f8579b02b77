"""Retention: raw readings go by their own time and by their receipt, nothing before it is used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from storage.batches import commit
from storage.partitions import make_partitions
from storage.readings import read_readings
from storage.retention import apply_retention, compress
from tests.storage.given import DAY, HOUR, NOW, NOX, SO2, Message, batch, late

if TYPE_CHECKING:
    import asyncpg


async def followed(db: asyncpg.Connection, number: int) -> None:
    """All followers have done the batches up to a number."""
    await db.execute("update progress set batch = $1 where follower <> 'registry'", number)


async def ages(db: asyncpg.Connection, now: int) -> list[int]:
    """Days between ``now`` and each reading that is left, oldest first."""
    rows = await read_readings(db, [SO2, NOX], NOW - 900 * DAY, now + DAY)
    return sorted(((now - rows["time"]) // DAY).tolist(), reverse=True)


async def fill(db: asyncpg.Connection, days: int) -> None:
    """A reading each day for ``days`` days from NOW on, received at once, in batch 1, 2, …"""
    for day in range(days):
        now = NOW + day * DAY
        await make_partitions(db, now)
        await commit(db, batch(day + 1, Message([(SO2, now - HOUR, 1.0)]), at=now))


async def test_old_readings_and_batches_go(db: asyncpg.Connection) -> None:
    await fill(db, 10)
    await followed(db, 10)
    now = NOW + 10 * DAY
    assert await apply_retention(db, now, 5)
    assert await ages(db, now) == [6, 5, 4, 3, 2, 1], "no reading of the last five days, or a bit"
    assert await db.fetchval("select min(id) from batches") == 6
    assert await apply_retention(db, now, 5) == []


async def test_old_readings_received_lately_stay_as_long_as_new_ones(
    db: asyncpg.Connection,
) -> None:
    await fill(db, 3)
    now = NOW + 3 * DAY
    await make_partitions(db, now)
    backlog = [(SO2, NOW - age * DAY, 7.0) for age in (300, 100, 20)]
    await commit(db, batch(4, late(*backlog), late((SO2, NOW - HOUR, 2.0)), at=now))
    await followed(db, 4)
    before = await ages(db, now)
    await apply_retention(db, now + 2 * DAY, 5)
    assert await ages(db, now) == before
    await apply_retention(db, now + 5 * DAY, 5)
    assert await ages(db, now) == [303, 103, 23, 3, 1], "the revised one, not the day after it"
    await apply_retention(db, now + 8 * DAY, 5)
    assert await ages(db, now) == []
    assert await db.fetchval("select count(*) from revisions") == 0
    assert await db.fetchval("select count(*) from late_days") == 0


async def test_what_is_not_judged_stays(db: asyncpg.Connection) -> None:
    await fill(db, 10)
    await followed(db, 10)
    await db.execute("update progress set batch = 2 where follower = 'alerts'")
    now = NOW + 10 * DAY
    await apply_retention(db, now, 5)
    assert await ages(db, now) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert await db.fetchval("select min(id) from batches") == 3


async def test_old_chunks_are_compressed_and_stay_readable(db: asyncpg.Connection) -> None:
    await fill(db, 4)
    now = NOW + 4 * DAY
    names = await compress(db, now, after=timedelta(days=2))
    assert await compress(db, now, after=timedelta(days=2)) == []
    assert await ages(db, now) == [4, 3, 2, 1]
    revised = late((SO2, NOW - HOUR, 5.0), (SO2, NOW - HOUR + 1, 6.0))
    await commit(db, batch(5, revised, at=now))
    rows = await read_readings(db, [SO2], NOW - DAY, NOW)
    assert rows["value"].tolist() == [5.0, 6.0]
    assert await db.fetchval("select count(*) from readings") == 5
    assert isinstance(names, list)
