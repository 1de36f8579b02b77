"""The batches after one that the judging was kept as of: what to go on with after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import MINUTE, Flag
from storage.copy import Fields, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg
    from numpy.typing import NDArray

MOST_AT_ONCE = 2_000_000  # readings; more of them are read minute by minute of their time
_AHEAD = 10 * MINUTE  # later than this after its receipt no reading is stored

_HISTORY = "select coalesce(max(id), 0) from alert_history"
_RECEIVED = "select received_at from batches where id = $1"
_EXTENT = """
select min(b.oldest) as oldest, max(b.received_at) as received_at, sum(n)::bigint as readings
from batches b left join lateral unnest(b.readings_stored) n on true where b.id > $1
"""
_ALERTED = """
select distinct l.channel from alert_history h
join alerts a on a.id = h.alert and a.kind = 'limit' join limits l on l.id = a."limit"
where h.id > $1
"""
_LATE = """
select distinct channel from readings where batch > $1 and time >= $2 and flags & $3::int2 <> 0
union select distinct channel from revisions where batch > $1
"""
_READINGS = f"""
select channel, time, coalesce(value, 'NaN') as value,
       (status = 0 and flags & {int(Flag.RANGE)} = 0 and value is not null)::int as valid,
       status
from readings where batch > $1 and time >= $2 and time < $3
"""  # noqa: S608 - only our own number is put in
_FIELDS: Fields = (
    ("channel", "int4"),
    ("time", "timestamptz"),
    ("value", "float8"),
    ("valid", "int4"),
    ("status", "int2"),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much was stored after a batch: readings within [``start``, ``end``) (us)."""

    start: int
    end: int
    readings: int

    def parts(self) -> Iterator[tuple[int, int]]:
        """Yield stretches of time that can each be read at once, oldest first."""
        step = self.end - self.start if self.readings <= MOST_AT_ONCE else MINUTE
        for start in range(self.start, self.end, max(step, 1)):
            yield start, min(start + step, self.end)


async def history_end(conn: asyncpg.Connection) -> int:
    """Return the number of the last entry in the alerts' history."""
    return int(await conn.fetchval(_HISTORY))


async def batch_received_at(conn: asyncpg.Connection, batch: int) -> int | None:
    """Return when a batch was received (us), None where the database has no such batch."""
    moment = await conn.fetchval(_RECEIVED, batch)
    return None if moment is None else to_micros(moment)


async def read_extent(conn: asyncpg.Connection, after: int) -> Extent | None:
    """Return how much the batches after one have stored; None: nothing."""
    row = await conn.fetchrow(_EXTENT, after)
    if row["oldest"] is None:
        return None
    return Extent(to_micros(row["oldest"]), to_micros(row["received_at"]) + _AHEAD, row["readings"])


async def channels_alerted(conn: asyncpg.Connection, history: int) -> list[int]:
    """Return the channels of whose alerts the history says something after an entry."""
    return [row["channel"] for row in await conn.fetch(_ALERTED, history)]


async def channels_late(conn: asyncpg.Connection, after: int, start: int) -> list[int]:
    """Return the channels of which batches after one brought late or revised readings."""
    rows = await conn.fetch(_LATE, after, from_micros(start), int(Flag.LATE | Flag.REVISED))
    return [row["channel"] for row in rows]


async def read_tail(conn: asyncpg.Connection, after: int, start: int, end: int) -> NDArray[np.void]:
    """Return what batches after one stored in [start, end), revisions aside.

    A structured array by channel and time: ``channel``, ``time`` (int64 us), ``value`` (NaN: none),
    ``valid`` (1: enters averages) and ``status``.
    """
    bounds = (from_micros(start), from_micros(end))
    rows = await copy_out(conn, _READINGS, after, *bounds, fields=_FIELDS)
    return rows[np.lexsort((rows["time"], rows["channel"]))]
