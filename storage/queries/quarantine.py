"""The quarantine: what was set aside."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from storage.queries.scope import Scope

BEFORE_ALL: Key = (FIRST_INSTANT, -1)

_FIELDS = """
select id, topic, enterprise, unit, key, reason, detail, count, first_at, last_at, state, payload
from quarantine
"""
_LIST = f"""{_FIELDS}
where last_at >= $1 and last_at < $2 and (last_at, id) > ($3, $4)
  and ($5::text is null or enterprise = $5) and ($6::text is null or unit = $6)
  and ($7::text is null or state = $7) and not $8::bool
order by last_at, id limit $9
"""
_ONE = f"{_FIELDS} where id = $1"


async def quarantine(
    conn: Connection,
    scope: Scope,
    span: Span,
    part: Part,
    *,
    state: str | None = None,
) -> Page:
    """Return items by the time of their last receipt, then id; key: those two."""
    rows = await conn.fetch(
        _LIST,
        max(span.start, part.after[0]),
        span.end,
        *part.after,
        scope.enterprise,
        scope.unit,
        state,
        scope.nothing,
        part.limit + 1,
    )
    return paged(rows, part.limit, _item, "last_at", "id")


async def quarantine_item(conn: Connection, number: int) -> Item | None:
    """Return one item, None where there is no such."""
    row = await conn.fetchrow(_ONE, number)
    return None if row is None else _item(row)


def _item(row: Record) -> Item:
    return {
        "id": row["id"],
        "topic": row["topic"],
        "enterprise": row["enterprise"],
        "unit": row["unit"],
        "key": row["key"],
        "reason": row["reason"],
        "detail": row["detail"],
        "count": row["count"],
        "first_at": rfc3339(row["first_at"]),
        "last_at": rfc3339(row["last_at"]),
        "state": row["state"],
        "payload": b64encode(row["payload"]).decode("ascii"),
    }
