"""Enterprises of the registry as it was in force at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.queries.page import Item, Key, Page, Part, paged

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

    from storage.queries.scope import Scope

BEFORE_ALL: Key = ("",)

_LIST = """
select path, definition from (
    select distinct on (path) path, definition from entity_versions
    where kind = 'enterprise' and effective <= $1 and path > $2
      and ($3::text is null or path = $3)
    order by path, version desc) latest
where definition is not null and not $4::bool
order by path limit $5
"""


async def enterprises(conn: Connection, scope: Scope, at: datetime, part: Part) -> Page:
    """Return the enterprises in force at a time, by id; key: the id."""
    rows = await conn.fetch(_LIST, at, *part.after, scope.enterprise, scope.nothing, part.limit + 1)
    return paged(rows, part.limit, _item, "path")


def _item(row: Record) -> Item:
    said = row["definition"]
    return {
        "enterprise": row["path"],
        "name": said.get("name"),
        "bin": said.get("bin"),
        "region": said.get("region"),
        "category": said.get("category"),
        "reporting_zone": said.get("reporting_zone"),
    }
