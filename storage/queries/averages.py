"""Block averages: those stored, and the empty blocks between and after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import HOUR, MINUTE, SECOND
from storage.queries.blocks import Block, Stored, blocks_page, series_of
from storage.queries.extents import (
    MOST_SERIES,
    Calendar,
    TooManySeries,
    newest_readings,
    silent_until,
    zones,
)
from storage.queries.known import EVERYTHING
from storage.queries.page import Item, Key, Page, Part, rfc3339
from storage.times import to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asyncpg import Connection, Record

    from storage.queries.known import Known
    from storage.queries.page import Span

_FOR_ALL_CHANNELS = (20 * MINUTE, HOUR)

# A block that a revision emptied is as if it were never stored: only the order of arrival made it.
# No block was known before its end.
_HOLDS = """b.samples > 0 and b.start <= {at} and b.known_at <= {at} and not exists (
            select from blocks n where n.channel = b.channel and n.window_s = b.window_s
            and n.start = b.start and n.revision > b.revision and n.known_at <= {at})"""
_HELD = _HOLDS.format(at="$5")

# Channels that may have blocks of this length, and where their stored blocks begin and end.
_CHANNELS = f"""
select c.id, c.enterprise, c.source, c.channel, c.basis,
       (select b.start from blocks b where b.channel = c.id and b.window_s = $2 and {_HELD}
        order by b.start limit 1) as first,
       (select b.finish from blocks b where b.channel = c.id and b.window_s = $2 and {_HELD}
        order by b.start desc limit 1) as last
from channels c
where ($1::int[] is null or c.id = any($1))
  and ($3::bigint is null or exists (
       select from limits l where l.channel = c.id and l.window_us = $3))
  and c.basis = $6
order by c.id limit $4
"""  # noqa: S608 - only our own condition is put in

_BETWEEN = """
select start, finish, id, mean, count, expected, revision, known_at from (
    select distinct on (start, channel) start, finish, channel as id, mean, count, expected,
           revision, known_at
    from blocks
    where window_s = $1 and channel = any($2) and start >= $3 and start <= $5
      and (start, channel) > ($3, $4::bigint) and (start, channel) <= ($5, $6::bigint)
      and known_at <= $8
    order by start, channel, revision desc) known
where count > 0 order by start, id limit $7
"""

_OVERLAPPING = f"""
select c.n - 1 as place
from unnest($2::int[], $3::timestamptz[], $4::timestamptz[])
     with ordinality c(channel, start, finish, n)
where exists (
    select from blocks b
    where b.channel = c.channel and b.window_s = $1 and b.finish > c.start
      and b.start < c.finish and b.start > c.start - interval '2 days' and {_HOLDS.format(at="$5")})
"""  # noqa: S608 - only our own condition is put in

# What is known of blocks that a revision emptied.
_EMPTIED = """
select c.n - 1 as place, b.revision, b.known_at
from unnest($1::int[], $2::timestamptz[]) with ordinality c(channel, start, n)
join lateral (
    select revision, known_at from blocks
    where channel = c.channel and window_s = $3 and start = c.start and known_at <= $4
    order by revision desc limit 1) b on true
"""

# The period in force for a block that ends then, else the channel's first.
PERIODS = """
select (select v.period_us from channel_versions v where v.channel = c.channel
        order by v.effective < c.finish desc,
                 case when v.effective < c.finish then -v.version else v.version end
        limit 1) as period
