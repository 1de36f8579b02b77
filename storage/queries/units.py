"""Units: whether they are there, and which of their messages have not come."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from storage.queries.page import Item, Key, Page, Part, paged, rfc3339
from storage.queries.scope import unit_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncpg import Connection, Record

    from storage.queries.scope import Scope

BEFORE_ALL: Key = (0,)
_LAST_SEQ = 2**63 - 1

# Units of the registry in force, and former ones as long as something is known of them.
_UNITS = """
select u.id, u.enterprise, u.unit, coalesce(s.state, 'unknown') as state, s.firmware, s.at
from units u left join unit_states s on s.unit = u.id
left join lateral (
    select ended from unit_versions where unit = u.id and effective <= now()
    order by version desc limit 1) v on true
where u.id > $1 and ($2::int[] is null or u.id = any($2))
  and (v.ended is false or exists (select from boots b where b.unit = u.id))
order by u.id limit $3
"""

# Ranges of sequence numbers received: those rolled up, and those of the batches since.
_BOOTS = """
with told as (select batch from progress where follower = 'ledger'),
recent as (
    select t.boot, t.first, t.last, b.received_at
    from batches b, unnest(b.boots, b.seq_first, b.seq_last) as t(boot, first, last)
    where b.id > (select batch from told)
), ranges as (
    select boot, range_agg(int8range(first, nullif(last, 9223372036854775807) + 1)) as received,
           max(received_at) as last_at
    from recent group by boot
)
select b.id, b.unit, b.boot, greatest(b.last_at, r.last_at) as last_at,
       array(select lower(part) from unnest(b.received + coalesce(r.received, '{}')) part
             order by 1) as firsts,
       array(select upper(part) from unnest(b.received + coalesce(r.received, '{}')) part
             order by lower(part)) as ends
from boots b left join ranges r on r.boot = b.id
where b.unit = any($1)
order by b.unit, b.id
"""


async def units(conn: Connection, scope: Scope, part: Part) -> Page:
    """Return the units with what each of their starts (boots) lacks; key: the unit's number."""
    rows = await conn.fetch(_UNITS, *part.after, await unit_ids(conn, scope), part.limit + 1)
    boots: dict[int, list[Record]] = defaultdict(list)
    for boot in await conn.fetch(_BOOTS, [row["id"] for row in rows]):
        boots[boot["unit"]].append(boot)
    return paged(rows, part.limit, lambda row: _item(row, boots[row["id"]]), "id")


def _item(row: Record, boots: list[Record]) -> Item:
    current: Any = boots[-1] if boots else None
    received = _ranges(current) if current else []
    former = ({"boot": boot["boot"], "ranges": _gaps(_ranges(boot))} for boot in boots[:-1])
    return {
        "enterprise": row["enterprise"],
        "unit": row["unit"],
        "state": row["state"],
        "boot": current["boot"] if current else None,
        "last_seen": rfc3339(max((boot["last_at"] for boot in boots), default=None)),
        "seq": received[-1][1] if received else None,
        "gaps": _gaps(received),
        "earlier_gaps": [boot for boot in former if boot["ranges"]],
        "firmware": row["firmware"],
        "state_at": rfc3339(row["at"]),
    }


def _ranges(boot: Record) -> list[tuple[int, int]]:
    ends: Iterable[int | None] = boot["ends"]
    return [
        (first, _LAST_SEQ if end is None else end - 1)
        for first, end in zip(boot["firsts"], ends, strict=True)
    ]


def _gaps(received: list[tuple[int, int]]) -> list[list[int]]:
    """Return the inclusive ranges between those received, which are in order and apart."""
    return [[before + 1, after - 1] for (_, before), (after, _) in pairwise(received)]
