"""Limits of the registry as it was in force at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.queries.durations import duration_text
from storage.queries.page import Item, Key, Page, Part, paged, rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (0,)

_LIST = """
with latest as (
    select distinct on (v."limit") v.*, l.permit, l.channel, l.average, l.condition
    from limits l join limit_versions v on v."limit" = l.id
    where v.effective <= $1 and l.id > $2 and ($3::int[] is null or l.channel = any($3))
      and not coalesce(v.rule ? 'record', false)
    order by v."limit", v.version desc
)
select v."limit" as id, c.enterprise, c.source, c.channel, v.permit, p.parameter, v.average,
       v.value, v.uom, v.version, v.valid_from, v.valid_until, v.coverage, v.warn_at, v.clear_at,
       v.open_after_us, v.clear_after_us, nullif(c.basis, '') as basis, v.rule
from latest v join channels c on c.id = v.channel
left join lateral (
    select parameter from channel_versions
    where channel = v.channel and effective <= $1 order by version desc limit 1) p on true
where not v.ended
order by v."limit" limit $4
"""


async def limits(
    conn: Connection,
    channels: list[int] | None,
    at: datetime,
    part: Part,
) -> Page:
    """Return the limits in force at a time, by number; key: the number.

    They are those of the registry, within the permit's validity or not.
    """
    rows = await conn.fetch(_LIST, at, *part.after, channels, part.limit + 1)
    return paged(rows, part.limit, _item, "id")


def _item(row: Record) -> Item:
    return {
        "id": row["id"],
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "permit": row["permit"],
        "parameter": row["parameter"],
        "average": row["average"],
        "value": row["value"],
        "uom": row["uom"],
        "version": row["version"],
        "valid_from": rfc3339(row["valid_from"]),
        "valid_until": rfc3339(row["valid_until"]),
        "coverage": row["coverage"],
        "warn_at": row["warn_at"],
        "clear_at": row["clear_at"],
        "open_after": duration_text(row["open_after_us"]),
        "clear_after": duration_text(row["clear_after_us"]),
        "basis": row["basis"],
        "rule": row["rule"],
    }
