"""Sources of the registry as it was in force at a time."""

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
    where kind = 'source' and effective <= $1 and path > $2
      and ($3::text is null or split_part(path, '/', 1) = $3)
      and ($4::text is null or split_part(path, '/', 2) = $4)
    order by path, version desc) latest
where definition is not null and not $5::bool
order by path limit $6
"""


async def sources(conn: Connection, scope: Scope, at: datetime, part: Part) -> Page:
    """Return the sources in force at a time, by path; key: the path."""
    rows = await conn.fetch(
        _LIST, at, *part.after, scope.enterprise, scope.source, scope.nothing, part.limit + 1
    )
    return paged(rows, part.limit, _item, "path")


def _item(row: Record) -> Item:
    enterprise, _, source = row["path"].partition("/")
    said = row["definition"]
    return {
        "enterprise": enterprise,
        "source": source,
        "number": said.get("number"),
        "name": said.get("name"),
        "position": said.get("position"),
    }