from unnest($1::int[], $2::timestamptz[]) with ordinality c(channel, finish, n)
order by c.n
"""


async def averages(  # noqa: PLR0913, PLR0917 - what is asked, and when
    conn: Connection,
    channels: list[int] | None,
    window: int,
    span: Span,
    part: Part,
    calendar: Calendar,
    known: Known = EVERYTHING,
    *,
    basis: str = "",
) -> Page:
    """Return block means of ``window`` (microseconds) by start and channel; key: those two.

    They are of what was measured, or of what is derived from it to ``basis``.
    Blocks without a valid reading have mean None and count 0. They are shown between a channel's
    first and last stored block, and after the last one as far as the channel is known to be
    silent. ``known``: as they were known then; ``calendar.now`` is that time. Raises TooManySeries.
    """
    found = await conn.fetch(
        _CHANNELS,
        channels,
        window // SECOND,
        None if window in _FOR_ALL_CHANNELS else window,
        MOST_SERIES + 1,
        known.at,
        basis,
    )
    if len(found) > MOST_SERIES:
        raise TooManySeries
    begun = {row["id"]: row for row in found if row["first"] is not None}
    ends = {row["id"]: to_micros(row["last"]) for row in begun.values()}
    newest = await newest_readings(conn, list(begun), known)
    until = await silent_until(conn, ends.items(), newest, calendar.now, known)
    zone_of = await zones(conn, calendar)
    series = series_of(
        [
            (
                row["id"],
                window,
                zone_of(row["enterprise"]),
                to_micros(row["first"]),
                max(high, ends[row["id"]]),
            )
            for row, high in zip(begun.values(), until, strict=True)
        ]
    )
    stored = _stored(conn, window, list(begun), known)
    blocks, following = await blocks_page(series, stored, span, part)
    periods = await empty_periods(conn, blocks, {number: number for number in begun})
    emptied = await emptied_blocks(conn, blocks, _EMPTIED, window // SECOND, known.at)
    items = [
        average_item(begun[block.id], block, period, again)
        for block, period, again in zip(blocks, periods, emptied, strict=True)
    ]
    return Page(items, following)


def _stored(conn: Connection, window: int, ids: list[int], known: Known) -> Stored:
    length = window // SECOND

    async def between(after: Key, last: Key, limit: int) -> Sequence[Record]:
        rows: Sequence[Record] = await conn.fetch(
            _BETWEEN, length, ids, *after, *last, limit, known.at
        )
        return rows

    async def overlapping(
        numbers: list[int], starts: list[datetime], ends: list[datetime]
    ) -> set[int]:
        rows = await conn.fetch(_OVERLAPPING, length, numbers, starts, ends, known.at)
        return {row["place"] for row in rows}

    return Stored(between, overlapping)


async def empty_periods(
    conn: Connection, blocks: list[Block], channel_of: dict[int, int]
) -> list[int]:
    """Return the channel's period (microseconds) of each empty block, 0 for the stored ones."""
    empty = [place for place, block in enumerate(blocks) if block.stored is None]
    rows = await conn.fetch(
        PERIODS,
        [channel_of[blocks[place].id] for place in empty],
        [blocks[place].end for place in empty],
    )
    periods = [0] * len(blocks)
    for place, row in zip(empty, rows, strict=True):
        periods[place] = row["period"]
    return periods


async def emptied_blocks(
    conn: Connection, blocks: list[Block], query: str, *more: object
) -> list[Record | None]:
    """Return of each empty block that once held readings its revision and since when it is known.

    ``query`` takes numbers and starts of blocks and whatever ``more`` there is; None: never held.
    """
    empty = [place for place, block in enumerate(blocks) if block.stored is None]
    found: list[Record | None] = [None] * len(blocks)
    if empty:
        numbers, starts = [blocks[n].id for n in empty], [blocks[n].start for n in empty]
        for row in await conn.fetch(query, numbers, starts, *more):
            found[empty[row["place"]]] = row
    return found


def average_item(channel: Record, block: Block, period: int, emptied: Record | None) -> Item:
    """Return a block as the API shows it."""
    return {
        "enterprise": channel["enterprise"],
        "source": channel["source"],
        "channel": channel["channel"],
        "basis": channel["basis"] or None,
        "start": rfc3339(block.start),
        "end": rfc3339(block.end),
        **figures(block, period),
        **revision(block.stored or emptied),
    }


def revision(row: Record | None) -> Item:
    """Return which revision a block is and since when it is known; None: it was never stored."""
    if row is None:
        return {"revision": 0, "known_at": None}
    return {"revision": row["revision"], "known_at": rfc3339(row["known_at"])}


def figures(block: Block, period: int) -> Item:
    """Return mean, count, expected and coverage of a block; ``period`` serves an empty one."""
    if block.stored is None:
        length = to_micros(block.end) - to_micros(block.start)
        return {"mean": None, "count": 0, "expected": -(-length // period), "coverage": 0.0}
    stored = block.stored
    return {
        "mean": stored["mean"],
        "count": stored["count"],
        "expected": stored["expected"],
        "coverage": stored["count"] / stored["expected"] if stored["expected"] else 0.0,
    }
