"""The outbox in SQL: notices wait here until a recipient has taken them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.copy import sending
from storage.pool import unavailable
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from asyncpg import Connection, Pool


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be put into the outbox; ``created_at`` in microseconds, ``body`` as sent."""

    id: UUID
    alert: UUID
    recipient: str
    type: str
    body: bytes
    created_at: int


@dataclass(frozen=True, slots=True)
class WaitingNotice:
    """The first notice that waits of an alert and recipient; ``attempts`` is how many failed."""

    number: int
    id: UUID
    alert: UUID
    attempts: int
    body: bytes


_COLUMNS = ("id", "alert", "recipient", "type", "body", "created_at")

# A notice that failed n times is due delays[n] after its last attempt, shortened by up to a half:
# by how much follows from its number and n alone, so that a restart changes nothing.
_DUE = """
last_attempt_at + interval '1 second' * ($3::float8[])[least(attempts, cardinality($3::float8[]))]
                * (0.5 + 0.5 * (hashint8extended(number, attempts) & 1023) / 1023.0)
"""

# Walks from the oldest on and stops when the page is full.
_HEADS = f"""
select number, id, alert, attempts, body from notices n
where recipient = $1 and state = 'waiting' and (attempts = 0 or {_DUE} <= $2)
and not exists (select from notices earlier
                where earlier.recipient = n.recipient and earlier.alert = n.alert
                and earlier.state = 'waiting' and earlier.number < n.number)
order by number limit $4
"""  # noqa: S608 - only our own text is put in

_LATER = f"""
select min(due) from (select {_DUE} as due from notices
                      where recipient = $1 and state = 'waiting' and attempts > 0) as failed
where due > $2
"""  # noqa: S608 - only our own text is put in

_DELIVERED = """
update notices set state = 'delivered', attempts = attempts + 1, last_attempt_at = $2,
                   last_outcome = $3
where number = $1 and state <> 'delivered'
"""

_FAILED = """
update notices set attempts = attempts + 1, last_attempt_at = $2, last_outcome = $3
where number = $1 and state = 'waiting'
"""

_EXPIRE = """
update notices set state = 'expired', last_outcome = coalesce(last_outcome, 'never attempted')
where state = 'waiting' and created_at < $1
"""


async def insert_notices(conn: Connection, notices: Sequence[NewNotice]) -> None:
    """Put notices into the outbox, in the caller's transaction and in the order given."""
    if not notices:
        return
    async with sending(conn):
        await conn.copy_records_to_table(
            "notices",
            schema_name="ams",
            columns=_COLUMNS,
            records=[
                (n.id, n.alert, n.recipient, n.type, n.body, from_micros(n.created_at))
                for n in notices
            ],
        )


async def waiting_heads(
    conn: Connection | Pool, recipient: str, limit: int, now: int, delays: Sequence[float]
) -> tuple[list[WaitingNotice], int | None]:
    """Return each alert's first waiting notice that is due, at most ``limit``, oldest first.

    With them comes the instant when the next one that is not due yet will be, None without such
    or when there are more than ``limit``. ``delays`` are the seconds to wait after the first,
    second, … failure; the last one repeats. Raises Unavailable.
    """
    arguments = (recipient, from_micros(now), list(delays))
    async with unavailable("read waiting notices"):
        rows = await conn.fetch(_HEADS, *arguments, limit)
        later = None if len(rows) == limit else await conn.fetchval(_LATER, *arguments)
    due = [WaitingNotice(**row) for row in rows]
    return due, None if later is None else to_micros(later)


async def record_attempt(
    conn: Connection | Pool, number: int, at: int, outcome: str, *, delivered: bool
) -> None:
    """Record what came of sending a notice. Raises Unavailable."""
    async with unavailable("record an attempt to deliver"):
        await conn.execute(_DELIVERED if delivered else _FAILED, number, from_micros(at), outcome)


async def expire(conn: Connection | Pool, before: int) -> int:
    """Give up what has waited since before ``before``; return how many. Raises Unavailable."""
    async with unavailable("expire notices"):
        done = await conn.execute(_EXPIRE, from_micros(before))
    return int(done.split()[-1])


async def count_waiting(conn: Connection | Pool) -> int:
    """Return how many notices wait, whatever became of their recipients. Raises Unavailable."""
    async with unavailable("count waiting notices"):
        return int(await conn.fetchval("select count(*) from notices where state = 'waiting'"))
