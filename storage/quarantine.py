"""Quarantine: what could not be used, kept with its reason. Nothing here is ever dropped.

A message set aside whole is an item of its own. Values are kept one by one, under an item for each
unit, reason and key.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg
    from numpy.typing import NDArray

    from storage.received import AsideMessage, AsideValue, Received

_LONGEST_KEY = 400  # characters of a payload key that an index row can hold

_Place = tuple[int, str, str]  # unit id, reason, key: what names an item of values

_KNOWN_MESSAGES = """
select distinct q.digest from quarantine q
where q.key is null and q.digest = any($1::bytea[]) and q.batch <> $2
"""
_KNOWN_VALUES = """
select distinct q.unit_id, q.reason, q.key, v.digest
from unnest($1::int4[], $2::text[], $3::text[], $4::bytea[]) as w (unit_id, reason, key, digest)
join quarantine q on q.unit_id = w.unit_id and q.reason = w.reason and q.key = w.key
join quarantine_values v on v.item = q.id and v.digest = w.digest
where q.key is not null and v.batch <> $5
"""
_ADD_MESSAGE = """
insert into quarantine (topic, enterprise, unit, unit_id, reason, detail, count, first_at, last_at,
                        payload, digest, batch)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)
on conflict (digest) where key is null do update
set count = quarantine.count + excluded.count,
    last_at = greatest(quarantine.last_at, excluded.last_at)
"""
_ADD_ITEM = """
insert into quarantine (topic, enterprise, unit, unit_id, key, reason, detail, count, first_at,
                        last_at, payload, digest, batch)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, '', $11)
on conflict (unit_id, reason, key) where key is not null do update
set count = quarantine.count + excluded.count, detail = excluded.detail,
    last_at = greatest(quarantine.last_at, excluded.last_at), payload = excluded.payload,
    state = case when excluded.count > 0 and quarantine.state = 'stored' then 'waiting'
            else quarantine.state end
"""
_ADD_VALUES = """
insert into quarantine_values (item, digest, payload, received_at, batch, message)
select q.id, w.digest, w.payload, w.received_at, $7, w.message
from unnest($1::int4[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::int4[],
            $8::timestamptz[])
    as w (unit_id, reason, key, digest, payload, message, received_at)
join quarantine q on q.unit_id = w.unit_id and q.reason = w.reason and q.key = w.key
"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Which set-aside messages and values are new: parallel to those of the Received."""

    messages: list[bool]
    values: list[bool]


def text(value: str) -> str:
    """Return a text that PostgreSQL takes: no NUL and no half of a surrogate pair."""
    return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def message_digest(aside: AsideMessage) -> bytes:
    """Name a message by topic and bytes."""
    return sha256(text(aside.topic).encode() + b"\x00" + aside.payload).digest()


def _place(aside: AsideValue) -> _Place:
    key = text(aside.key)
    if len(key) > _LONGEST_KEY:
        key = f"{key[:_LONGEST_KEY]}… {sha256(key.encode()).hexdigest()[:16]}"
    return aside.unit_id, text(aside.reason), key


def _value_digest(aside: AsideValue) -> bytes:
    return sha256(aside.payload).digest()


async def what_is_new(conn: asyncpg.Connection, received: Received) -> SetAside:
    """Say which set-aside messages and values are not in quarantine yet, repeats counted once.

    What this very batch has set aside counts as new, so that an unanswered commit is decided again
    as it was.
    """
    messages = [message_digest(aside) for aside in received.aside_messages]
    values = [(*_place(aside), _value_digest(aside)) for aside in received.aside_values]
    known: set[Any] = set()
    if messages:
        rows = await conn.fetch(_KNOWN_MESSAGES, list(set(messages)), received.batch)
        known.update(row["digest"] for row in rows)
    if values:
        columns = [list(column) for column in zip(*set(values), strict=True)]
        rows = await conn.fetch(_KNOWN_VALUES, *columns, received.batch)
        known.update(tuple(row) for row in rows)
    return SetAside(_first(messages, known), _first(values, known))


def _first(names: Iterable[Any], known: set[Any]) -> list[bool]:
    new = []
    for name in names:
        new.append(name not in known)
        known.add(name)
    return new


async def write(
    conn: asyncpg.Connection,
    received: Received,
    new: SetAside,
    quarantined: NDArray[np.bool_],
    received_at: NDArray[np.int64] | None = None,
) -> None:
    """Keep what was set aside. ``quarantined``: messages that the ledger counts as quarantined.

    ``received_at``: of each message, where it is not the batch's.
    """
    times = (
        np.full(len(received.unit), received.received_at) if received_at is None else received_at
    )
    if received.aside_messages:
        await _write_messages(conn, received, times)
    if received.aside_values:
        await _write_values(conn, received, new, quarantined, times)


async def _write_messages(
    conn: asyncpg.Connection, received: Received, times: NDArray[np.int64]
) -> None:
    digests = [message_digest(aside) for aside in received.aside_messages]
    counts = Counter(digests)
    last = dict(zip(digests, received.aside_messages, strict=True))
    await conn.executemany(
        _ADD_MESSAGE,
        [
            (
                text(aside.topic),
                None if aside.enterprise is None else text(aside.enterprise),
                None if aside.unit is None else text(aside.unit),
                int(received.unit[aside.message]),
                text(aside.reason),
                text(aside.detail),
                counts[digest],
                from_micros(int(times[aside.message])),
                aside.payload,
                digest,
                received.batch,
            )
            for digest, aside in sorted(last.items())
        ],
    )


async def _write_values(
    conn: asyncpg.Connection,
    received: Received,
    new: SetAside,
    quarantined: NDArray[np.bool_],
    times: NDArray[np.int64],
) -> None:
    fresh = [
        aside for aside, is_new in zip(received.aside_values, new.values, strict=True) if is_new
    ]
    counts = Counter(_place(aside) for aside in fresh)
    last = {_place(aside): aside for aside in received.aside_values}
    await conn.executemany(
        _ADD_ITEM,
        [
            (
                text(aside.topic),
                text(aside.enterprise),
                text(aside.unit),
                aside.unit_id,
                place[2],
                place[1],
                text(aside.detail),
                counts[place],
                from_micros(int(times[aside.message])),
                aside.payload,
                received.batch,
            )
            for place, aside in sorted(last.items(), key=lambda item: item[0])
        ],
    )
    if fresh:
        places = [_place(aside) for aside in fresh]
        units, reasons, keys = (list(column) for column in zip(*places, strict=True))
        await conn.execute(
            _ADD_VALUES,
            units,
            reasons,
            keys,
            [_value_digest(aside) for aside in fresh],
            [aside.payload for aside in fresh],
            [aside.message if quarantined[aside.message] else None for aside in fresh],
            received.batch,
            [from_micros(int(times[aside.message])) for aside in fresh],
        )


_LIST = """
select id, topic, enterprise, unit, key, reason, detail, count, first_at, last_at, state, payload
from quarantine where state <> 'stored' order by last_at, id limit $1
"""


async def list_items(conn: asyncpg.Connection, limit: int = 10_000) -> list[asyncpg.Record]:
    """Return the items that are not stored yet, oldest first, as rows with the API's names."""
    return list(await conn.fetch(_LIST, limit))
