"""Starts of units (boots), the numbers received of each, what a unit says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storage.pool import unavailable
from storage.quarantine import text
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

LAST_SEQ = 2**63 - 1

_NUMBER = """
with wanted as (select distinct unit, boot from unnest($1::int4[], $2::text[]) as w (unit, boot)),
made as (
    insert into boots (unit, boot, first_at, last_at) select unit, boot, $3, $3 from wanted
    on conflict (unit, boot) do nothing returning id, unit, boot
)
select id, unit, boot, true as made from made
union all
select id, unit, boot, false from boots join wanted using (unit, boot)
"""
# A range ends where it may: the number after the last does not exist, so it ends nowhere.
_TAIL = """
with tail as (
    select r.boot, range_agg(int8range(r.first, nullif(r.last, 9223372036854775807) + 1)) as seqs
    from batches b, unnest(b.boots, b.seq_first, b.seq_last) as r (boot, first, last)
    where b.id > (select batch from progress where follower = 'ledger')
      and ($1::int4[] is null or r.boot = any($1))
    group by r.boot
)"""
_RANGES = """
       array_agg(lower(r) order by r) filter (where r is not null) as first,
       array_agg(coalesce(upper(r) - 1, 9223372036854775807) order by r)
           filter (where r is not null) as last
from boots s left join tail t on t.boot = s.id
     left join lateral unnest(s.received + coalesce(t.seqs, '{}')) as r on true
"""
_THESE = f"""{_TAIL}
select s.id, s.unit, s.boot, {_RANGES}
where s.id = any($1) group by s.id
"""
_SINCE = f"""{_TAIL}, latest as (
    select distinct on (unit) id from boots order by unit, first_at desc, id desc
)
select s.id, s.unit, s.boot, s.id in (select id from latest) as is_latest, {_RANGES}
where $2::timestamptz is null or s.last_at >= $2
       or s.id in (select id from latest) or s.id in (select boot from tail)
group by s.id
"""  # noqa: S608 - only our own text is put in
_STATE = """
insert into unit_states (unit, state, boot, firmware, at) values ($1, $2, $3, $4, $5)
on conflict (unit) do update set state = excluded.state, boot = excluded.boot,
    firmware = excluded.firmware, at = excluded.at
where unit_states.at <= excluded.at
"""


@dataclass(frozen=True, slots=True)
class Boot:
    """A start of a unit and the numbers received of it: inclusive, ascending, disjoint ranges."""

    id: int
    unit: int
    boot: str
    is_latest: bool = False
    ranges: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UnitState:
    """What unit number ``unit`` said at ``at`` (µs): ``state`` is online or offline."""

    unit: int
    state: str
    boot: str | None
    firmware: str | None
    at: int


async def load_sequences(conn: asyncpg.Connection, *, since: int | None = None) -> list[Boot]:
    """Return what was received of each boot, as rolled up and in the batches after that.

    ``since``: only boots heard of since then and the latest of each unit.
    """
    async with unavailable("load the sequences"):
        moment = None if since is None else from_micros(since)
        return [
            _boot(row, is_latest=row["is_latest"]) for row in await conn.fetch(_SINCE, None, moment)
        ]


async def look_up_boots(
    conn: asyncpg.Connection, boots: Sequence[tuple[int, str]], received_at: int
) -> list[Boot]:
    """Return the boots of (unit number, boot) with what was received of each.

    Those that are new are made: nothing was received of them, and many units may be new at once.
    Whether a boot is its unit's latest is not looked up.
    """
    units = [unit for unit, _ in boots]
    names = [text(boot) for _, boot in boots]
    async with unavailable("number the boots"):
        rows = await conn.fetch(_NUMBER, units, names, from_micros(received_at))
        known = [row["id"] for row in rows if not row["made"]]
        found = await conn.fetch(_THESE, known) if known else []
    made = [Boot(row["id"], row["unit"], row["boot"]) for row in rows if row["made"]]
    return made + [_boot(row) for row in found]


def _boot(row: asyncpg.Record, *, is_latest: bool = False) -> Boot:
    ranges = zip(row["first"] or (), row["last"] or (), strict=True)
    return Boot(row["id"], row["unit"], row["boot"], is_latest, list(ranges))


async def save_unit_state(conn: asyncpg.Connection, said: UnitState) -> None:
    """Keep what a unit says on its status topic; an older word never replaces a newer one."""
    async with unavailable("keep a unit's state"):
        await conn.execute(
            _STATE,
            said.unit,
            said.state,
            None if said.boot is None else text(said.boot),
            None if said.firmware is None else text(said.firmware),
            from_micros(said.at),
        )
