"""Invalidations as the API shows them: who said what of which stretch, and how far it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, -1)

_FIELDS = """
select i.id, c.enterprise, c.source, c.channel, i.start, i.finish, status_name(i.status) as status,
       i.reason, i.by, i.requested_at, i.state, i.done_until, i.readings, i.restored, i.restore,
       (select readings_from from installation) as readings_from
from invalidations i join channels c on c.id = i.channel
"""
_LIST = f"""{_FIELDS}
where i.start >= $1 and i.start < $2 and (i.start, i.id) > ($3, $4::bigint)
  and ($5::int[] is null or i.channel = any($5)) and ($6::text is null or i.state = $6)
order by i.start, i.id limit $7
"""
_BY_ID = f"{_FIELDS} where i.id = any($1::bigint[]) order by i.id"


async def invalidations(
    conn: Connection, channels: list[int] | None, span: Span, part: Part, state: str | None = None
) -> Page:
    """Return invalidations by the start of their stretch, then id; key: those two."""
    start = max(span.start, part.after[0])
    rows = await conn.fetch(_LIST, start, span.end, *part.after, channels, state, part.limit + 1)
    return paged(rows, part.limit, _item, "start", "id")


async def invalidation_items(conn: Connection, ids: Sequence[int]) -> list[Item]:
    """Return those of these numbers, by number."""
    return [_item(row) for row in await conn.fetch(_BY_ID, list(ids))]


def _item(row: Record) -> Item:
    restore = row["restore"]
    kept = row["readings_from"]
    return {
        "id": row["id"],
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "start": rfc3339(row["start"]),
        "end": rfc3339(row["finish"]),
        "status": row["status"],
        "reason": row["reason"],
        "by": row["by"],
        "requested_at": rfc3339(row["requested_at"]),
        "state": row["state"],
        "done_until": rfc3339(row["done_until"]),
        "readings": row["readings"],
        "restored": None if restore is None else {**restore, "readings": row["restored"]},
        "readings_from": rfc3339(kept) if kept is not None and kept > row["start"] else None,
    }
