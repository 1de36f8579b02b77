"""What compliance is judged by: conditions of limits, and the stored blocks that they rest on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.core.compliance import Condition, Version
from alerts.core.periods import day_on_grid, duration
from alerts.core.rules import Rule
from alerts.core.vocabulary import FOREVER, NEVER
from storage.copy import Fields, copy_out
from storage.registry_derived import ROLES
from storage.registry_versions import in_force
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    from alerts.core.chain import Role

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

# Of each value channel: the channel of the times outside normal operation, that of substitutes,
# that of the AMS's service, and that of the load, as the newest rule names it.
_PARTS = """
select v.id as channel, i.id as idle, m.id as mark, s.id as serviced, d.id as load
from channels v
left join channels i on (i.enterprise, i.source, i.channel, i.basis)
                      = (v.enterprise, v.source, v.channel, 'idle')
left join channels m on (m.enterprise, m.source, m.channel, m.basis)
                      = (v.enterprise, v.source, v.channel, ltrim(v.basis || ' mark'))
left join channels s on (s.enterprise, s.source, s.channel, s.basis)
                      = (v.enterprise, v.source, v.channel, 'serviced')
left join lateral (
    select y.rule ->> 'load' as load from limit_versions y join limits l on l.id = y."limit"
    where l.channel = v.id and y.rule ? 'statistic' order by y.version desc limit 1) w on true
left join channels d on (d.enterprise, d.source, d.channel, d.basis)
                      = (v.enterprise, v.source, w.load, '')
where v.id = any($1)
"""

# Of recipes that make short-term averages first and normalise them then: the measured channel whose
# blocks say how many values stand behind one. Where another recipe has followed, more values than
# one make an average.
_MAINS = """
select r.channel, r.effective, r.ended, o.id as main
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


@dataclass(frozen=True, slots=True)
class Making:
    """How averages that end after ``since`` and not after ``until`` are made of others.

    ``members``: the channel in each place of the recipe.
    """

    recipe: dict[str, Any]
    members: Mapping[Role, int]
    since: int
    until: int


class Main(NamedTuple):
    """The channel behind averages that end after ``since`` and not after ``until``; 0: none."""

    channel: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Parts:
    """The channels whose blocks go with those of a value channel; 0: there is none.

    ``mains``: those whose values are counted, one where all recipes name the same. ``makings``: of
    one whose members are filled apart.
    """

    channel: int
    idle: int = 0
    mark: int = 0
    serviced: int = 0
    load: int = 0
    mains: tuple[Main, ...] = ()
    makings: tuple[Making, ...] = ()


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


async def read_parts(conn: Connection, channels: Sequence[int]) -> list[Parts]:
    """Return which channels' blocks go with those of value channels."""
    rows = await conn.fetch(_PARTS, list(channels))
    mains, makings = await _mains(conn, channels), await _makings(conn, channels)
    names = ("idle", "mark", "serviced", "load")
    return [
        Parts(
            number,
            **{name: row[name] or 0 for name in names},
            mains=mains.get(number, ()),
            makings=makings.get(number, ()),
        )
        for row in rows
        for number in [row["channel"]]
    ]


async def _mains(conn: Connection, channels: Sequence[int]) -> dict[int, tuple[Main, ...]]:
    """Return by channel whose values stand behind its averages, and when."""
    versions: dict[int, list[Record]] = {}
    for row in await conn.fetch(_MAINS, list(channels)):
        versions.setdefault(row["channel"], []).append(row)
    found = {}
    for channel, rows in versions.items():
        mains = {row["main"] or 0 for row in rows}
        found[channel] = (
            tuple(Main(row["main"] or 0, *span) for row, *span in in_force(rows))
            if len(mains) > 1
            else (Main(mains.pop(), NEVER, FOREVER),)
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
