"""A registry applied to be looked at and taken back: nobody else ever sees any of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from storage.pool import unavailable
from storage.registry_apply import LOCK
from storage.times import to_micros

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from asyncpg import Connection

# Channels that a registry says something new of: they themselves, their limits, or where the days
# of their enterprise begin; and all that is derived beside them under the same name.
_TOUCHED = """
with said as (
    select channel from channel_versions where version = $1
    union select l.channel from limit_versions v join limits l on l.id = v."limit"
    where v.version = $1
    union select c.id from entity_versions e join channels c on c.enterprise = e.path
    where e.kind = 'enterprise' and e.version = $1 and exists (
        select from entity_versions p
        where p.kind = e.kind and p.path = e.path and p.version < e.version
          and p.definition ->> 'reporting_zone' is distinct from e.definition ->> 'reporting_zone'))
select distinct b.id
from said join channels c on c.id = said.channel
join channels b on (b.enterprise, b.source, b.channel) = (c.enterprise, c.source, c.channel)
order by b.id
"""

_NAMES = """
select l.id as "limit", l.permit, l.average, l.condition, c.enterprise, c.source, c.channel,
       c.basis, v.uom, v.value, coalesce(v.rule ->> 'rules', '') as rules,
       coalesce(e.definition #>> '{name,en}', c.enterprise) as name
from limits l join channels c on c.id = l.channel
join lateral (
    select uom, value, rule, valid_until from limit_versions
    where "limit" = l.id order by version desc limit 1) v on true
left join lateral (
    select definition from entity_versions
    where kind = 'enterprise' and path = c.enterprise and definition is not null
    order by version desc limit 1) e on true
where l.channel = any($1)
"""

_FIRST = """
select w.channel, r.time
from unnest($1::int4[]) as w (channel)
cross join lateral (
    select time from all_readings where channel = w.channel order by time limit 1) r
"""


class LimitName(NamedTuple):
    """What people call a limit; ``name`` is its enterprise's, ``value`` that of its last version.

    ``rules`` is the rule set that ``condition`` is of, both "" for a limit without one.
    """

    limit: int
    permit: str
    average: str
    condition: str
    enterprise: str
    source: str
    channel: str
    basis: str
    uom: str
    value: float
    rules: str
    name: str

    @property
    def path(self) -> str:
        """The channel's path, with what is derived of it."""
        path = f"{self.enterprise}/{self.source}/{self.channel}"
        return f"{path} ({self.basis})" if self.basis else path


@contextlib.asynccontextmanager
async def rehearsal(conn: Connection) -> AsyncIterator[None]:
    """Take back all that the body does, and let no registry be applied meanwhile.

    The lock comes first: the transaction must begin with what was applied last. Raises
    Unavailable when the database is away.
    """
    async with unavailable("rehearse the registry"):
        await conn.execute("select pg_advisory_lock($1)", LOCK)
        try:
            transaction = conn.transaction(isolation="repeatable_read")
            await transaction.start()
            try:
                yield
            finally:
                await transaction.rollback()
        finally:
            await conn.execute("select pg_advisory_unlock($1)", LOCK)


async def read_touched(conn: Connection, version: int) -> list[int]:
    """Return the channels that a registry version may judge otherwise than the one before."""
    return [row["id"] for row in await conn.fetch(_TOUCHED, version)]


async def read_names(conn: Connection, channels: Sequence[int]) -> dict[int, LimitName]:
    """Return the names of the limits of channels, by limit."""
    rows = await conn.fetch(_NAMES, list(channels))
    return {row["limit"]: LimitName(*row.values()) for row in rows}


async def first_readings(conn: Connection, channels: Sequence[int]) -> dict[int, int]:
    """Return when the first stored reading of each channel was taken, of those that have any."""
    rows = await conn.fetch(_FIRST, list(channels))
    return {row["channel"]: to_micros(row["time"]) for row in rows}
