"""Channels of the registry as it was in force at a time."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from storage.queries.durations import duration_text
from storage.queries.page import Item, Key, Page, Part, paged

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (0,)

_LIST = """
with latest as (
    select distinct on (channel) * from channel_versions
    where effective <= $1 and channel > $2 and ($3::int[] is null or channel = any($3))
      and recipe is null
    order by channel, version desc
), shown as (
    select * from latest where not ended order by channel limit $4
), mappings as (
    select distinct on (unit) unit, ended, keys, channels from unit_versions
    where effective <= $1 order by unit, version desc
), reports as (
    select distinct on (t.channel) t.channel, t.key, u.unit
    from mappings m join units u on u.id = m.unit, unnest(m.keys, m.channels) as t(key, channel)
    where not m.ended order by t.channel, m.unit
)
select c.id, c.enterprise, c.source, c.channel, s.parameter, s.uom, s.range_low, s.range_high,
       s.period_us, s.basis, s.missing, s.stuck_after_us, s.max_step, s.agreement,
       r.unit, r.key
from shown s join channels c on c.id = s.channel left join reports r on r.channel = s.channel
order by c.id
"""


async def channels(
    conn: Connection,
    numbers: list[int] | None,
    at: datetime,
    part: Part,
) -> Page:
    """Return the channels in force at a time, by number; key: the number. None means all."""
    rows = await conn.fetch(_LIST, at, *part.after, numbers, part.limit + 1)
    return paged(rows, part.limit, _item, "id")


def _item(row: Record) -> Item:
    ends = [end if isfinite(end) else None for end in (row["range_low"], row["range_high"])]
    return {
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "parameter": row["parameter"],
        "uom": row["uom"],
        "range": None if ends == [None, None] else ends,
        "period": duration_text(row["period_us"]),
        "basis": row["basis"],
        "missing": row["missing"],
        "stuck_after": duration_text(row["stuck_after_us"]) if row["stuck_after_us"] else None,
        "max_step": row["max_step"] if isfinite(row["max_step"]) else None,
        "agreement": row["agreement"],
        "unit": row["unit"],
        "key": row["key"],
    }
