"""Raw readings, their revisions and batches go after some days; all else stays for ever.

A day of readings goes when the day itself and the last receipt of one of its readings are so old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from storage.migrate import dialect
from storage.partitions import partitions
from storage.pool import unavailable
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from datetime import date, datetime

_Drop = Callable[[asyncpg.Connection], Awaitable[list[str]]]

_AT_ONCE = 5000  # batches deleted in one statement
_PATIENCE = "10s"  # for the locks of others on what is to go

# The last day that may go, and the days before it that were written to too late for that. What was
# received the day after is not in late_days, so one more day is kept.
_KEPT = "select day from late_days where last_received_at >= $1"
_DONE = "select min(batch) from progress where follower not in ('registry', 'slim')"
_OLDEST_UNDONE = "select min(oldest) from batches where id > $1"
_STRAY = """
delete from {table} r where r.time < $1 and not exists
    (select from late_days d where d.last_received_at >= $2
     and r.time >= d.day::timestamp at time zone 'UTC'
     and r.time < (d.day + 1)::timestamp at time zone 'UTC')
"""
_BATCHES = """
delete from batches where id in
    (select id from batches where received_at < $1 and id <= $2 order by id limit $3)
"""
_FORGET = "delete from late_days where day < $1 and last_received_at < $2"
_SAY_SO = """
update installation set readings_from = greatest(readings_from, $1::timestamptz)
returning readings_from
"""
_CHUNKS = """
select range_start, range_end, is_compressed from timescaledb_information.chunks
where hypertable_schema = 'ams' and hypertable_name = 'readings' order by range_start
"""
_DROP_CHUNK = (
    "select drop_chunks('readings', newer_than => $1::timestamptz, older_than => $2::timestamptz)"
)
_COMPRESS = """
select compress_chunk(c, true) from show_chunks('readings', older_than => $1::timestamptz) c
"""


async def apply_retention(
    conn: asyncpg.Connection, now: int, days: int, tell: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Drop what is older than ``days`` at ``now`` (µs) and return what was dropped.

    Nothing of a batch that some follower (alerts, blocks, ledger …) has still to do is dropped.
    ``tell`` hears from when on readings are kept (µs), before any are dropped.
    """
    received = from_micros(now) - timedelta(days=days)
    async with unavailable("apply the retention"):
        done = int(await conn.fetchval(_DONE))
        undone = await conn.fetchval(_OLDEST_UNDONE, done)
        first_kept = _midnight(min(received, undone or received) - timedelta(days=1))
        kept = {row["day"] for row in await conn.fetch(_KEPT, received)}
        chunked = await dialect(conn) == "timescaledb"
        old = await (_old_chunks if chunked else _old_partitions)(conn, first_kept, kept)
        if old:  # before they go: else, after an outage amid it, they would be taken for silence
            tell(to_micros(await conn.fetchval(_SAY_SO, first_kept)))
        dropped = [name for one in old for name in await one(conn)]
        for table in ("revisions",) if chunked else ("readings_default", "revisions"):
            await conn.execute(_STRAY.format(table=table), first_kept, received)
        while (await conn.execute(_BATCHES, received, done, _AT_ONCE)) != "DELETE 0":
            pass
        await conn.execute(_FORGET, first_kept.date(), received)
    return dropped


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _expired(first: date, after: date, first_kept: datetime, kept: set[date]) -> bool:
    return after <= first_kept.date() and not any(first <= day < after for day in kept)


async def _old_partitions(
    conn: asyncpg.Connection, first_kept: datetime, kept: set[date]
) -> list[_Drop]:
    return [
        partial(_drop_partition, partition.name)
        for partition in await partitions(conn, "readings")
        if _expired(partition.span.first, partition.span.after, first_kept, kept)
    ]


async def _drop_partition(name: str, conn: asyncpg.Connection) -> list[str]:
    async with conn.transaction():
        await conn.execute(f"set local lock_timeout = '{_PATIENCE}'")
        await conn.execute(f"drop table {name}")
    return [name]


async def _old_chunks(
    conn: asyncpg.Connection, first_kept: datetime, kept: set[date]
) -> list[_Drop]:
    return [
        partial(_drop_chunk, chunk["range_start"], chunk["range_end"])
        for chunk in await conn.fetch(_CHUNKS)
        if _expired(chunk["range_start"].date(), chunk["range_end"].date(), first_kept, kept)
    ]


async def _drop_chunk(first: datetime, after: datetime, conn: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await conn.fetch(_DROP_CHUNK, first, after)]


async def compress(conn: asyncpg.Connection, now: int, *, after: timedelta) -> list[str]:
    """Turn chunks of readings that ended ``after`` ago into columnstore; returns their names.

    Does nothing on native partitions.
    """
    async with unavailable("compress old readings"):
        if await dialect(conn) != "timescaledb":
            return []
        open_chunks = [row for row in await conn.fetch(_CHUNKS) if not row["is_compressed"]]
        limit = from_micros(now) - after
        if not any(row["range_end"] <= limit for row in open_chunks):
            return []
        rows = await conn.fetch(_COMPRESS, limit)
    return [row[0] for row in rows]
