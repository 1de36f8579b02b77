"""Retries of what is in quarantine: marked by somebody, taken by the server, settled by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.pool import unavailable
from storage.quarantine import READINGS
from storage.settle import settle
from storage.times import to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

__all__ = ["Retry", "mark_for_retry", "settle", "take_retries"]

_MOST_BYTES = 16 * 2**20  # of payloads in one answer

_MARK = """
update quarantine set state = 'retrying'
where state = 'waiting' and ($1::bigint[] is null or id = any($1))
returning id
"""
_UNFOLD = """
update quarantine_values v set retry = true from quarantine q
where q.state = 'retrying' and q.key is not null and q.kind = $1 and v.item = q.id and not v.stored
  and not exists (select from quarantine_values r where r.item = q.id and r.retry)
"""
_TAKE = """
select item, digest, topic, payload, received_at, unit_id from (
    select *, sum(octet_length(payload)) over (order by item, digest) - octet_length(payload)
              as before
    from (
        select id as item, null::bytea as digest, topic, payload, first_at as received_at, unit_id
        from quarantine where state = 'retrying' and key is null and kind = $3
        union all
        select q.id, v.digest, q.topic, v.payload, v.received_at, q.unit_id
        from quarantine q join quarantine_values v on v.item = q.id and v.retry
        where q.state = 'retrying' and q.key is not null and q.kind = $3
        order by item, digest limit $1
    ) next
) numbered where before <= $2 order by item, digest
"""


@dataclass(frozen=True, slots=True)
class Retry:
    """A payload to process again as if received at ``received_at`` (µs).

    ``digest`` names a value of the item, None: the item is a whole message. ``unit``: the number
    under which the ledger counts it (0: no known unit).
    """

    item: int
    digest: bytes | None
    topic: str
    payload: bytes
    received_at: int
    unit: int


async def mark_for_retry(conn: asyncpg.Connection, ids: Sequence[int] | None) -> list[int]:
    """Mark waiting items (None: all of them) for a retry and return their numbers."""
    async with unavailable("mark for a retry"):
        rows = await conn.fetch(_MARK, None if ids is None else list(ids))
    return sorted(row["id"] for row in rows)


async def take_retries(
    conn: asyncpg.Connection, limit: int = 1000, kind: str = READINGS
) -> list[Retry]:
    """Return what is to be processed again, in order of items; they stay marked until settled."""
    async with unavailable("take the retries"), conn.transaction():
        await conn.execute(_UNFOLD, kind)
        rows = await conn.fetch(_TAKE, limit, _MOST_BYTES, kind)
    return [
        Retry(
            row["item"],
            row["digest"],
            row["topic"],
            row["payload"],
            to_micros(row["received_at"]),
            row["unit_id"],
        )
        for row in rows
    ]
