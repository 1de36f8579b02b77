"""Judgements of blocks by limits: the legal record, with the blocks that could not be assessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.queries.averages import emptied_blocks, empty_periods, figures, revision
from storage.queries.blocks import Block, Stored, blocks_page, series_of
from storage.queries.extents import (
    MOST_SERIES,
    Calendar,
    TooManySeries,
    first_readings,
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

# The versions of each limit: version i judges windows that end after "after" and not after
# "until", which is where any later version begins to apply. "last": end of the newest judgement.
_VERSIONS = """
select l.id, l.channel as number, l.window_us, v.version,
       greatest(v.effective, v.valid_from) as after,
       least(v.valid_until, '9999-12-31Z', (
           select min(w.effective) from limit_versions w
           where w."limit" = v."limit" and w.version > v.version and w.version <= $5)) as until,
       c.enterprise,
       (select j.finish from judgements j
        where j."limit" = l.id and j.start <= $4 and j.known_at <= $4
        order by j.start desc limit 1) as last
from limits l join limit_versions v on v."limit" = l.id join channels c on c.id = l.channel
where ($1::int[] is null or l.channel = any($1)) and ($2::bigint is null or l.window_us = $2)
  and not v.ended and v.rule is null and v.version <= $5
order by l.id, v.version limit $3
"""

# What items show of a version; stored judgements name theirs, also if it applies no longer.
_SHOWN = """
select v."limit" as id, v.version, v.value, v.uom, l.permit, l.average, l.channel as number,
       c.enterprise, c.source, c.channel,
       (select p.parameter from channel_versions p where p.channel = l.channel
        order by p.version desc limit 1) as parameter
from limit_versions v join limits l on l.id = v."limit" join channels c on c.id = l.channel
where v."limit" = any($1)
"""

_IDS = """
select l.id from limits l
where ($1::int[] is null or l.channel = any($1)) and ($2::bigint is null or l.window_us = $2)
  and l.condition = ''
order by l.id limit $3
"""

# A block that a revision emptied is as if it were never judged: only the order of arrival made it.
_BETWEEN = """
select start, finish, id, mean, count, expected, limit_version, state, revision, known_at from (
    select distinct on (start, "limit") start, finish, "limit" as id, mean, count, expected,
           limit_version, judgement_name(state) as state, revision, known_at
    from judgements
    where "limit" = any($1) and start >= $2 and start <= $4
      and (start, "limit") > ($2, $3::bigint) and (start, "limit") <= ($4, $5::bigint)
      and known_at <= $7
    order by start, "limit", revision desc) known
where count > 0 order by start, id limit $6
"""

_OVERLAPPING = """
select c.n - 1 as place
from unnest($1::int[], $2::timestamptz[], $3::timestamptz[])
     with ordinality c("limit", start, finish, n)
where exists (
    select from judgements j
    where j."limit" = c."limit" and j.finish > c.start and j.start < c.finish
      and j.start > c.start - interval '2 days' and j.count > 0 and j.known_at <= $4
      and not exists (
          select from judgements n
          where n."limit" = j."limit" and n.start = j.start and n.revision > j.revision
            and n.known_at <= $4))
"""

# What is known of judgements that a revision emptied.
_EMPTIED = """
select c.n - 1 as place, j.revision, j.known_at
from unnest($1::int[], $2::timestamptz[]) with ordinality c("limit", start, n)
join lateral (
    select revision, known_at from judgements
    where "limit" = c."limit" and start = c.start and known_at <= $3
    order by revision desc limit 1) j on true
