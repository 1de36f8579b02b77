"""Quarantine: what could not be used, kept with its reason. Nothing here is ever dropped.

A message set aside whole is an item of its own. Values are kept one by one, under an item for each
unit, reason and key.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.copy import send_many
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from storage.received import AsideMessage, AsideValue, Received

READINGS, AVERAGES = "readings", "averages"  # the kind of topic that an item came from
_OTHER = {READINGS: AVERAGES, AVERAGES: READINGS}
_LONGEST_KEY = 400  # characters of a payload key that an index row can hold
_AT_ONCE = 5_000  # values in one statement; the event loop has its turn between two of them

_Place = tuple[int, str, str]  # unit id, reason, key: what names an item of values
_Name = tuple[_Place, bytes]  # and the digest: what names a value

_KNOWN_MESSAGES = """
select distinct q.digest from quarantine q
where q.key is null and q.digest = any($1::bytea[]) and q.batch <> $2
"""
# "Not of the other kind": "of this kind" would look so rare to a planner without statistics that it
# joins by loops.
_KNOWN_VALUES = """
select distinct q.unit_id, q.reason, q.key, v.digest
from unnest($1::int4[], $2::text[], $3::text[], $4::bytea[]) as w (unit_id, reason, key, digest)
join quarantine q on q.unit_id = w.unit_id and q.reason = w.reason and q.key = w.key
join quarantine_values v on v.item = q.id and v.digest = w.digest
where q.key is not null and q.kind <> $6 and v.batch <> $5
"""
_ADD_MESSAGE = """
insert into quarantine (topic, enterprise, unit, unit_id, reason, detail, count, first_at, last_at,
                        payload, digest, batch, kind)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12)
on conflict (digest) where key is null do update
set count = quarantine.count + excluded.count,
    last_at = greatest(quarantine.last_at, excluded.last_at)
"""
_ADD_ITEMS = """
insert into quarantine (topic, enterprise, unit, unit_id, reason, key, detail, count, first_at,
                        last_at, payload, digest, batch, kind)
select topic, enterprise, unit, unit_id, reason, key, detail, count, at, at, payload, '', $11, $12
from unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::bytea[], $10::int8[])
    as w (topic, enterprise, unit, unit_id, reason, key, detail, at, payload, count)
on conflict (unit_id, reason, key, kind) where key is not null do update
set count = quarantine.count + excluded.count, detail = excluded.detail,
    last_at = greatest(quarantine.last_at, excluded.last_at), payload = excluded.payload,
    state = case when excluded.count > 0 and quarantine.state = 'stored' then 'waiting'
            else quarantine.state end
