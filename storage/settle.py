"""Settles retries: in one transaction what they have become is stored and counted.

A retry is no delivery: its batch counts nothing. What was counted as quarantined in the hour of
receipt is counted as what it has become.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.vocabulary import HOUR
from storage import quarantine
from storage.batches import answer_within, store, write_row
from storage.copy import send_many
from storage.pool import answering
from storage.received import Outcome
from storage.tally import Tally
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from storage.quarantine import SetAside
    from storage.received import Committed, Received
    from storage.retries import Retry

_SETTLE_MESSAGES = """
update quarantine q set state = case when w.done then 'stored' else 'waiting' end
from unnest($1::bigint[], $2::boolean[]) as w (id, done) where q.id = w.id
"""
_SETTLE_VALUES = """
update quarantine_values v set retry = false, stored = w.done
from unnest($1::bigint[], $2::bytea[], $3::boolean[]) as w (item, digest, done)
where v.item = w.item and v.digest = w.digest
returning v.item, v.digest, v.batch, v.message
"""
_SETTLE_ITEMS = """
update quarantine q
set state = case when exists (select from quarantine_values v where v.item = q.id and not v.stored)
            then 'waiting' else 'stored' end
where q.id = any($1::bigint[])
  and not exists (select from quarantine_values v where v.item = q.id and v.retry)
"""
_SAY_WHY = """
update quarantine q set detail = w.detail
from unnest($1::bigint[], $2::text[]) as w (id, detail) where q.id = w.id
"""
_STILL_ASIDE = """
select distinct v.batch, v.message from quarantine_values v
join unnest($1::bigint[], $2::int4[]) as w (batch, message) using (batch, message)
where not v.stored
"""
_MESSAGE_DONE = """
update quarantine_values v set message = null
from unnest($1::bigint[], $2::int4[]) as w (batch, message)
where v.batch = w.batch and v.message = w.message
"""
_MOVES = """
insert into ledger as l (hour, unit, messages_stored, messages_duplicate, messages_quarantined,
    readings_stored, readings_duplicate, readings_revised, readings_quarantined)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (hour, unit) do update set
    messages_stored = l.messages_stored + excluded.messages_stored,
    messages_duplicate = l.messages_duplicate + excluded.messages_duplicate,
    messages_quarantined = l.messages_quarantined + excluded.messages_quarantined,
    readings_stored = l.readings_stored + excluded.readings_stored,
    readings_duplicate = l.readings_duplicate + excluded.readings_duplicate,
    readings_revised = l.readings_revised + excluded.readings_revised,
    readings_quarantined = l.readings_quarantined + excluded.readings_quarantined
