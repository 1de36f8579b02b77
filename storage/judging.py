"""What the judging of readings has done already, and what it has to do after a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, Flag
from storage.copy import Fields, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    import asyncpg
    from numpy.typing import NDArray

# Readings of batches that were committed but not judged, by channel. `oldest` lets the planner
# leave out everything older.
_UNJUDGED = """
select channel, min(time) as first, max(time) as last,
       bool_or(flags & $3::int2 <> 0)::int as late
from all_readings
where batch > $1 and time >= $2
group by channel order by channel
"""
_UNJUDGED_FIELDS: Fields = (
    ("channel", "int4"),
    ("first", "timestamptz"),
    ("last", "timestamptz"),
    ("late", "int4"),
)

# Where each channel's last block ends, for those with readings beyond it (or without any block),
# and for those with readings that the last block of one of their limits does not hold.
_UNCLOSED = """
select w.channel, b.finish
from unnest($1::int4[], $2::timestamptz[]) as w (channel, newest)
left join lateral (
    select max(last.finish) as finish from unnest(array[1200, 3600]) as k (window_s)
    cross join lateral (
        select finish from blocks where channel = w.channel and window_s = k.window_s
        order by start desc limit 1) last) b on true
where b.finish is null or b.finish <= w.newest or exists (
    select from limits l where l.channel = w.channel and coalesce((
        select finish from blocks where channel = w.channel and window_s = l.window_us / 1000000
        order by start desc limit 1) <= w.newest, true))
"""

# Before a channel's first block nothing tells how far it was judged. A running server closes that
# block a minute after its end: older readings than these it has judged.
_FIRST_BLOCK = 27 * HOUR


async def read_progress(conn: asyncpg.Connection, follower: str) -> int:
    """Return how far a follower of the batches has come."""
    number: int = await conn.fetchval("select batch from progress where follower = $1", follower)
    return number


async def write_progress(conn: asyncpg.Connection, follower: str, number: int) -> None:
    """Note how far a follower has come; never back."""
    await conn.execute(
        "update progress set batch = $2 where follower = $1 and batch < $2", follower, number
    )


async def read_unjudged(conn: asyncpg.Connection, after: int) -> NDArray[np.void]:
    """Return by channel what batches later than ``after`` stored or revised.

    A structured array of ``channel``, ``first`` and ``last`` (int64 µs), ``late`` (0 or 1: late or
    revised readings among them).
    """
    oldest = await conn.fetchval("select min(oldest) from batches where id > $1", after)
    if oldest is None:
        return np.empty(0, [("channel", "i4"), ("first", "i8"), ("last", "i8"), ("late", "i4")])
    arrival = int(Flag.LATE | Flag.REVISED)
    return await copy_out(conn, _UNJUDGED, after, oldest, arrival, fields=_UNJUDGED_FIELDS)


async def read_unclosed(
    conn: asyncpg.Connection, channels: NDArray[np.int32], newest: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return (channel, time) of the channels with readings that no block holds yet.

    The time is the end of the channel's last block; where it has none, 27 hours before its newest
    reading: the readings of its first block may be judged and the block not written.
    """
    rows = await conn.fetch(
        _UNCLOSED, channels.tolist(), [from_micros(moment) for moment in newest.tolist()]
    )
    by_channel = dict(zip(channels.tolist(), newest.tolist(), strict=True))
    return [
        (
            row["channel"],
            to_micros(row["finish"])
            if row["finish"]
            else by_channel[row["channel"]] - _FIRST_BLOCK,
        )
        for row in rows
    ]


_SERIES_FIELDS: Fields = (
    ("channel", "int4"),
    ("time", "timestamptz"),
    ("value", "float8"),
    ("valid", "int4"),
    ("status", "int2"),
)

# What the batches up to $4 said, whatever came later: the newest revision among them.
_SERIES = f"""
select channel, time, coalesce(value, 'NaN') as value,
       (status = 0 and flags & {int(Flag.RANGE)} = 0 and value is not null)::int as valid,
       status
from (
    select distinct on (channel, time) channel, time, value, status, flags
    from all_readings
    where channel = any($1::int4[]) and time >= $2 and time <= $3 and batch <= $4
    order by channel, time, revision desc
) known order by channel, time
"""  # noqa: S608 - only our own number is put in


async def read_series(
    conn: asyncpg.Connection, channels: list[int], start: int, end: int, batch: int
) -> NDArray[np.void]:
    """Return readings in [start, end] as the batches up to ``batch`` left them.

    A structured array by channel and time: ``channel``, ``time`` (int64 µs), ``value`` (NaN: none),
    ``valid`` (1: enters averages) and ``status``.
    """
    limits = (from_micros(start), from_micros(end))
    return await copy_out(conn, _SERIES, channels, *limits, batch, fields=_SERIES_FIELDS)


_JUDGEMENT_FIELDS: Fields = (
    ("limit", "int4"),
    ("version", "int4"),
    ("start", "timestamptz"),
    ("mean", "float8"),
    ("count", "int4"),
    ("expected", "int4"),
    ("state", "int2"),
)
_JUDGEMENTS = """
select "limit", limit_version as version, start, coalesce(mean, 'NaN') as mean, count, expected,
       state
from current_judgements
where "limit" = any($1::int4[]) and start >= $2 and start < $3 order by "limit", start
"""


async def read_judgements(
    conn: asyncpg.Connection, limits: list[int], start: int, end: int
) -> NDArray[np.void]:
    """Return the current judgements of blocks that start in [start, end), by limit and start."""
    bounds = (from_micros(start), from_micros(end))
    return await copy_out(conn, _JUDGEMENTS, limits, *bounds, fields=_JUDGEMENT_FIELDS)


async def readings_kept_from(conn: asyncpg.Connection) -> int | None:
    """Return the time (µs) before which raw readings were dropped, None where none were."""
    moment = await conn.fetchval("select readings_from from installation")
    return None if moment is None else to_micros(moment)