"""


async def judgements(  # noqa: PLR0913, PLR0917 - what is asked, and when
    conn: Connection,
    channels: list[int] | None,
    window: int | None,
    span: Span,
    part: Part,
    calendar: Calendar,
    known: Known = EVERYTHING,
) -> Page:
    """Return a judgement for each limit and block, by start and limit; key: those two.

    Blocks without a valid reading are not assessable. They are shown from the channel's first
    reading or the limit's start, whichever is later, as far as the channel is known to be silent.
    ``window`` (microseconds) None means all. ``known``: as they were known then; ``calendar.now``
    is that time. Raises TooManySeries.
    """
    ids = [row["id"] for row in await conn.fetch(_IDS, channels, window, MOST_SERIES + 1)]
    if len(ids) > MOST_SERIES:
        raise TooManySeries
    bounds = (known.at, known.version)
    versions = await conn.fetch(_VERSIONS, channels, window, 10 * MOST_SERIES, *bounds)
    rows = await _rows(conn, versions, calendar, known)
    series = series_of([row[:5] for row in rows])
    blocks, following = await blocks_page(series, _stored(conn, ids, known), span, part)
    shown = {
        (row["id"], row["version"]): row
        for row in await conn.fetch(_SHOWN, list({block.id for block in blocks}))
    }
    channel_of = {row["id"]: row["number"] for row in shown.values()}
    periods = await empty_periods(conn, blocks, channel_of)
    emptied = await emptied_blocks(conn, blocks, _EMPTIED, known.at)
    items = []
    for block, period, again in zip(blocks, periods, emptied, strict=True):
        stored = block.stored
        version = rows[block.row or 0][5] if stored is None else stored["limit_version"]
        item = _item(shown[block.id, version], block, period)
        items.append({**item, **revision(stored or again)})
    return Page(items, following)


async def _rows(
    conn: Connection, versions: Sequence[Record], calendar: Calendar, known: Known
) -> list[tuple[int, int, str, int, int, int]]:
    """Return (limit, window, zone, low, high, version) for each version that judges anything."""
    start = {row["id"]: to_micros(row["after"]) for row in reversed(versions)}
    channels = {row["number"] for row in versions}
    newest = await newest_readings(conn, sorted(channels), known)
    needed: dict[int, int] = {}
    for row in versions:
        needed[row["number"]] = min(start[row["id"]], needed.get(row["number"], start[row["id"]]))
    first = await first_readings(conn, newest, needed, known)
    judged = [row for row in versions if row["number"] in first]
    since = [
        to_micros(row["last"]) if row["last"] else max(start[row["id"]], first[row["number"]])
        for row in judged
    ]
    silent = await silent_until(
        conn,
        zip((row["number"] for row in judged), since, strict=True),
        newest,
        calendar.now,
        known,
    )
    zone_of = await zones(conn, calendar)
    return [
        (
            row["id"],
            row["window_us"],
            zone_of(row["enterprise"]),
            max(to_micros(row["after"]), first[row["number"]]),
            min(to_micros(row["until"]), max(until, begun)),
            row["version"],
        )
        for row, begun, until in zip(judged, since, silent, strict=True)
    ]


def _stored(conn: Connection, ids: list[int], known: Known) -> Stored:
    async def between(after: Key, last: Key, limit: int) -> Sequence[Record]:
        rows: Sequence[Record] = await conn.fetch(_BETWEEN, ids, *after, *last, limit, known.at)
        return rows

    async def overlapping(
        numbers: list[int], starts: list[datetime], ends: list[datetime]
    ) -> set[int]:
        rows = await conn.fetch(_OVERLAPPING, numbers, starts, ends, known.at)
        return {row["place"] for row in rows}

    return Stored(between, overlapping)


def _item(limit: Record, block: Block, period: int) -> Item:
    stored: Any = block.stored
    return {
        "enterprise": limit["enterprise"],
        "source": limit["source"],
        "channel": limit["channel"],
        "parameter": limit["parameter"],
        "window": limit["average"],
        "start": rfc3339(block.start),
        "end": rfc3339(block.end),
        **figures(block, period),
        "state": "not_assessable" if stored is None else stored["state"],
        "limit": limit["value"],
        "uom": limit["uom"],
        "permit": limit["permit"],
        "limit_version": limit["version"],
    }
