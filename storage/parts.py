"""The channels whose blocks go with those of a value channel that compliance is judged by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from alerts.core.vocabulary import FOREVER, NEVER
from storage.registry_derived import ROLES
from storage.registry_versions import in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection, Record

    from alerts.core.chain import Role

# Of each value channel: the channel of the times outside normal operation, that of substitutes, and
# that of the AMS's service.
_PARTS = """
select v.id as channel, i.id as idle, m.id as mark, s.id as serviced
from channels v
left join channels i on (i.enterprise, i.source, i.channel, i.basis)
                      = (v.enterprise, v.source, v.channel, 'idle')
left join channels m on (m.enterprise, m.source, m.channel, m.basis)
                      = (v.enterprise, v.source, v.channel, ltrim(v.basis || ' mark'))
left join channels s on (s.enterprise, s.source, s.channel, s.basis)
                      = (v.enterprise, v.source, v.channel, 'serviced')
where v.id = any($1)
"""

# What tells the load, as each version of a rule names it.
_LOADS = """
select l.channel, y.effective, y.ended, o.id as behind
from limits l join limit_versions y on y."limit" = l.id join channels v on v.id = l.channel
join channels o on (o.enterprise, o.source, o.channel, o.basis)
                 = (v.enterprise, v.source, y.rule ->> 'load', '')
where l.channel = any($1) and y.rule ? 'statistic'
order by l.channel, y.effective, y.version
"""

# Of recipes that make short-term averages first and normalise them then: the measured channel whose
# blocks say how many values stand behind one. Where another recipe has followed, more values than
# one make an average.
_MAINS = """
select r.channel, r.effective, r.ended, o.id as behind
from channel_versions r join channels v on v.id = r.channel
left join channels o on (r.recipe ->> 'step_us')::bigint in (
        select 1000000 * extract(epoch from (w.rule ->> 'short_term')::interval)
        from limits l join limit_versions w on w."limit" = l.id
        where l.channel = v.id and w.rule ? 'statistic')
    and (o.enterprise, o.source, o.channel, o.basis)
      = (v.enterprise, v.source, r.recipe -> 'main' ->> 'channel',
         coalesce(r.recipe -> 'main' ->> 'basis', ''))
where r.channel = any($1) and (r.recipe ->> 'step_us')::bigint > 60000000
order by r.channel, r.version
"""

# Of value channels whose members are filled apart: each version of the recipe, and the channel in
# each of its places.
_MEMBERS = """
select v.id as channel, r.version, r.effective, r.ended, r.recipe::text as recipe, p.key as place,
       c.id as member
from channels v
join channel_versions r on r.channel = v.id and r.recipe ->> 'kind' = 'chain'
cross join lateral jsonb_each(r.recipe) p
join channels c on (c.enterprise, c.source, c.channel, c.basis)
                 = (v.enterprise, v.source, p.value ->> 'channel', p.value ->> 'basis')
where v.id = any($1) and exists (
    select from limits l join limit_versions y on y."limit" = l.id
    where l.channel = v.id and y.rule -> 'apart' <> '[]')
order by v.id, r.version
"""


@dataclass(frozen=True, slots=True)
class Making:
    """How averages that end after ``since`` and not after ``until`` are made of others.

    ``members``: the channel in each place of the recipe.
    """

    recipe: dict[str, Any]
    members: Mapping[Role, int]
    since: int
    until: int


class Behind(NamedTuple):
    """The channel behind averages that end after ``since`` and not after ``until``; 0: none."""

    channel: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Parts:
    """The channels whose blocks go with those of a value channel; 0: there is none.

    ``mains``: those whose values are counted, by the recipe of their time; ``loads``: those that
    tell the load, by the rule of their time; one where it was always the same. ``makings``: of one
    whose members are filled apart.
    """

    channel: int
    idle: int = 0
    mark: int = 0
    serviced: int = 0
    mains: tuple[Behind, ...] = ()
    loads: tuple[Behind, ...] = ()
    makings: tuple[Making, ...] = ()


async def read_parts(conn: Connection, channels: Sequence[int]) -> list[Parts]:
    """Return which channels' blocks go with those of value channels."""
    rows = await conn.fetch(_PARTS, list(channels))
    mains, loads = [await _behind(conn, query, channels) for query in (_MAINS, _LOADS)]
    makings = await _makings(conn, channels)
    names = ("idle", "mark", "serviced")
    return [
        Parts(
            number,
            **{name: row[name] or 0 for name in names},
            mains=mains.get(number, ()),
            loads=loads.get(number, ()),
            makings=makings.get(number, ()),
        )
        for row in rows
        for number in [row["channel"]]
    ]


async def _behind(
    conn: Connection, query: str, channels: Sequence[int]
) -> dict[int, tuple[Behind, ...]]:
    """Return by channel what stands behind its averages, and when."""
    versions: dict[int, list[Record]] = {}
    for row in await conn.fetch(query, list(channels)):
        versions.setdefault(row["channel"], []).append(row)
    found = {}
    for channel, rows in versions.items():
        every = {row["behind"] or 0 for row in rows}
        found[channel] = (
            tuple(Behind(row["behind"] or 0, *span) for row, *span in in_force(rows))
            if len(every) > 1
            else (Behind(every.pop(), NEVER, FOREVER),)
        )
    return found


async def _makings(conn: Connection, channels: Sequence[int]) -> dict[int, tuple[Making, ...]]:
    """Return the versions of recipes by channel; the first is of all that was ever measured."""
    versions: dict[int, dict[int, list[Record]]] = {}
    for row in await conn.fetch(_MEMBERS, list(channels)):
        versions.setdefault(row["channel"], {}).setdefault(row["version"], []).append(row)
    found = {}
    for channel, by_version in versions.items():
        found[channel] = tuple(
            Making(
                json.loads(one["recipe"]),
                {ROLES[row["place"]]: row["member"] for row in by_version[one["version"]]},
                *span,
            )
            for one, *span in in_force([places[0] for places in by_version.values()])
        )
    return found
