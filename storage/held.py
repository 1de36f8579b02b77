"""Values set aside for their time: when each first came, so that it is judged so again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.pool import unavailable
from storage.quarantine import READINGS
from storage.times import to_micros

if TYPE_CHECKING:
    import asyncpg

_HELD = """
select q.unit_id, v.digest, v.received_at
from quarantine q join quarantine_values v on v.item = q.id
where q.key is not null and q.reason = $1 and q.kind = $3
order by v.received_at desc limit $2
"""


async def load_held(
    conn: asyncpg.Connection, reason: str, limit: int, kind: str = READINGS
) -> list[tuple[int, bytes, int]]:
    """Return (unit number, digest, first receipt in us) of values set aside for ``reason``.

    Oldest first; of more than ``limit`` the latest.
    """
    async with unavailable("load the values held back"):
        rows = await conn.fetch(_HELD, reason, limit, kind)
    return [(row["unit_id"], row["digest"], to_micros(row["received_at"])) for row in rows[::-1]]
