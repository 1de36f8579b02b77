"""Block means that units report: one transaction for some messages, nothing overwritten."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np

from storage import quarantine
from storage.errors import DataError
from storage.pool import unavailable
from storage.received import Columns, Outcome, Received
from storage.settle import settle_items
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.received import AsideMessage, AsideValue
    from storage.retries import Retry

Head = tuple[int, str, int]  # unit, boot, seq
_Value = tuple[float | None, int]  # and its status

_SEEN = """
select w.place - 1 as place
from unnest($1::int4[], $2::text[], $3::int8[]) with ordinality as w (unit, boot, seq, place)
join reported_boots b on b.unit = w.unit and b.boot = w.boot and b.received @> w.seq
"""
_NOTE = """
insert into reported_boots as b (unit, boot, received, last_at)
select unit, boot, range_agg(int8range(seq, nullif(seq, 9223372036854775807) + 1)), $4
from unnest($1::int4[], $2::text[], $3::int8[]) as w (unit, boot, seq)
group by unit, boot order by unit, boot
on conflict (unit, boot) do update
set received = b.received + excluded.received, last_at = excluded.last_at
"""
_STORED = """
select r.channel, r.window_s, r.start, r.value, r.status
from (select distinct * from unnest($1::int4[], $2::int4[], $3::timestamptz[])) as w (c, s, t)
join reported_averages r on r.channel = w.c and r.window_s = w.s and r.start = w.t
order by r.channel, r.window_s, r.start, r.revision
"""
_ADD = """
insert into reported_averages (channel, window_s, start, finish, value, status, unit, revision,
                               known_at)
select w.*, $9 from unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[],
                           $5::float8[], $6::int2[], $7::int4[], $8::int4[]) as w
"""
# A row that is there is locked by whoever compares it: this waits, and comes after.
DUE = """
insert into reported_due (channel, window_s, start)
select distinct * from unnest($1::int4[], $2::int4[], $3::timestamptz[]) as w (c, s, t)
order by c, s, t
on conflict (channel, window_s, start) do update set start = excluded.start
"""


@dataclass(frozen=True, slots=True)
class Mean:
    """A block mean as reported: [start, finish) of ``window`` in microseconds, None for a null.

    ``message`` is the row of its message.
    """

    message: int
    channel: int
    window: int
    start: int
    finish: int
    value: float | None
    status: int


@dataclass(slots=True)
class Reports:
    """Some messages in order of receipt: what one transaction commits.

    ``heads`` has an entry for each message (unit 0, boot "" and seq -1 where there is none),
    ``units`` the unit of each (0: none known), ``seen`` says which came before. ``number`` names
    the transaction: the same for each attempt at it.
    """

    number: int
    received_at: int
    heads: list[Head]
    units: list[int]
    seen: list[bool]
    means: list[Mean] = field(default_factory=list)
    aside_messages: list[AsideMessage] = field(default_factory=list)
    aside_values: list[AsideValue] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of it: how many means and messages by Outcome, and whose channels are due."""

    means: dict[Outcome, int]
    messages: dict[Outcome, int]
    channels: set[int]


async def read_seen(conn: asyncpg.Connection, heads: Sequence[Head]) -> list[bool]:
    """Tell which of these messages were received before; of the same twice the second was.

    Raises Unavailable.
    """
    async with unavailable("look up reported messages"):
        rows = await conn.fetch(_SEEN, *_columns(heads, 3))
    before = {heads[row["place"]] for row in rows}
    seen = []
    for head in heads:
        seen.append(bool(head[1]) and head in before)
        before.add(head)
    return seen


async def store_reports(
    conn: asyncpg.Connection, reports: Reports, retries: Sequence[Retry] = ()
) -> Stored:
    """Store reported means and what was set aside, and say what became of all of it.

    ``retries``: message i is what was set aside as ``retries[i]``; in the same transaction it is
    settled. Raises DataError for what the database refuses, and Unavailable: try the same again.
    """
    try:
        async with unavailable("store reported means"), conn.transaction():
            outcomes, channels = await _store_means(conn, reports)
            new = await _store_asides(conn, reports, retries)
            known = [head for head in reports.heads if head[1]]
            if known:
                await conn.execute(_NOTE, *_columns(known, 3), from_micros(reports.received_at))
            if retries:
                await settle_items(conn, retries, _refused(reports, retries))
    except (asyncpg.DataError, asyncpg.CheckViolationError) as error:
        raise DataError(str(error), []) from error
    return _counted(reports, outcomes, new, channels)


