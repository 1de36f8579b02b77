"""Reported means beside ours: which are due to be compared, and the courses they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from alerts.core.records import BlockRows

Place = tuple[int, int, int]  # channel, window and start in microseconds

# Locked, so that news of the same means waits until they are compared and is due again then.
_LOCK = """
select channel, window_s, start from reported_due d
where channel = any($1::int4[]) and exists (
    select from blocks b
    where b.channel = d.channel and b.window_s = d.window_s and b.start = d.start)
order by channel, window_s, start limit $2 for update of d
"""
# The newest of both; a block without a valid reading, or of another length, is none to compare.
_BESIDE = """
select r.channel, r.window_s, r.start, r.finish, r.value as reported, b.mean as ours, v.agreement,
       v.range_low, v.range_high, r.revision = 0 and b.revision = 0 as first_time,
       r.status = 0 and r.value is not null and b.mean is not null and b.finish = r.finish
       and 3 * b.count >= 2 * b.expected as comparable
from {places}
cross join lateral (
    select * from reported_averages
    where channel = w.channel and window_s = w.window_s and start = w.start
    order by revision desc limit 1) r
cross join lateral (
    select mean, count, expected, finish, revision from blocks
    where channel = w.channel and window_s = w.window_s and start = w.start
    order by revision desc limit 1) b
cross join lateral (
    select agreement, range_low, range_high from channel_versions
    where channel = w.channel
    order by effective < r.finish desc,
             case when effective < r.finish then -version else version end
    limit 1) v
order by r.channel, r.window_s, r.start
"""
_DUE = _BESIDE.format(
    places="unnest($1::int4[], $2::int4[], $3::timestamptz[]) as w (channel, window_s, start)"
)
_COURSE = _BESIDE.format(
    places="""(select distinct channel, window_s, start from reported_averages
     where channel = $1 and window_s = $2 and start >= $3 and finish >= $4) as w"""
)
_FOLLOWED = """
select w.place - 1 as place
from unnest($1::int4[], $2::int4[], $3::timestamptz[])
     with ordinality as w (channel, window_s, start, place)
where exists (
    select from reported_averages r
    where r.channel = w.channel and r.window_s = w.window_s and r.start > w.start
      and not exists (select from reported_due d where d.channel = r.channel
                      and d.window_s = r.window_s and d.start = r.start))
"""
_DONE = """
delete from reported_due d
using unnest($1::int4[], $2::int4[], $3::timestamptz[]) as w (channel, window_s, start)
where d.channel = w.channel and d.window_s = w.window_s and d.start = w.start
"""
_CHANGED = """
insert into reported_due (channel, window_s, start)
select distinct w.* from unnest($1::int4[], $2::int4[], $3::timestamptz[])
    as w (channel, window_s, start)
where exists (select from reported_averages r where r.channel = w.channel
              and r.window_s = w.window_s and r.start = w.start)
  and exists (select from blocks b where b.channel = w.channel
              and b.window_s = w.window_s and b.start = w.start and b.revision > 0)
order by channel, window_s, start
on conflict (channel, window_s, start) do update set start = excluded.start
returning channel
"""
_HOUR = 3_600_000_000
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Beside:
    """A reported mean and ours of a block [start, finish), in microseconds.

    ``comparable``: both are there, both are valid and ours has 2/3 of its readings. ``first_time``:
    neither was ever another. ``share`` is the agreement asked for when the block ended.
    """

    channel: int
    window: int
    start: int
    finish: int
    reported: float | None
    ours: float | None
    share: float
    low: float
    high: float
    first_time: bool
    comparable: bool


async def due_channels(conn: asyncpg.Connection) -> set[int]:
    """Return the channels with means that are to be compared."""
    rows = await conn.fetch("select distinct channel from reported_due")
    return {row["channel"] for row in rows}


async def lock_due(conn: asyncpg.Connection, channels: Sequence[int], limit: int) -> list[Place]:
    """Return means of channels that are due and whose block is there, locked to be compared."""
    rows = await conn.fetch(_LOCK, list(channels), limit)
    return [(row["channel"], row["window_s"] * _SECOND, to_micros(row["start"])) for row in rows]


async def read_due(conn: asyncpg.Connection, places: Sequence[Place]) -> list[Beside]:
    """Return what was locked, by channel, window and start."""
    return [_beside(row) for row in await conn.fetch(_DUE, *_columns(places))]


async def read_course(
    conn: asyncpg.Connection, channel: int, window: int, since: int
) -> list[Beside]:
    """Return the means of one series whose blocks end at ``since`` (us) or later, by start."""
    # A day may be an hour longer or more, and its last block with it.
    earliest = from_micros(since - window - 3 * _HOUR)
    seconds = window // _SECOND
    rows = await conn.fetch(_COURSE, channel, seconds, earliest, from_micros(since))
    return [_beside(row) for row in rows]


async def are_followed(conn: asyncpg.Connection, places: Sequence[Place]) -> list[bool]:
    """Tell after which of these later means of the same series were compared already."""
    rows = await conn.fetch(_FOLLOWED, *_columns(places))
    followed = {row["place"] for row in rows}
    return [place in followed for place in range(len(places))]


async def done(conn: asyncpg.Connection, places: Sequence[Place]) -> None:
    """Note that these were compared."""
    await conn.execute(_DONE, *_columns(places))


async def note_changed(conn: asyncpg.Connection, blocks: BlockRows) -> set[int]:
    """Note that blocks of ours are other ones now; return the channels with means beside them."""
    if not len(blocks) or not await conn.fetchval("select exists (select from reported_averages)"):
        return set()
    rows = zip(blocks.channel.tolist(), blocks.window.tolist(), blocks.start.tolist(), strict=True)
    return {row["channel"] for row in await conn.fetch(_CHANGED, *_columns(list(rows)))}


def _beside(row: asyncpg.Record) -> Beside:
    return Beside(
        row["channel"],
        row["window_s"] * _SECOND,
        to_micros(row["start"]),
        to_micros(row["finish"]),
        row["reported"],
        row["ours"],
        row["agreement"],
        row["range_low"],
        row["range_high"],
        row["first_time"],
        row["comparable"],
    )


def _columns(places: Sequence[Place]) -> list[list[Any]]:
    return [
        [channel for channel, _, _ in places],
        [window // _SECOND for _, window, _ in places],
        [from_micros(start) for _, _, start in places],
    ]