"""


class _Moves:
    """Changes of the ledger by hour and unit: messages and readings, by Outcome."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], NDArray[np.int64]] = defaultdict(
            lambda: np.zeros((2, len(Outcome)), np.int64)
        )

    def messages(self, at: int, unit: int, outcome: int, count: int) -> None:
        self._cells[at // HOUR * HOUR, unit][0, outcome] += count

    def readings(self, at: int, unit: int, outcome: int, count: int) -> None:
        self._cells[at // HOUR * HOUR, unit][1, outcome] += count

    def rows(self) -> list[tuple[Any, ...]]:
        kinds = [Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED]
        return [
            (from_micros(hour), unit, *cell[0, kinds].tolist(), *cell[1].tolist())
            for (hour, unit), cell in sorted(self._cells.items())
            if cell.any()
        ]


async def settle(
    conn: asyncpg.Connection, received: Received, retries: Sequence[Retry], now: int
) -> Committed:
    """Store what retries have become; message i of ``received`` is ``retries[i]``.

    What is still refused stays in quarantine with its present reason as detail. Raises as
    ``commit`` does; repeat the same call when the database was away.
    """
    refused = _Refused(received, retries)
    whole = [aside for aside in received.aside_values if retries[aside.message].digest is None]
    received = replace(received, received_at=now, aside_messages=[], aside_values=whole)

    async def finish(
        conn: asyncpg.Connection, received: Received, new: SetAside, counted: Tally
    ) -> None:
        nothing = np.zeros((0, len(Outcome)), np.int64)
        uncounted = Tally(np.zeros(0, np.int32), nothing, nothing, counted.committed)
        await write_row(conn, received, uncounted, now)
        times = np.array([retry.received_at for retry in retries], np.int64)
        quarantined = counted.committed.messages == Outcome.QUARANTINED
        await quarantine.write(conn, received, new, quarantined, times)
        await _settle(conn, received, new, retries, refused, counted.committed)

    async with answering("settle a retry", conn, answer_within(received)):
        committed = await store(conn, received, finish)
    committed.messages[sorted(refused.why)] = Outcome.QUARANTINED
    return committed


class _Refused:
    """Which retries are still refused, and why."""

    def __init__(self, received: Received, retries: Sequence[Retry]) -> None:
        said = [(a.message, a.reason, a.detail) for a in received.aside_messages]
        said += [
            (a.message, a.reason, a.detail)
            for a in received.aside_values
            if retries[a.message].digest is not None
        ]
        self.why = {message: f"{reason}: {detail}" for message, reason, detail in said}

    def __contains__(self, message: int) -> bool:
        return message in self.why


async def _settle(  # noqa: PLR0913, PLR0917 - all that the transaction knows
    conn: asyncpg.Connection,
    received: Received,
    new: SetAside,
    retries: Sequence[Retry],
    refused: _Refused,
    committed: Committed,
) -> None:
    moves = _Moves()
    counts = _counts(received, new, committed)
    for number, retry in enumerate(retries):
        if number in refused:
            continue
        unit = int(received.unit[number])
        if retry.digest is None:
            moves.messages(retry.received_at, retry.unit, Outcome.QUARANTINED, -1)
            moves.messages(retry.received_at, unit, int(committed.messages[number]), 1)
        else:
            moves.readings(retry.received_at, retry.unit, Outcome.QUARANTINED, -1)
        for outcome in Outcome:
            moves.readings(retry.received_at, unit, outcome, int(counts[number, outcome]))
    values = await settle_items(conn, retries, refused.why)
    await _move_values(conn, values, retries, committed, moves)
    await send_many(conn, _MOVES, moves.rows())


def _counts(received: Received, new: SetAside, committed: Committed) -> NDArray[np.int64]:
    """Count readings by message and Outcome, shape (messages, Outcome)."""
    counts = np.zeros((len(received.unit), len(Outcome)), np.int64)
    np.add.at(counts, (received.readings.message, committed.readings), 1)
    for aside, is_new in zip(received.aside_values, new.values, strict=True):
        counts[aside.message, Outcome.QUARANTINED if is_new else Outcome.DUPLICATE] += 1
    return counts


async def settle_items(
    conn: asyncpg.Connection, retries: Sequence[Retry], refused: Mapping[int, str]
) -> list[tuple[int, asyncpg.Record]]:
    """Say in quarantine what has become of retries; ``refused`` has those that were, and why.

    Returns the values that were not, each with the place of its retry.
    """
    whole = [(r.item, n not in refused) for n, r in enumerate(retries) if r.digest is None]
    if whole:
        ids, done = (list(column) for column in zip(*whole, strict=True))
        await conn.execute(_SETTLE_MESSAGES, ids, done)
    if refused:
        why = {retries[n].item: quarantine.text(detail) for n, detail in refused.items()}
        await conn.execute(_SAY_WHY, list(why), list(why.values()))
    values = {(r.item, r.digest): n for n, r in enumerate(retries) if r.digest is not None}
    if not values:
        return []
    items, digests = (list(column) for column in zip(*values, strict=True))
    done = [number not in refused for number in values.values()]
    rows = await conn.fetch(_SETTLE_VALUES, items, digests, done)
    await conn.execute(_SETTLE_ITEMS, sorted(set(items)))
    found = [(values[row["item"], row["digest"]], row) for row in rows]
    return [(number, row) for number, row in found if number not in refused]


async def _move_values(
    conn: asyncpg.Connection,
    values: list[tuple[int, asyncpg.Record]],
    retries: Sequence[Retry],
    committed: Committed,
    moves: _Moves,
) -> None:
    outcomes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, row in values:
        if row["message"] is not None:
            outcomes[row["batch"], row["message"]].append(number)
    await _move_messages(conn, outcomes, retries, committed, moves)


async def _move_messages(
    conn: asyncpg.Connection,
    outcomes: dict[tuple[int, int], list[int]],
    retries: Sequence[Retry],
    committed: Committed,
    moves: _Moves,
) -> None:
    """Count again the messages that were quarantined because all their values were."""
    if not outcomes:
        return
    batches, messages = (list(column) for column in zip(*outcomes, strict=True))
    rows = await conn.fetch(_STILL_ASIDE, batches, messages)
    waiting = {(row["batch"], row["message"]) for row in rows}
    done = []
    for message, numbers in outcomes.items():
        stored = any(committed.messages[number] == Outcome.STORED for number in numbers)
        if stored or message not in waiting:
            retry = retries[numbers[0]]
            now = Outcome.STORED if stored else Outcome.DUPLICATE
            moves.messages(retry.received_at, retry.unit, Outcome.QUARANTINED, -1)
            moves.messages(retry.received_at, retry.unit, now, 1)
            done.append(message)
    if done:
        await conn.execute(_MESSAGE_DONE, [b for b, _ in done], [m for _, m in done])
