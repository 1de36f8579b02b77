"""The ledger: what became of the messages and readings of each unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.queries.page import Item, Key, Page, Part, Span, paged
from storage.queries.scope import unit_ids

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from storage.queries.scope import Scope

BEFORE_ALL: Key = (-1,)

# Hours that were rolled up, and the batches since. Unit 0 stands for messages of no known unit:
# it has an item only when there were some, and none where units are asked for.
_LEDGER = """
with counts as (
    select unit, messages_stored, messages_duplicate, messages_quarantined, readings_stored,
           readings_duplicate, readings_revised, readings_quarantined
    from ledger where hour >= $1 and hour < $2
    union all
    select t.*
    from batches b, unnest(b.units, b.messages_stored, b.messages_duplicate,
                           b.messages_quarantined, b.readings_stored, b.readings_duplicate,
                           b.readings_revised, b.readings_quarantined) as t
    where b.id > (select batch from progress where follower = 'ledger')
      and date_trunc('hour', b.received_at, 'UTC') >= $1
      and date_trunc('hour', b.received_at, 'UTC') < $2
), sums as (
    select unit, sum(messages_stored)::bigint as messages_stored,
           sum(messages_duplicate)::bigint as messages_duplicate,
           sum(messages_quarantined)::bigint as messages_quarantined,
           sum(readings_stored)::bigint as readings_stored,
           sum(readings_duplicate)::bigint as readings_duplicate,
           sum(readings_revised)::bigint as readings_revised,
           sum(readings_quarantined)::bigint as readings_quarantined
    from counts
    where unit > $3 and ($4::int[] is null or unit = any($4))
    group by unit
), known as (
    select id, enterprise, unit from units
    where id > $3 and ($4::int[] is null or id = any($4))
    union all
    select 0, null, null where $3 < 0 and exists (select from sums where unit = 0)
)
select k.id, k.enterprise, k.unit, s.messages_stored, s.messages_duplicate,
       s.messages_quarantined, s.readings_stored, s.readings_duplicate, s.readings_revised,
       s.readings_quarantined
from known k left join sums s on s.unit = k.id
order by k.id limit $5
"""


async def ledger(conn: Connection, scope: Scope, span: Span, part: Part) -> Page:
    """Return the counts of each unit over the UTC hours of receipt in ``span``; key: unit."""
    ids = await unit_ids(conn, scope)
    rows = await conn.fetch(_LEDGER, span.start, span.end, *part.after, ids, part.limit + 1)
    return paged(rows, part.limit, _item, "id")


def _item(row: Record) -> Item:
    messages = {name: row[f"messages_{name}"] or 0 for name in _MESSAGES}
    readings = {name: row[f"readings_{name}"] or 0 for name in _READINGS}
    return {
        "enterprise": row["enterprise"],
        "unit": row["unit"],
        "messages": {"received": sum(messages.values()), **messages},
        "readings": {"received": sum(readings.values()), **readings},
    }


_MESSAGES = ("stored", "duplicate", "quarantined")
_READINGS = ("stored", "duplicate", "revised", "quarantined")
