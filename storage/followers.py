"""Followers of the batches: what is rolled up from their rows later, in the order of their numbers.

Each keeps in ``progress`` the number of the last batch that it has done, in the transaction that
does it. 'slim' empties the channels and newest times of batches that every follower has done: at
the national rate they would take as much room as the readings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from storage.copy import binary_array, binary_records, copy_in, copy_out, int4
from storage.pool import unavailable

if TYPE_CHECKING:
    import asyncpg
    from numpy.typing import NDArray

SHARD = 1000  # channels in a row of table newest

_COUNTS = (
    *("messages_stored", "messages_duplicate", "messages_quarantined"),
    *("readings_stored", "readings_duplicate", "readings_revised", "readings_quarantined"),
)
_LEDGER = f"""
insert into ledger as l (hour, unit, {", ".join(_COUNTS)})
select date_trunc('hour', b.received_at, 'UTC'), c.unit, {", ".join(f"sum(c.{n})" for n in _COUNTS)}
from batches b,
     unnest(b.units, {", ".join(f"b.{n}" for n in _COUNTS)}) as c (unit, {", ".join(_COUNTS)})
where b.id > $1 and b.id <= $2
group by 1, 2 order by 1, 2
on conflict (hour, unit) do update
set {", ".join(f"{n} = l.{n} + excluded.{n}" for n in _COUNTS)}
"""  # noqa: S608 - our own column names
_BOOTS = """
with news as (
    select r.boot, max(b.received_at) as last_at,
           range_agg(int8range(r.first, nullif(r.last, 9223372036854775807) + 1)) as seqs
    from batches b, unnest(b.boots, b.seq_first, b.seq_last) as r (boot, first, last)
    where b.id > $1 and b.id <= $2
    group by r.boot
)
update boots s set received = s.received + n.seqs, last_at = greatest(s.last_at, n.last_at)
from news n where s.id = n.boot
"""
_MOVE = "update progress set batch = $2 where follower = $1"
_WHERE = "select batch from progress where follower = $1 for update"
_TAIL = """
select c.channel, c.time from batches b, unnest(b.channels, b.newest) as c (channel, time)
where b.id > $1
"""
_SLIM = """
update batches set channels = '{}', newest = '{}'
where id > $1 and id <= $2 and cardinality(channels) > 0
"""
_SLIMMABLE = "select min(batch) from progress where follower not in ('registry', 'slim')"
_AT_ONCE = 2000  # batches in one transaction: it stays short after a long outage too


async def roll_up(conn: asyncpg.Connection) -> int:
    """Add the batches since the last time to ledger and boots; return the last one added.

    At most some thousands of them: call again while the number rises.
    """
    async with unavailable("roll up the ledger"), conn.transaction():
        done = int(await conn.fetchval(_WHERE, "ledger"))
        upto = await conn.fetchval(
            "select max(id) from (select id from batches where id > $1 order by id limit $2) b",
            done,
            _AT_ONCE,
        )
        if upto is None:
            return done
        await conn.execute(_LEDGER, done, upto)
        await conn.execute(_BOOTS, done, upto)
        await conn.execute(_MOVE, "ledger", upto)
        return int(upto)


async def load_newest(conn: asyncpg.Connection, size: int) -> NDArray[np.int64]:
    """Return the newest committed time of channels 0 … size-1 in microseconds, 0 for none."""
    async with unavailable("load the newest times"), conn.transaction(readonly=True):
        shards = await _shards(conn)
        newest = np.zeros(max(size, len(shards) * SHARD), np.int64)
        newest[: shards.size] = shards.ravel()
        done = await conn.fetchval("select batch from progress where follower = 'newest'")
        fields = (("channel", "int4"), ("time", "timestamptz"))
        tail = await copy_out(conn, _TAIL, done, fields=fields)
    inside = tail["channel"] < len(newest)
    np.maximum.at(newest, tail["channel"][inside], tail["time"][inside])
    return newest[:size]


async def save_newest(conn: asyncpg.Connection, newest: NDArray[np.int64], batch: int) -> None:
    """Keep the newest times as of the last committed ``batch``; only what changed is written.

    ``newest`` may be ahead of the batch (never behind it): that is always safe.
    """
    padded = np.zeros(-(-len(newest) // SHARD) * SHARD, np.int64)
    padded[: len(newest)] = newest
    shards = padded.reshape(-1, SHARD)
    async with unavailable("save the newest times"), conn.transaction():
        if int(await conn.fetchval(_WHERE, "newest")) >= batch:
            return
        before = await _shards(conn)
        rows = max(len(before), len(shards))
        changed = np.any(_tall(shards, rows) > _tall(before, rows), axis=1)
        numbers = np.flatnonzero(changed)
        merged = np.maximum(_tall(shards, rows), _tall(before, rows))
        await conn.execute("delete from newest where shard = any($1::int4[])", numbers.tolist())
        records = [(int4(int(n)), binary_array("int8", merged[n])) for n in numbers]
        await copy_in(conn, "newest", ("shard", "times"), binary_records(records))
        await conn.execute(_MOVE, "newest", batch)


def _tall(shards: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    return np.vstack((shards, np.zeros((rows - len(shards), SHARD), np.int64)))


async def _shards(conn: asyncpg.Connection) -> NDArray[np.int64]:
    """Return the saved times, shape (shards, SHARD); rows that are missing are zero."""
    query = """
    select n.shard * 1000 + t.number::int - 1 as channel, t.time
    from newest n, unnest(n.times) with ordinality as t (time, number)
    """
    saved = await copy_out(conn, query, fields=(("channel", "int4"), ("time", "int8")))
    rows = int(saved["channel"].max()) // SHARD + 1 if len(saved) else 0
    shards = np.zeros(rows * SHARD, np.int64)
    shards[saved["channel"]] = saved["time"]
    return shards.reshape(rows, SHARD)


async def slim(conn: asyncpg.Connection) -> int:
    """Empty the arrays that no follower needs any more; return the last batch done.

    At most some thousands of batches: call again while the number rises.
    """
    async with unavailable("slim the batches"), conn.transaction():
        done = int(await conn.fetchval(_WHERE, "slim"))
        upto = min(int(await conn.fetchval(_SLIMMABLE)), done + _AT_ONCE)
        if upto > done:
            await conn.execute(_SLIM, done, upto)
            await conn.execute(_MOVE, "slim", upto)
        return max(done, upto)
