"""What compliance has to be judged anew: changed blocks, changed registries, periods that ended.

A changed block is noted in the transaction that stores it, and forgotten in the one that stores
what was judged by it: whatever ends the server between the two, nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.vocabulary import SECOND
from storage.copy import Fields, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection
    from numpy.typing import NDArray

    from alerts.core.records import BlockRows

# Blocks of a condition's short-term average, and of quadrants, of the value channel, of what was
# outside normal operation or substituted, and of the measured channels that it was computed of; of
# what tells the load, and of all that it was computed of where gaps of each are filled apart.
_WATCHED = """
with watched as (
    select l.channel, extract(epoch from (v.rule ->> 'short_term')::interval)::int as s,
           array_agg(distinct v.rule ->> 'load') as loads,
           bool_or(coalesce(v.rule -> 'apart' <> '[]', false)) as apart
    from limits l join limit_versions v on v."limit" = l.id
    where v.rule ? 'statistic' group by 1, 2),
averaged as (
    select distinct channel, recipe -> 'main' ->> 'channel' as name,
           coalesce(recipe -> 'main' ->> 'basis', '') as basis
    from channel_versions where (recipe ->> 'step_us')::bigint > 60000000),
named as (
    select w.channel, w.s, w.loads, w.apart, c.enterprise, c.source, c.channel as name, c.basis,
           a.name as main, a.basis as main_basis
    from watched w join channels c on c.id = w.channel
    left join averaged a on a.channel = w.channel)
select distinct b.id as block, k.window_s, w.channel as value
from named w
join channels b on (b.enterprise, b.source) = (w.enterprise, w.source) and (
    b.channel = w.name and b.basis in (w.basis, 'idle', 'serviced', ltrim(w.basis || ' mark'))
    or b.channel = w.main and b.basis = w.main_basis
    or b.basis = '' and b.channel = any(w.loads)
    or w.apart and exists (
        select from channel_versions o cross join lateral jsonb_each(o.recipe) p
        where o.channel = w.channel
          and b.channel = p.value ->> 'channel' and b.basis = p.value ->> 'basis'))
cross join lateral (values (w.s), (900)) as k (window_s)
order by 1, 2, 3
"""
_WATCHED_FIELDS: Fields = (("block", "int4"), ("window_s", "int4"), ("value", "int4"))

_NOTE = """
insert into compliance_due (channel, first, last)
select * from unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])
"""

_WINDOW_BITS = 20  # seconds of a day have 17

_DUE_FIELDS: Fields = (
    ("id", "int8"),
    ("channel", "int4"),
    ("first", "timestamptz"),
    ("last", "timestamptz"),
)
_DUE = "select id, channel, first, last from compliance_due where id > $1 order by id limit $2"

# The last instant is the year 9999 where everything after the first depends.

# What registries applied after version $1 judge otherwise: from where a version of a condition
# applies, or its predecessor does no longer (be it that the permit begins later than that); all of
# an enterprise whose entry changed (its zone). Of what is filled member by member, the recipe.
_BY_REGISTRY = """
insert into compliance_due (channel, first, last)
select l.channel, min(v.effective), '9999-01-01Z'::timestamptz
from limit_versions v join limits l on l.id = v."limit"
where v.version > $1 and exists (
    select from limit_versions r where r."limit" = l.id and r.rule ? 'statistic')
group by l.channel having min(v.effective) <= $2::timestamptz
union all
select v.channel, min(v.effective), '9999-01-01Z'::timestamptz
from channel_versions v
where v.version > $1 and v.recipe is not null and exists (
    select from limits l join limit_versions r on r."limit" = l.id
    where l.channel = v.channel and r.rule -> 'apart' <> '[]')
group by v.channel having min(v.effective) <= $2::timestamptz
union all
select distinct l.channel, '2000-01-01Z'::timestamptz, '9999-01-01Z'::timestamptz
from entity_versions e join channels c on c.enterprise = e.path
join limits l on l.channel = c.id
where e.kind = 'enterprise' and e.version > $1 and exists (
    select from entity_versions p
    where p.kind = e.kind and p.path = e.path and p.version < e.version
      and p.definition ->> 'reporting_zone' is distinct from e.definition ->> 'reporting_zone')
  and exists (select from limit_versions r where r."limit" = l.id and r.rule ? 'statistic')
"""

# Running periods that the clock ended: they are over though no block may ever come.
_ENDED = """
insert into compliance_due (channel, first, last)
select l.channel, min(r.finish) - interval '1 microsecond', '9999-01-01Z'
from compliance_running r join limits l on l.id = r."limit"
where r.finish <= $1 and not exists (
    select from compliance_due d where d.channel = l.channel and d.last = '9999-01-01Z')