async def _store_means(
    conn: asyncpg.Connection, reports: Reports
) -> tuple[list[Outcome], set[int]]:
    if not reports.means:
        return [], set()
    places = [(m.channel, m.window // 1_000_000, from_micros(m.start)) for m in reports.means]
    known: dict[Any, list[_Value]] = {place: [] for place in places}
    for row in await conn.fetch(_STORED, *_columns(places, 3)):
        known[row["channel"], row["window_s"], row["start"]].append((row["value"], row["status"]))
    outcomes, rows, due = [], [], []
    for mean, place in zip(reports.means, places, strict=True):
        outcome, revision = _verdict(known[place], mean, seen=reports.seen[mean.message])
        outcomes.append(outcome)
        if outcome is not Outcome.DUPLICATE:
            unit = reports.units[mean.message]
            finish = from_micros(mean.finish)
            rows.append((*place, finish, mean.value, mean.status, unit, revision))
            due.append(place)
    if rows:
        await conn.execute(_ADD, *_columns(rows, 8), from_micros(reports.received_at))
        await conn.execute(DUE, *_columns(due, 3))
    return outcomes, {place[0] for place in due}


def _verdict(known: list[_Value], mean: Mean, *, seen: bool) -> tuple[Outcome, int]:
    """Say what a mean is beside the revisions ``known`` of it, and put it among them."""
    value = mean.value, mean.status
    if known and (value == known[-1] or (seen and value in known)):
        return Outcome.DUPLICATE, 0
    known.append(value)
    revision = len(known) - 1
    return (Outcome.REVISED if revision else Outcome.STORED), revision


async def _store_asides(
    conn: asyncpg.Connection, reports: Reports, retries: Sequence[Retry]
) -> quarantine.SetAside:
    """Keep what was set aside; of retries only what was not there before."""
    messages, values = reports.aside_messages, reports.aside_values
    if retries:
        messages = []
        values = [one for one in values if retries[one.message].digest is None]
    aside = _as_received(reports, messages, values)
    new = await quarantine.what_is_new(conn, aside, quarantine.AVERAGES)
    nowhere = np.zeros(len(reports.heads), np.bool_)  # the ledger counts none of it
    times = np.array([retry.received_at for retry in retries], np.int64) if retries else None
    await quarantine.write(conn, aside, new, nowhere, times, kind=quarantine.AVERAGES)
    return new


def _as_received(
    reports: Reports, messages: list[AsideMessage], values: list[AsideValue]
) -> Received:
    """Return what quarantine asks of a batch: messages without any reading."""
    count = len(reports.heads)
    none: Any = np.zeros(0)
    return Received(
        batch=-reports.number,
        received_at=reports.received_at,
        unit=np.array(reports.units, np.int32),
        boot=np.zeros(count, np.int32),
        seq=np.full(count, -1, np.int64),
        seen=np.array(reports.seen, np.bool_),
        readings=Columns(none, none, none, none, none, none),
        fresh=none,
        aside_messages=messages,
        aside_values=values,
    )


def _refused(reports: Reports, retries: Sequence[Retry]) -> dict[int, str]:
    """Return why retries are still refused, by their place."""
    said = [(a.message, a.reason, a.detail) for a in reports.aside_messages]
    said += [
        (a.message, a.reason, a.detail)
        for a in reports.aside_values
        if retries[a.message].digest is not None
    ]
    return {message: f"{reason}: {detail}" for message, reason, detail in said}


def _counted(
    reports: Reports, outcomes: list[Outcome], new: quarantine.SetAside, channels: set[int]
) -> Stored:
    means = dict.fromkeys(Outcome, 0)
    kept = [False] * len(reports.heads)
    new_aside = [False] * len(reports.heads)
    for mean, outcome in zip(reports.means, outcomes, strict=True):
        means[outcome] += 1
        kept[mean.message] |= outcome is not Outcome.DUPLICATE
    for aside, is_new in zip(reports.aside_values, new.values, strict=False):
        means[Outcome.QUARANTINED if is_new else Outcome.DUPLICATE] += 1
        new_aside[aside.message] |= is_new
    for message, is_new in zip(reports.aside_messages, new.messages, strict=False):
        new_aside[message.message] |= is_new
    messages = dict.fromkeys(Outcome, 0)
    for outcome in starmap(_of_message, zip(kept, new_aside, strict=True)):
        messages[outcome] += 1
    return Stored(means, messages, channels)


def _of_message(kept: bool, new_aside: bool) -> Outcome:  # noqa: FBT001 - two facts of a row
    if kept:
        return Outcome.STORED
    return Outcome.QUARANTINED if new_aside else Outcome.DUPLICATE


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
