"""Which enterprises, sources, channels or units a question is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncpg import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """Ids that must all fit; None fits everything. ``nothing``: they contradict each other."""

    enterprise: str | None = None
    source: str | None = None
    channel: str | None = None
    unit: str | None = None
    nothing: bool = False

    @property
    def everything(self) -> bool:
        """Say whether no id was asked for."""
        return self == Scope()


# A unit stands for the channels that it reports or once reported, and what is derived from them.
_CHANNELS = """
select id from channels
where ($1::text is null or enterprise = $1) and ($2::text is null or source = $2)
  and ($3::text is null or channel = $3)
  and ($4::text is null or (enterprise, source, channel) in (
      select c.enterprise, c.source, c.channel from unit_versions v
      join units u on u.id = v.unit join channels c on c.id = any(v.channels)
      where u.unit = $4 and ($1::text is null or u.enterprise = $1)))
order by id
"""

_UNITS = """
select id from units
where ($1::text is null or enterprise = $1) and ($2::text is null or unit = $2)
order by id
"""


async def channel_ids(conn: Connection, scope: Scope) -> list[int] | None:
    """Return the numbers of the channels asked for, in order; None when it is all of them."""
    if scope.nothing:
        return []
    if scope.everything:
        return None
    rows = await conn.fetch(_CHANNELS, scope.enterprise, scope.source, scope.channel, scope.unit)
    return [row[0] for row in rows]


async def unit_ids(conn: Connection, scope: Scope) -> list[int] | None:
    """Return the numbers of the units asked for, in order; None when it is all of them."""
    if scope.nothing:
        return []
    if scope.everything:
        return None
    return [row[0] for row in await conn.fetch(_UNITS, scope.enterprise, scope.unit)]