group by l.channel
"""

# Conditions in force that were judged once and have no running period: nothing came since one
# ended, or the plant stands still.
_QUIET = """
insert into compliance_due (channel, first, last)
select l.channel, $1::timestamptz - interval '1 microsecond', '9999-01-01Z'
from limits l
join lateral (
    select rule, ended, valid_until from limit_versions
    where "limit" = l.id and greatest(effective, valid_from) < $1
    order by version desc limit 1) v on not v.ended and v.valid_until > $1
where v.rule ? 'statistic' and v.rule ->> 'average' <> v.rule ->> 'short_term'
  and not exists (select from compliance_running r where r."limit" = l.id)
  and exists (select from compliance j where j."limit" = l.id)
group by l.channel
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """Blocks that compliance rests on: of channel ``block`` for the values of channel ``value``.

    Parallel arrays by (block, window_s). Blocks of 900 s are those that quadrants are counted by.
    """

    block: NDArray[np.int32]
    window_s: NDArray[np.int32]
    value: NDArray[np.int32]

    def holds(self, blocks: BlockRows) -> NDArray[np.bool_]:
        """Tell which blocks are among these."""
        if not len(self.block):
            return np.zeros(len(blocks), np.bool_)
        keys = _key(self.block, self.window_s)
        wanted = _key(blocks.channel, blocks.window // SECOND)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found: NDArray[np.bool_] = keys[place] == wanted
        return found

    def longest(self, channels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the length of the longest of each channel's blocks, microseconds; 0 for none."""
        if not len(self.block):
            return np.zeros(len(channels), np.int64)
        last = np.searchsorted(self.block, channels, side="right") - 1  # the windows ascend
        known = (last >= 0) & (self.block[np.maximum(last, 0)] == channels)
        length = self.window_s[np.maximum(last, 0)].astype(np.int64) * SECOND
        return np.where(known, length, 0)

    def values(self, block: int) -> list[int]:
        """Return the value channels that blocks of a channel belong to."""
        low, high = np.searchsorted(self.block, [block, block + 1])
        return sorted(set(self.value[low:high].tolist()))


NOTHING = Watched(*(np.zeros(0, np.int32) for _ in range(3)))


def _key(channel: NDArray[Any], window_s: NDArray[Any]) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = channel.astype(np.int64) << _WINDOW_BITS | window_s
    return keys


async def read_watched(conn: Connection) -> Watched:
    """Return which blocks compliance rests on."""
    rows = await copy_out(conn, _WATCHED, fields=_WATCHED_FIELDS)
    return Watched(rows["block"], rows["window_s"], rows["value"])


async def note_blocks(conn: Connection, blocks: BlockRows, watched: Watched) -> None:
    """Note which of the ``watched`` blocks were stored or changed, in the caller's transaction."""
    ours = watched.holds(blocks)
    if not ours.any():
        return
    channel, start = blocks.channel[ours], blocks.start[ours]
    order = np.lexsort((start, channel))
    channel, start = channel[order], start[order]
    first = np.flatnonzero(np.diff(channel, prepend=-1))
    last = np.append(first[1:], len(channel)) - 1
    await conn.execute(
        _NOTE,
        channel[first].tolist(),
        [from_micros(one) for one in start[first].tolist()],
        [from_micros(one) for one in start[last].tolist()],
    )


async def note_registry(conn: Connection, version: int, until: int) -> None:
    """Note what registries applied after ``version`` change that is in force by ``until``."""
    await conn.execute(_BY_REGISTRY, version, from_micros(until))


async def note_ended(conn: Connection, until: int) -> None:
    """Note the running periods that end by ``until``."""
    await conn.execute(_ENDED, from_micros(until))


async def note_quiet(conn: Connection, until: int) -> None:
    """Note the conditions that have no running period though they should."""
    await conn.execute(_QUIET, from_micros(until))


async def newest_registry(conn: Connection) -> int:
    """Return the number of the registry that was applied last, 0 without any."""
    number: int = await conn.fetchval("select coalesce(max(id), 0) from registry_versions")
    return number


async def read_due(conn: Connection, after: int, most: int) -> NDArray[np.void]:
    """Return what is noted behind the number ``after``, by number.

    An array of ``id``, ``channel``, ``first`` and ``last`` (int64 µs).
    """
    return await copy_out(conn, _DUE, after, most, fields=_DUE_FIELDS)


async def forget_due(conn: Connection, ids: Sequence[int]) -> None:
    """Remove what was judged."""
    await conn.execute("delete from compliance_due where id = any($1::bigint[])", list(ids))


async def unfinished(conn: Connection) -> list[int]:
    """Return the channels whose blocks changed and were not judged by yet."""
    rows = await conn.fetch("select distinct channel from compliance_due order by channel")
    return [row["channel"] for row in rows]


async def followed_until(conn: Connection) -> int | None:
    """Return as of when compliance was judged last, None where it never was."""
    moment = await conn.fetchval(
        "select greatest((select max(until) from compliance_running),"
        " (select max(finish) from compliance where over))"
    )
    return None if moment is None else to_micros(moment)
