"""Where the data of a channel that is judged begin: with its first reading, valid or not.

Blocks hold valid values only, and readings are dropped: what was found is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import DAY
from storage.registry_versions import in_force
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection, Record

    Span = tuple[int, int]

_NOTE = """
insert into compliance_begun as known (channel, since)
select * from unnest($1::int4[], $2::timestamptz[])
on conflict (channel) do update set since = excluded.since where excluded.since < known.since
"""

# What was measured of a channel: itself, or, by each version of its recipe, what it selects from or
# the main member of what it is computed from, in steps of so many microseconds.
_MEASURED = """
select v.id as channel, coalesce(o.id, v.id) as measured, coalesce(r.ended, false) as ended,
       coalesce(r.effective, '2000-01-01Z') as effective,
       coalesce((r.recipe ->> 'step_us')::bigint, 1) as step
from channels v
left join channel_versions r on r.channel = v.id and r.recipe is not null
left join channels o on (o.enterprise, o.source, o.channel, o.basis)
    = (v.enterprise, v.source, coalesce(r.recipe -> 'main', r.recipe -> 'of') ->> 'channel', '')
where v.id = any($1)
order by v.id, r.version
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

    It is looked for in the day before, and so on until there is none in a day. Of channels that
    are only supposed to be there nothing is known.
    """
    measured = await _measured(conn, list(begun))
    found: dict[int, int] = {}
    search, step = dict(begun), DAY
    while search:
        asked: dict[Span, dict[int, list[int]]] = {}
        for channel, before in search.items():
            for number, since, until in measured.get(channel, ()):
                span = max(before - step, since), min(before, until)
                if span[0] < span[1]:
                    asked.setdefault(span, {}).setdefault(number, []).append(channel)
        earlier: dict[int, int] = {}
        for span, channels in asked.items():
            rows = await conn.fetch(_EARLIEST, list(channels), *map(from_micros, span))
            for row in rows:
                time = to_micros(row["time"])
                for channel in channels[row["channel"]]:
                    earlier[channel] = min(time, earlier.get(channel, time))
        found |= earlier
        search, step = {channel: search[channel] - step for channel in earlier}, 2 * step
    return found


async def _measured(
    conn: Connection, channels: Sequence[int]
) -> dict[int, list[tuple[int, int, int]]]:
    """Return by channel what was measured of it, and of which readings that is so, by their time.

    A step is computed by the recipe of its end, from all of its readings.
    """
    versions: dict[int, list[Record]] = {}
    for row in await conn.fetch(_MEASURED, channels):
        versions.setdefault(row["channel"], []).append(row)
    return {
        channel: [
            (row["measured"], *(moment // row["step"] * row["step"] for moment in span))
            for row, *span in in_force(rows)
        ]
        for channel, rows in versions.items()
    }
