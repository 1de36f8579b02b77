"""Does what invalidations ask for, a piece at a time, each one transaction.

A piece is a batch of the books without any delivery: the ledger's counts stay what they are, the
revisions are judged as any others are. Killed amid a span the server goes on where it stopped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from storage import readings
from storage.batches import note_late_days, write_row
from storage.copy import Fields, copy_out
from storage.pool import unavailable
from storage.received import Columns, Committed, Outcome, Received
from storage.tally import Tally
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg
    from numpy.typing import NDArray

STEP = timedelta(days=1)  # read at once: the readings of all channels lie together by day
ENOUGH = 0.5  # seconds of reading after which a piece is large enough: deliveries wait for it
MOST_READINGS = 50_000  # in a piece: about a full batch

_NEXT = """
select id, channel, status, state, done_until, finish from invalidations
where state in ('waiting', 'restoring') order by id limit 1 for update
"""
_FIELDS: Fields = (
    ("time", "timestamptz"),
    ("value", "float8"),
    ("status", "int2"),
    ("flags", "int2"),
    ("revision", "int4"),
)

# Current valid readings, with the status that they get and the number of the revision before.
_VALID = """
select time, coalesce(value, 'NaN') as value, $4::int2 as status, flags, revision
from current_readings
where channel = $1 and time >= $2 and time < $3 and status = 0 order by time limit $5
"""

# Readings that an invalidation made what they are now, as the unit had last sent them (base),
# with the status that they get: that of the last invalidation that still stands and was asked for
# after the unit sent them (it saw the first of those since), else the unit's own.
_TAKEN_BACK = """
with history as (
    select r.time, r.value, r.status, r.flags, r.revision, b.invalidation
    from all_readings r left join invalidation_batches b on b.batch = r.batch
    where r.channel = $1 and r.time >= $2 and r.time < $3
), latest as (
    select distinct on (time) time, status, revision, invalidation
    from history order by time, revision desc
), base as (
    select distinct on (time) time, value, status, flags, revision
    from history where invalidation is null order by time, revision desc
), found as (
    select l.time, b.value, b.flags, l.revision, l.status as was, coalesce((
               select i.status from invalidations i
               where i.channel = $1 and i.state in ('waiting', 'done') and i.start <= l.time
                 and i.finish > l.time and i.id >= (
                     select min(h.invalidation) from history h
                     where h.time = l.time and h.revision > b.revision)
               order by i.id desc limit 1), b.status) as status
    from latest l join base b on b.time = l.time where l.invalidation is not null
)
select time, coalesce(value, 'NaN') as value, status, flags, revision
from found where status <> was order by time limit $4
"""

_DONE = """
select r.time, coalesce(r.value, 'NaN') as value, r.status, r.flags, r.revision
from invalidation_batches b join invalidations i on i.id = b.invalidation
join revisions r on r.channel = i.channel and r.time >= i.start and r.time < i.finish
                 and r.batch = b.batch
where b.batch = $1 order by r.time
"""
_OF_BATCH = """
select i.channel, s.received_at from batches s
join invalidation_batches b on b.batch = s.id join invalidations i on i.id = b.invalidation
where s.id = $1
"""
_MOVE = """
update invalidations
set done_until = $2, batch = coalesce($3, batch),
    readings = readings + case when state = 'waiting' then $4::bigint else 0 end,
    restored = restored + case when state = 'restoring' then $4::bigint else 0 end,
    state = case when $2 < finish then state when state = 'waiting' then 'done' else 'restored' end
where id = $1 returning state
"""


@dataclass(frozen=True, slots=True)
class Revised:
    """What a piece has changed, as a batch that was committed; None: it changed nothing."""

    batch: tuple[Received, Committed] | None


async def next_piece(conn: asyncpg.Connection, batch: int, now: int) -> Revised | None:
    """Do the next piece of the oldest invalidation that is not done; None: all are done.

    The batch gets the number ``batch`` and the time ``now`` (µs) if anything changes. Nobody else
    may commit readings meanwhile. Raises Unavailable: then repeat the same call, and it says what
    was done if it was.
    """
    async with unavailable("invalidate"), conn.transaction():
        known: Any = await conn.fetchrow(_OF_BATCH, batch)
        if known is not None:
            rows = await copy_out(conn, _DONE, batch, fields=_FIELDS)
            return Revised(_batch(batch, to_micros(known["received_at"]), known["channel"], rows))
        asked: Any = await conn.fetchrow(_NEXT)
        return None if asked is None else await _piece(conn, asked, batch, now)


async def _piece(conn: asyncpg.Connection, asked: Any, batch: int, now: int) -> Revised:  # noqa: ANN401 - a row of the database
    rows, end = await _collect(conn, asked)
    done = _batch(batch, now, asked["channel"], rows) if len(rows) else None
    if done is not None:
        await _write(conn, *done, rows["revision"] + 1)
        await conn.execute("insert into invalidation_batches values ($1, $2)", batch, asked["id"])
    await conn.execute(_MOVE, asked["id"], end, batch if done else None, len(rows))
    return Revised(done)


async def _collect(conn: asyncpg.Connection, asked: Any) -> tuple[NDArray[np.void], datetime]:  # noqa: ANN401 - a row of the database
    """Return the revisions of a piece by time, and until when it reaches."""
    began = time.monotonic()
    end: datetime = asked["done_until"]
    parts: list[NDArray[np.void]] = []
    left = MOST_READINGS
    while left and end < asked["finish"] and (not parts or time.monotonic() < began + ENOUGH):
        start, end = end, min(end + STEP, asked["finish"])
        if asked["state"] == "waiting":
            query: tuple[Any, ...] = (_VALID, asked["channel"], start, end, asked["status"], left)
        else:
            query = (_TAKEN_BACK, asked["channel"], start, end, left)
        rows = await copy_out(conn, *query, fields=_FIELDS)
        parts.append(rows)
        left -= len(rows)
        if not left:
            end = from_micros(int(rows["time"][-1]) + 1)
    return np.concatenate(parts), end


def _batch(
    batch: int, received_at: int, channel: int, rows: NDArray[np.void]
) -> tuple[Received, Committed]:
    """Return the revisions as a batch of no messages."""
    n = len(rows)
    nothing = np.zeros(0, np.int32)
    columns = Columns(
        message=np.zeros(n, np.int32),
        channel=np.full(n, channel, np.int32),
        time=rows["time"].astype(np.int64),
        value=rows["value"].astype(np.float64),
        status=rows["status"].astype(np.int16),
        flags=rows["flags"].astype(np.int16),
    )
    received = Received(
        batch=batch,
        received_at=received_at,
        unit=nothing,
        boot=nothing,
        seq=nothing.astype(np.int64),
        seen=nothing.astype(np.bool_),
        readings=columns,
        fresh=np.zeros(n, np.bool_),
        aside_messages=[],
        aside_values=[],
    )
    revised = np.full(n, Outcome.REVISED, np.uint8)
    return received, Committed(revised, np.zeros(0, np.uint8), 0, 0)


async def _write(
    conn: asyncpg.Connection, received: Received, committed: Committed, revision: NDArray[np.int32]
) -> None:
    every = np.arange(len(revision))
    await readings.write_revisions(conn, received.readings, every, revision, received.batch)
    no_counts = np.zeros((0, len(Outcome)), np.int64)
    uncounted = Tally(np.zeros(0, np.int32), no_counts, no_counts, committed)
    await write_row(conn, received, uncounted, received.received_at)
    await note_late_days(conn, received, every)
