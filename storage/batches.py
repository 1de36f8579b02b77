"""A batch: one transaction of readings, what was set aside, and the row that counts it all.

The batch's number is given by the caller before the first attempt. A commit whose answer was lost
is simply tried again with the same number: the second attempt finds the row and says what the
first one did.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import numpy as np

from alerts.core.vocabulary import DAY, Flag
from storage import quarantine, readings
from storage.copy import binary_array, binary_records, copy_in, instant, int8
from storage.errors import DataError
from storage.pool import answering, unavailable
from storage.received import Committed, Outcome
from storage.tally import Tally, newest_by_channel, runs, tally
from storage.times import from_micros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storage.quarantine import SetAside
    from storage.readings import Verdict
    from storage.received import Received

Finish = Callable[["asyncpg.Connection", "Received", "SetAside", Tally], Awaitable[None]]

_LINE = re.compile(r", line (\d+)")  # "COPY readings, line 5001, column time": counted from 1
_ANSWER = 60.0  # seconds that a commit may take before the database counts as away
_ASIDE = 0.001  # and for each value set aside; a message may hold several 100,000
_COUNTS = tuple(
    f"{kind}_{outcome.name.lower()}"
    for kind, outcomes in (
        ("messages", (Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED)),
        ("readings", Outcome),
    )
    for outcome in outcomes
)
_COLUMNS = (
    *("id", "received_at", "oldest", "units", *_COUNTS),
    *("boots", "seq_first", "seq_last", "channels", "newest"),
)
_NEXT = """
select 1 + greatest((select coalesce(max(id), 0) from batches),
                    (select coalesce(max(batch), 0) from progress where follower <> 'registry'))
"""
_LATE = """
insert into late_days (day, last_received_at) select day, $2 from unnest($1::date[]) as day
on conflict (day) do update
set last_received_at = greatest(late_days.last_received_at, excluded.last_received_at)
"""


async def next_batch(conn: asyncpg.Connection) -> int:
    """Return a number that no batch has had, not even one that retention has deleted."""
    async with unavailable("number the next batch"):
        return int(await conn.fetchval(_NEXT))


async def commit(conn: asyncpg.Connection, received: Received) -> Committed:
    """Store a batch in one transaction and say what became of each row and message.

    Raises DataError with the rows that the database refuses, and Unavailable when nothing is
    known: then try the same ``received`` again, on a new connection.
    """
    async with answering("commit a batch", conn, answer_within(received)):
        return await store(conn, received, _counted)


def answer_within(received: Received) -> float:
    """Return how long (s) this may take before the database counts as away."""
    return _ANSWER + _ASIDE * len(received.aside_values)


async def store(conn: asyncpg.Connection, received: Received, finish: Finish) -> Committed:
    """Do what ``commit`` does, with ``finish`` as the last step of the transaction."""
    try:
        return await _attempt(conn, received, received.fresh, finish)
    except asyncpg.UniqueViolationError:
        if await conn.fetchval("select exists (select from batches where id = $1)", received.batch):
            return await _recall(conn, received)
    # Something was taken for new that is not: look everything up.
    return await _attempt(conn, received, np.zeros(len(received.fresh), np.bool_), finish)


async def _attempt(
    conn: asyncpg.Connection, received: Received, fresh: NDArray[np.bool_], finish: Finish
) -> Committed:
    async with conn.transaction():
        verdict, new, counted = await _decide(conn, received, fresh)
        await _write_readings(conn, received, verdict)
        await finish(conn, received, new, counted)
    return counted.committed


async def _recall(conn: asyncpg.Connection, received: Received) -> Committed:
    """Say what the first attempt did, from what it stored."""
    async with conn.transaction(readonly=True):
        nothing_fresh = np.zeros(len(received.fresh), np.bool_)
        _, _, counted = await _decide(conn, received, nothing_fresh)
    return counted.committed


async def _decide(
    conn: asyncpg.Connection, received: Received, fresh: NDArray[np.bool_]
) -> tuple[Verdict, SetAside, Tally]:
    rows = received.readings
    seen = received.seen[rows.message]
    verdict = await readings.judge_rows(conn, rows, fresh=fresh, seen=seen, batch=received.batch)
    new = await quarantine.what_is_new(conn, received)
    return verdict, new, tally(received, verdict.outcome, new)


async def _counted(
    conn: asyncpg.Connection, received: Received, new: SetAside, counted: Tally
) -> None:
    await write_row(conn, received, counted, received.received_at)
    quarantined = counted.committed.messages == Outcome.QUARANTINED
    await quarantine.write(conn, received, new, quarantined)


async def write_row(
    conn: asyncpg.Connection, received: Received, counted: Tally, received_at: int
) -> None:
    """Write the row of the batch; ``received_at`` is the time that it is known from."""
    rows, outcome = received.readings, counted.committed.readings
    stored = outcome == Outcome.STORED
    kept = stored | (outcome == Outcome.REVISED)
    oldest = instant(int(rows.time[kept].min())) if kept.any() else None
    channels, newest = newest_by_channel(rows.channel[stored], rows.time[stored])
    boots, first, last = runs(received.boot, received.seq)
    messages, by_unit = counted.messages, counted.readings
    counts = (
        *(messages[:, outcome] for outcome in Outcome if outcome != Outcome.REVISED),
        *(by_unit[:, outcome] for outcome in Outcome),
    )
    record = (
        int8(received.batch),
        instant(received_at),
        oldest,
        binary_array("int4", counted.units),
        *(binary_array("int4", column) for column in counts),
        binary_array("int4", boots),
        binary_array("int8", first),
        binary_array("int8", last),
        binary_array("int4", channels),
        binary_array("timestamptz", newest),
    )
    await copy_in(conn, "batches", _COLUMNS, binary_records([record]))


async def _write_readings(conn: asyncpg.Connection, received: Received, verdict: Verdict) -> None:
    rows, batch = received.readings, received.batch
    stored = np.flatnonzero(verdict.outcome == Outcome.STORED)
    revised = np.flatnonzero(verdict.outcome == Outcome.REVISED)
    if len(stored):
        late = np.where(received.fresh, 0, Flag.LATE).astype(np.int16)
        with _naming_rows(stored):
            await readings.write(conn, replace(rows, flags=rows.flags | late), stored, batch)
    if len(revised):
        number = verdict.revision[revised]
        with _naming_rows(revised):
            await readings.write_revisions(conn, rows, revised, number, batch)
    await note_late_days(conn, received, np.concatenate((stored, revised)))


@contextlib.contextmanager
def _naming_rows(at: NDArray[np.int64]) -> Iterator[None]:
    """Raise DataError with the one of the rows ``at`` that a COPY failed on, else with all."""
    try:
        yield
    except (asyncpg.DataError, asyncpg.CheckViolationError) as error:
        match = _LINE.search(getattr(error, "context", None) or "")
        line = int(match[1]) - 1 if match else -1
        rows = at[line : line + 1] if 0 <= line < len(at) else at
        raise DataError(str(error), rows.tolist()) from error


async def note_late_days(
    conn: asyncpg.Connection, received: Received, at: NDArray[np.int64]
) -> None:
    """Remember the days before yesterday that were written to: retention waits for them."""
    time = received.readings.time[at]
    yesterday = (received.received_at // DAY - 1) * DAY
    late = time[time < yesterday]
    if len(late):
        days = [from_micros(int(day) * DAY).date() for day in np.unique(late // DAY)]
        await conn.execute(_LATE, days, from_micros(received.received_at))