returning id, unit_id, reason, key
"""
_ADD_VALUES = """
insert into quarantine_values (item, digest, payload, received_at, message, batch)
select w.*, $6
from unnest($1::int8[], $2::bytea[], $3::bytea[], $4::timestamptz[], $5::int4[]) as w
"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Which set-aside messages and values are new: parallel to those of the Received.

    ``names``: of the values, as quarantine knows them.
    """

    messages: list[bool]
    values: list[bool]
    names: list[_Name]


def text(value: str) -> str:
    """Return a text that PostgreSQL takes: no NUL and no half of a surrogate pair."""
    if value.isascii() and "\x00" not in value:  # nearly always
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def message_digest(aside: AsideMessage) -> bytes:
    """Name a message by topic and bytes."""
    return sha256(text(aside.topic).encode() + b"\x00" + aside.payload).digest()


def _place(aside: AsideValue) -> _Place:
    key = text(aside.key)
    if len(key) > _LONGEST_KEY:
        key = f"{key[:_LONGEST_KEY]}… {sha256(key.encode()).hexdigest()[:16]}"
    return aside.unit_id, text(aside.reason), key


def _name(aside: AsideValue) -> _Name:
    return _place(aside), sha256(aside.payload).digest()


async def what_is_new(
    conn: asyncpg.Connection, received: Received, kind: str = READINGS
) -> SetAside:
    """Say which set-aside messages and values are not in quarantine yet, repeats counted once.

    What this very batch has set aside counts as new, so that an unanswered commit is decided again
    as it was.
    """
    known: set[Any] = set()
    messages = [message_digest(aside) for aside in received.aside_messages]
    if messages:
        rows = await conn.fetch(_KNOWN_MESSAGES, list(set(messages)), received.batch)
        known.update(row["digest"] for row in rows)
    new: list[bool] = []
    names: list[_Name] = []
    for start in range(0, len(received.aside_values), _AT_ONCE):
        part = [_name(aside) for aside in received.aside_values[start : start + _AT_ONCE]]
        wanted = ((*place, digest) for place, digest in set(part))
        columns = [list(column) for column in zip(*wanted, strict=True)]
        rows = await conn.fetch(_KNOWN_VALUES, *columns, received.batch, _OTHER[kind])
        known.update((tuple(row[:3]), row[3]) for row in map(tuple, rows))
        new += _first(part, known)
        names += part
    return SetAside(_first(messages, known), new, names)


def _first(names: Iterable[Any], known: set[Any]) -> list[bool]:
    new = []
    for name in names:
        new.append(name not in known)
        known.add(name)
    return new


async def write(  # noqa: PLR0913 - what is kept, and how
    conn: asyncpg.Connection,
    received: Received,
    new: SetAside,
    quarantined: NDArray[np.bool_],
    received_at: NDArray[np.int64] | None = None,
    *,
    kind: str = READINGS,
) -> None:
    """Keep what was set aside. ``quarantined``: messages that the ledger counts as quarantined.

    ``received_at``: of each message, where it is not the batch's.
    """
    times = (
        np.full(len(received.unit), received.received_at) if received_at is None else received_at
    )
    if received.aside_messages:
        await _write_messages(conn, received, times, kind)
    values = list(zip(received.aside_values, new.names, new.values, strict=True))
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        items = await _write_items(conn, part, received.batch, times, kind)
        await _write_values(conn, part, items, received.batch, quarantined, times)


async def _write_messages(
    conn: asyncpg.Connection, received: Received, times: NDArray[np.int64], kind: str
) -> None:
    digests = [message_digest(aside) for aside in received.aside_messages]
    counts = Counter(digests)
    last = dict(zip(digests, received.aside_messages, strict=True))
    await send_many(
        conn,
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
                kind,
            )
            for digest, aside in sorted(last.items())
        ],
    )


async def _write_items(
    conn: asyncpg.Connection,
    values: Sequence[tuple[AsideValue, _Name, bool]],
    batch: int,
    times: NDArray[np.int64],
    kind: str,
) -> dict[_Place, int]:
    """Keep the items of values, each with whether it is new; return their numbers."""
    counts = Counter(place for _, (place, _), is_new in values if is_new)
    last = {place: aside for aside, (place, _), _ in values}
    rows = [
        (
            text(aside.topic),
            text(aside.enterprise),
            text(aside.unit),
            *place,
            text(aside.detail),
            from_micros(int(times[aside.message])),
            aside.payload,
            counts[place],
        )
        for place, aside in sorted(last.items(), key=itemgetter(0))
    ]
    found = await conn.fetch(_ADD_ITEMS, *map(list, zip(*rows, strict=True)), batch, kind)
    return {(row["unit_id"], row["reason"], row["key"]): row["id"] for row in found}


async def _write_values(  # noqa: PLR0913, PLR0917 - what a row is made of
    conn: asyncpg.Connection,
    values: Sequence[tuple[AsideValue, _Name, bool]],
    items: dict[_Place, int],
    batch: int,
    quarantined: NDArray[np.bool_],
    times: NDArray[np.int64],
) -> None:
    rows = [
        (
            items[place],
            digest,
            aside.payload,
            from_micros(int(times[aside.message])),
            aside.message if quarantined[aside.message] else None,
        )
        for aside, (place, digest), is_new in values
        if is_new
    ]
    if rows:
        await conn.execute(_ADD_VALUES, *map(list, zip(*rows, strict=True)), batch)


_LIST = """
select id, topic, enterprise, unit, key, reason, detail, count, first_at, last_at, state, payload
from quarantine where state <> 'stored' order by last_at, id limit $1
"""


async def list_items(conn: asyncpg.Connection, limit: int = 10_000) -> list[asyncpg.Record]:
    """Return the items that are not stored yet, oldest first, as rows with the API's names."""
    return list(await conn.fetch(_LIST, limit))
