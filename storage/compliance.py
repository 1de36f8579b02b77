"""What compliance is judged by: conditions of limits, and the stored blocks that they rest on."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.compliance import Condition, Version
from alerts.core.periods import day_on_grid, duration
from alerts.core.rules import Rule
from storage.copy import Fields, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection
    from numpy.typing import NDArray

# All versions; one judges until the effect of a later one begins, so some judge nothing.
_CONDITIONS = """
select * from (
    select l.id as "limit", l.channel, l.permit, v.version, v.rule::text, v.ended,
           greatest(v.effective, v.valid_from) as after,
           least(v.valid_until, '9999-12-31Z', (
               select min(w.effective) from limit_versions w
               where w."limit" = v."limit" and w.version > v.version)) as until,
           concat_ws('/', c.enterprise, c.source, c.channel) as path,
           coalesce(e.definition ->> 'reporting_zone', $2) as zone
    from limits l join limit_versions v on v."limit" = l.id join channels c on c.id = l.channel
    left join lateral (
        select definition from entity_versions
        where kind = 'enterprise' and path = c.enterprise and definition is not null
        order by version desc limit 1) e on true
    where l.channel = any($1) and v.rule ? 'statistic') known
order by "limit", after
"""

_BLOCK_FIELDS: Fields = (
    ("channel", "int4"),
    ("start", "timestamptz"),
    ("mean", "float8"),
    ("total", "float8"),
    ("count", "int4"),
    ("expected", "int4"),
    ("revision", "int4"),
)
# All revisions, in no order: to sort millions of rows for the few that have any takes longer than
# to read them.
_BLOCKS = """
select channel, start, coalesce(mean, 'NaN') as mean, total, count, expected, revision
from blocks
where channel = any($1::int4[]) and window_s = $2 and start >= $3 and start < $4
"""

_FIRST = """
select w.channel, b.start
from unnest($1::int4[]) as w (channel)
cross join lateral (
    select start from blocks where channel = w.channel and window_s = $2
    order by start limit 1) b
"""


async def read_conditions(
    conn: Connection, channels: Sequence[int], default_zone: str
) -> list[Condition]:
    """Return the conditions on the values of channels, by number, each with its versions.

    One that a registry took back from its very beginning has none.

    ``default_zone`` is where days begin for enterprises that name no zone.
    """
    found: dict[int, Condition] = {}
    versions: dict[int, list[Version]] = {}
    for row in await conn.fetch(_CONDITIONS, list(channels), default_zone):
        number = row["limit"]
        family = f"{row['permit']} {row['path']}"
        found[number] = Condition(number, row["channel"], family, row["zone"], ())
        mine = versions.setdefault(number, [])
        rule = _rule(row["rule"])
        grid = duration(rule.short_term).grid
        after, until = (
            day_on_grid(row["zone"], to_micros(row[name]), grid) for name in ("after", "until")
        )
        if after < until and not row["ended"]:
            mine.append(Version(row["version"], after, until, rule))
    return [
        Condition(one.limit, one.channel, one.family, one.zone, tuple(versions[number]))
        for number, one in found.items()
    ]


@lru_cache(65_536)  # the rules of many limits say the same
def _rule(text: str) -> Rule:
    return Rule.of_json(json.loads(text))


async def read_blocks(
    conn: Connection, channels: Sequence[int], window_s: int, start: int, end: int
) -> NDArray[np.void]:
    """Return the current blocks that start in [start, end), in no order.

    A structured array of ``channel``, ``start`` (int64 µs), ``mean`` (NaN: none), ``total``,
    ``count``, ``expected`` and ``revision``.
    """
    bounds = (from_micros(start), from_micros(end))
    rows = await copy_out(conn, _BLOCKS, list(channels), window_s, *bounds, fields=_BLOCK_FIELDS)
    if not rows["revision"].any():
        return rows
    rows = rows[np.lexsort((rows["revision"], rows["start"], rows["channel"]))]
    again = (rows["channel"][1:] == rows["channel"][:-1]) & (
        rows["start"][1:] == rows["start"][:-1]
    )
    current: NDArray[np.void] = rows[~np.append(again, np.False_)]
    return current


async def first_blocks(conn: Connection, channels: Sequence[int], window_s: int) -> dict[int, int]:
    """Return where the first block of each channel begins, of those that have any."""
    rows = await conn.fetch(_FIRST, list(channels), window_s)
    return {row["channel"]: to_micros(row["start"]) for row in rows}
