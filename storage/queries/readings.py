"""Readings: current ones, all their revisions, or as they were known at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alerts.core.vocabulary import Flag
from storage.queries.course import course_flags_of
from storage.queries.known import MOST_AHEAD, first_batch_later
from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, -1, -1)
_ALL_BATCHES = 2**62

# $1 <= time < $2, behind key ($3, $4, $5), channels $6 (null: all), batches below $7, $8 rows.
# Both branches stop by themselves after $8 rows in order of the key, so that a page costs the
# same wherever it lies.
_CURRENT = """
with base as (
    select r.time, r.channel, r.value, r.status, r.flags, r.batch, 0::smallint as revision
    from readings r
    where r.time >= $1 and r.time < $2 and (r.time, r.channel) > ($3, $4::bigint)
      and ($6::int[] is null or r.channel = any($6)) and r.batch < $7
      and not exists (select from revisions v
                      where v.channel = r.channel and v.time = r.time and v.batch < $7)
    order by r.time, r.channel limit $8
), revised as (
    select distinct on (time, channel) time, channel, value, status, flags, batch, revision
    from revisions
    where time >= $1 and time < $2 and (time, channel) > ($3, $4::bigint)
      and ($6::int[] is null or channel = any($6)) and batch < $7
    order by time, channel, revision desc limit $8
), shown as (
    select * from base union all select * from revised order by time, channel limit $8
)
"""

_EVERY_REVISION = """
with base as (
    select time, channel, value, status, flags, batch, 0::smallint as revision
    from readings
    where time >= $1 and time < $2 and (time, channel) >= ($3, $4::bigint)
      and (time, channel, 0) > ($3, $4::bigint, $5::int)
      and ($6::int[] is null or channel = any($6)) and batch < $7
    order by time, channel limit $8
), revised as (
    select time, channel, value, status, flags, batch, revision
    from revisions
    where time >= $1 and time < $2 and (time, channel, revision) > ($3, $4::bigint, $5::int)
      and ($6::int[] is null or channel = any($6)) and batch < $7
    order by time, channel, revision limit $8
), shown as (
    select * from base union all select * from revised
    order by time, channel, revision limit $8
)
"""

# A batch that is gone by retention leaves its readings without a time of receipt.
_NAMED = """
select s.time, s.channel as number, s.value, s.revision, s.status as code,
       status_name(s.status) as status, s.flags, c.enterprise, c.source, c.channel, b.received_at
from shown s join channels c on c.id = s.channel left join batches b on b.id = s.batch
where $5::int is not null
order by s.time, s.channel, s.revision
"""

_EXTENT = "select min(time) as first, max(time) as last from readings"

# A page is looked for one day after the other, then in longer steps: a single statement would
# search every day's partition for the first row of a channel before it answers with any.
_FIRST_STEP, _LONGEST_STEP = timedelta(days=1), timedelta(days=32)


async def readings(  # noqa: PLR0913 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    span: Span,
    part: Part,
    *,
    every_revision: bool = False,
    known_at: datetime | None = None,
) -> Page:
    """Return readings by time, channel and revision; key: those three.

    ``channels`` None means all. ``known_at``: only what was received until then, revisions
    included, so that the answer is what it would have been at that time. Of all revisions of a
    reading only the current one has the flags stuck and jump.
    """
    extent = await conn.fetchrow(_EXTENT)
    if extent["first"] is None:
        return Page([], None)
    start = max(span.start, part.after[0], extent["first"])
    end = min(span.end, extent["last"] + timedelta(microseconds=1))
    bound = _ALL_BATCHES
    if known_at is not None:
        bound = await first_batch_later(conn, known_at)
        if known_at < end - MOST_AHEAD:
            end = known_at + MOST_AHEAD
    query = (_EVERY_REVISION if every_revision else _CURRENT) + _NAMED
    rows: list[Record] = []
    step = _FIRST_STEP
    while start < end and len(rows) <= part.limit:
        until = min(start + step, end)
        more = part.limit + 1 - len(rows)
        # An index search begins at the key: it must not lie before the span.
        after = max(part.after, (start, -1, -1))
        rows += await conn.fetch(query, start, until, *after, channels, bound, more)
        start, step = until, min(2 * step, _LONGEST_STEP)
    derived = await course_flags_of(conn, rows, bound)
    page = paged(rows, part.limit, _item, "time", "number", "revision")
    masks = [row["flags"] | mask for row, mask in zip(rows, derived, strict=True)]
    names = {mask: Flag.labels(mask) for mask in set(masks)}
    for item, mask in zip(page.items, masks, strict=False):  # the row behind the page has no item
        item["flags"] = names[mask]
    return page


def _item(row: Record) -> Item:
    return {
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "time": rfc3339(row["time"]),
        "value": row["value"],
        "status": row["status"],
        "flags": row["flags"],  # names take the mask's place
        "revision": row["revision"],
        "received_at": rfc3339(row["received_at"]),
    }
