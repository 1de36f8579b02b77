"""Readings in and out of the database, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.vocabulary import Flag
from storage.classify import Candidates, Stored, classify
from storage.copy import Fields, binary_rows, copy_in, copy_out
from storage.received import Columns, Outcome
from storage.times import from_micros, instant_sql

if TYPE_CHECKING:
    import asyncpg
    from numpy.typing import NDArray

_BASE: Fields = (
    ("time", "timestamptz"),
    ("value", "float8"),
    ("batch", "int8"),
    ("channel", "int4"),
    ("status", "int2"),
    ("flags", "int2"),
)
_REVISION: Fields = (*_BASE, ("revision", "int4"))

# The bounds let the planner leave out partitions, and the columnstore whole segments, that hold
# none of the keys; a plan for the very arrays knows how many there are.
_LOOK_UP = f"""
with wanted as materialized (
    select channel, {instant_sql("us")} as time, key - 1 as key
    from unnest($1::int4[], $2::int8[]) with ordinality as w (channel, us, key)
), found as (
    select w.key, r.value, r.status, 0 as revision
    from wanted w join readings r on r.time = w.time and r.channel = w.channel
    where r.time between $3 and $4 and r.channel between $5 and $6 and r.batch <> $7
    union all
    select w.key, r.value, r.status, r.revision
    from wanted w join revisions r on r.channel = w.channel and r.time = w.time
    where r.batch <> $7
)
select array_agg(key) as key, array_agg(coalesce(value, 'NaN')) as value,
       array_agg(status) as status, array_agg(revision) as revision
from found
"""  # noqa: S608 - only our own text is put in

_CURRENT = """
select time, coalesce(value, 'NaN') as value, batch, channel, status, flags, revision
from current_readings where channel = any($1::int4[]) and time >= $2 and time < $3
"""
_AS_KNOWN = """
select time, coalesce(value, 'NaN') as value, batch, channel, status, flags, revision
from readings_as_known_at($4) where channel = any($1::int4[]) and time >= $2 and time < $3
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """For each row of some Columns its Outcome and the number of its revision."""

    outcome: NDArray[np.uint8]
    revision: NDArray[np.int32]


async def judge_rows(
    conn: asyncpg.Connection,
    rows: Columns,
    *,
    fresh: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    batch: int,
) -> Verdict:
    """Decide what each row is; only keys that are not fresh are looked up.

    ``fresh`` and ``seen`` have a value for each row. Rows that ``batch`` itself has stored do not
    count as stored: so a batch whose commit was not answered is decided as it was then.
    """
    outcome = np.full(len(rows.time), Outcome.STORED, np.uint8)
    revision = np.zeros(len(rows.time), np.int32)
    if not fresh.all():
        key, first = _keys(rows)
        stale = np.zeros(len(first), np.bool_)
        stale[key[~fresh]] = True
        doubtful = np.flatnonzero(stale[key])
        wanted = np.flatnonzero(stale)
        number = np.cumsum(stale) - 1
        stored = await _look_up(conn, rows, first[wanted], batch)
        candidates = Candidates(
            number[key[doubtful]], rows.value[doubtful], rows.status[doubtful], seen[doubtful]
        )
        outcome[doubtful], revision[doubtful] = classify(candidates, stored)
    return Verdict(outcome, revision)


def _keys(rows: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the distinct (channel, time): the number of each row, the first row of each."""
    order = np.lexsort((rows.time, rows.channel))
    channel, time = rows.channel[order], rows.time[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (channel[1:] != channel[:-1]) | (time[1:] != time[:-1])
    key = np.empty(len(order), np.int64)
    key[order] = np.cumsum(new) - 1
    return key, order[new]


async def _look_up(
    conn: asyncpg.Connection, rows: Columns, at: NDArray[np.int64], batch: int
) -> Stored:
    channel, time = rows.channel[at], rows.time[at]
    await conn.execute("set local plan_cache_mode = force_custom_plan")
    found: Any = await conn.fetchrow(
        _LOOK_UP,
        channel.tolist(),
        time.tolist(),
        from_micros(int(time.min())),
        from_micros(int(time.max())),
        int(channel.min()),
        int(channel.max()),
        batch,
    )
    key = np.array(found["key"] or [], np.int64)
    revision = np.array(found["revision"] or [], np.int32)
    order = np.lexsort((revision, key))
    value = np.array(found["value"] or [], np.float64)[order]
    status = np.array(found["status"] or [], np.int16)[order]
    return Stored(key[order], value, status, revision[order])


async def write(conn: asyncpg.Connection, rows: Columns, at: NDArray[np.int64], batch: int) -> None:
    """Store first readings: the rows ``at``."""
    stream = _stream(_BASE, rows, at, {"batch": batch, "flags": rows.flags[at]})
    await copy_in(conn, "readings", [name for name, _ in _BASE], stream)


async def write_revisions(
    conn: asyncpg.Connection,
    rows: Columns,
    at: NDArray[np.int64],
    revision: NDArray[np.int32],
    batch: int,
) -> None:
    """Store the rows ``at`` as revisions with the numbers given, one for each of them."""
    flags = rows.flags[at] | Flag.REVISED
    extra = {"batch": batch, "flags": flags, "revision": revision}
    stream = _stream(_REVISION, rows, at, extra)
    await copy_in(conn, "revisions", [name for name, _ in _REVISION], stream)


def _stream(fields: Fields, rows: Columns, at: NDArray[np.int64], extra: dict[str, Any]) -> bytes:
    value = rows.value[at]
    columns: dict[str, Any] = {
        "time": rows.time[at],
        "value": value,
        "channel": rows.channel[at],
        "status": rows.status[at],
    }
    return binary_rows(fields, columns | extra, {"value": np.isnan(value)})


async def read_readings(
    conn: asyncpg.Connection,
    channels: NDArray[np.int32] | list[int],
    start: int,
    end: int,
    known_at: int | None = None,
) -> NDArray[np.void]:
    """Return the current readings of channels with start ≤ time < end, sorted by channel and time.

    A structured array: ``time`` (int64 µs), ``value`` (NaN: none), ``batch``, ``channel``,
    ``status``, ``flags``, ``revision``. ``known_at``: as they stood after the last batch that was
    received until then.
    """
    limits = (from_micros(start), from_micros(end))
    numbers = [int(channel) for channel in channels]
    if known_at is None:
        found = await copy_out(conn, _CURRENT, numbers, *limits, fields=_REVISION)
    else:
        at = from_micros(known_at)
        found = await copy_out(conn, _AS_KNOWN, numbers, *limits, at, fields=_REVISION)
    return found[np.lexsort((found["time"], found["channel"]))]
