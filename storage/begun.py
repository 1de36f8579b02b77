"""Where the data of a channel that is judged begin: with its first reading, valid or not.

Blocks hold valid values only, and readings are dropped: what was found is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import DAY
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection

_NOTE = """
insert into compliance_begun as known (channel, since)
select * from unnest($1::int4[], $2::timestamptz[])
on conflict (channel) do update set since = excluded.since where excluded.since < known.since
"""

# What was measured of a channel: itself, or the main member of what it is computed from.
_MEASURED = """
select v.id as channel, coalesce(o.id, v.id) as measured
from channels v
left join lateral (
    select recipe from channel_versions
    where channel = v.id order by version desc limit 1) r on true
left join channels o on r.recipe ->> 'kind' = 'chain'
    and (o.enterprise, o.source, o.channel, o.basis)
      = (v.enterprise, v.source, r.recipe -> 'main' ->> 'channel', '')
where v.id = any($1)
"""

_EARLIEST = """
select channel, min(time) as time from readings
where channel = any($1) and time >= $2 and time < $3 group by channel
"""


async def read_begun(conn: Connection, channels: Sequence[int]) -> dict[int, int]:
    """Return where channels begin, of those of which it was noted."""
    rows = await conn.fetch(
        "select channel, since from compliance_begun where channel = any($1)", list(channels)
    )
    return {row["channel"]: to_micros(row["since"]) for row in rows}


async def note_begun(conn: Connection, begun: Mapping[int, int]) -> None:
    """Keep where channels begin; never later than was noted."""
    await conn.execute(_NOTE, list(begun), [from_micros(since) for since in begun.values()])


async def first_readings(conn: Connection, begun: Mapping[int, int]) -> dict[int, int]:
    """Return when the first reading of each channel before ``begun`` was taken, if there is one.

    It is looked for in the day before, and so on until there is none in a day.
    """
    measured = {row["channel"]: row["measured"] for row in await conn.fetch(_MEASURED, list(begun))}
    by_start: dict[int, list[int]] = {}
    for channel, since in begun.items():
        by_start.setdefault(since, []).append(measured[channel])
    found: dict[tuple[int, int], int] = {}
    for since, channels in by_start.items():
        search, before, step = set(channels), since, DAY
        while search:
            bounds = from_micros(before - step), from_micros(before)
            rows = await conn.fetch(_EARLIEST, list(search), *bounds)
            search = {row["channel"] for row in rows}
            found |= {(since, row["channel"]): to_micros(row["time"]) for row in rows}
            before, step = before - step, 2 * step
    return {
        channel: found[since, measured[channel]]
        for channel, since in begun.items()
        if (since, measured[channel]) in found
    }
