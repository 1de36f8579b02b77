"""From when and until when a channel has anything to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.core.vocabulary import DAY, MINUTE
from storage.queries.known import EVERYTHING
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from asyncpg import Connection

    from storage.queries.known import Known

MOST_SERIES = 20_000
GRACE = MINUTE  # an empty block is shown no sooner than this after its end


@dataclass(frozen=True, slots=True)
class Calendar:
    """What time it is, and where days begin for enterprises that name no zone."""

    now: datetime
    default_zone: str


class TooManySeries(Exception):  # noqa: N818 - what the reader must know
    """More channels or limits match than can be shown together."""

    def __init__(self) -> None:
        super().__init__(
            f"more than {MOST_SERIES:,} channels or limits match, too many to be shown together: "
            "name an enterprise, source, channel or unit"
        )


_NEWEST = """
select c.id, n.times[c.id % 1000 + 1] as newest
from unnest($1::int[]) c(id) join newest n on n.shard = c.id / 1000
where n.times[c.id % 1000 + 1] > 0
"""

_NEWEST_SINCE = """
select t.channel, max(t.newest) as newest
from batches b, unnest(b.channels, b.newest) as t(channel, newest)
where b.id > (select batch from progress where follower = 'newest') and t.channel = any($1)
group by t.channel
"""

_NEWEST_KNOWN = """
select channel, max(time) as newest from readings
where time > $2 and time <= $3 and batch < $4 and channel = any($1::int[]) group by channel
"""


async def newest_readings(
    conn: Connection, channels: list[int], known: Known = EVERYTHING
) -> dict[int, int]:
    """Return the time of each channel's newest reading (microseconds), if it ever had one.

    Of what was known at a time: exact from ``GRACE`` before it on, else not before that reading.
    """
    newest = {row["id"]: row["newest"] for row in await conn.fetch(_NEWEST, channels)}
    for row in await conn.fetch(_NEWEST_SINCE, channels):
        moment = to_micros(row["newest"])
        newest[row["channel"]] = max(newest.get(row["channel"], moment), moment)
    if known is EVERYTHING:
        return newest
    quiet = to_micros(known.at) - GRACE
    later = [channel for channel, time in newest.items() if time > quiet]
    bounds = (from_micros(quiet), known.readings_until, known.batch)
    rows = await conn.fetch(_NEWEST_KNOWN, later, *bounds)
    return (
        newest | dict.fromkeys(later, quiet) | {r["channel"]: to_micros(r["newest"]) for r in rows}
    )


_FIRST_BLOCKS = """
select c.id, b.start, b.finish
from unnest($1::int[]) c(id)
join lateral (select start, finish from blocks e
              where channel = c.id and window_s = 1200 and samples > 0 and known_at <= $2
                and not exists (select from blocks f
                                where f.channel = e.channel and f.window_s = e.window_s
                                  and f.start = e.start and f.revision > e.revision
                                  and f.known_at <= $2)
              order by start limit 1) b on true
"""

_EARLIER = """
select c.id, (select min(r.time) from readings r
              where r.channel = c.id and r.time >= c.since and r.time < c.before
                and r.batch < $4) as time
from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) c(id, since, before)
"""


async def first_readings(
    conn: Connection,
    newest: Mapping[int, int],
    needed_from: Mapping[int, int],
    known: Known = EVERYTHING,
) -> dict[int, int]:
    """Return where each channel of ``newest`` begins (microseconds): its first reading.

    That lies in its first 20-minute mean, or before where it was not valid: then it is looked for
    in the day before, and so on until there is none in a day. Where a channel is known to begin
    before ``needed_from`` (by channel, microseconds), that is enough: some time before is returned.
    """
    first = dict(newest)
    before = {channel: time + 1 for channel, time in newest.items()}
    for row in await conn.fetch(_FIRST_BLOCKS, list(newest), known.at):
        first[row["id"]] = to_micros(row["start"])
        before[row["id"]] = to_micros(row["finish"])
    search = [channel for channel, time in first.items() if time > needed_from.get(channel, time)]
    step = DAY
    while search:
        bounds = [(from_micros(before[one] - step), from_micros(before[one])) for one in search]
        rows = await conn.fetch(_EARLIER, search, *zip(*bounds, strict=True), known.batch)
        found = {row["id"]: to_micros(row["time"]) for row in rows if row["time"] is not None}
        first |= found
        before |= found
        search = [channel for channel in found if found[channel] > needed_from[channel]]
        step *= 2
    return first


_VALID_SINCE = """
select c.n, least(
    (select r.time from readings r
     where r.channel = c.channel and r.time >= c.since and r.status = 0 and r.flags & 1 = 0
       and r.time <= $3 and r.batch < $4
       and not exists (select from revisions v where v.channel = r.channel and v.time = r.time
                       and v.batch < $4)
     order by r.time limit 1),
    (select min(v.time) from revisions v
     where v.channel = c.channel and v.time >= c.since and v.status = 0 and v.flags & 1 = 0
       and v.time <= $3 and v.batch < $4
       and not exists (select from revisions w where w.channel = v.channel and w.time = v.time
                       and w.revision > v.revision and w.batch < $4))
    ) as time
from unnest($1::int[], $2::timestamptz[]) with ordinality c(channel, since, n)
"""


async def silent_until(
    conn: Connection,
    since: Iterable[tuple[int, int]],
    newest: Mapping[int, int],
    now: datetime,
    known: Known = EVERYTHING,
) -> list[int]:
    """Return until when each channel is known to have no valid reading, from a time on.

    ``since`` pairs channels with times. Where there is a valid reading at or after it, that is the
    answer: what was stored does not yet reach so far. Else a minute before ``now``.
    """
    pairs = list(since)
    until = [to_micros(now) - GRACE] * len(pairs)
    active = [n for n, (channel, time) in enumerate(pairs) if newest.get(channel, -1) >= time]
    rows = await conn.fetch(
        _VALID_SINCE,
        [pairs[n][0] for n in active],
        [from_micros(pairs[n][1]) for n in active],
        known.readings_until,
        known.batch,
    )
    for row in rows:
        if row["time"] is not None:
            n = active[row["n"] - 1]
            until[n] = min(until[n], to_micros(row["time"]))
    return until


_ZONES = """
select path, definition->>'reporting_zone' as zone from (
    select distinct on (path) path, definition from entity_versions
    where kind = 'enterprise' and effective <= $1 order by path, version desc) latest
where definition->>'reporting_zone' is not null
"""


async def zones(conn: Connection, calendar: Calendar) -> Callable[[str], str]:
    """Return a function that says where the days of an enterprise begin."""
    named = {row["path"]: row["zone"] for row in await conn.fetch(_ZONES, calendar.now)}
    return lambda enterprise: named.get(enterprise, calendar.default_zone)
