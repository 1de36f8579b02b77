"""Notices to recipients: what was tried, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, UUID(int=0))

_LIST = """
select n.id, n.alert, c.enterprise, c.source, c.channel, n.recipient, n.type, n.state, n.attempts,
       n.created_at, n.last_attempt_at, n.last_outcome
from notices n
join alerts a on a.id = n.alert
left join limits l on l.id = a."limit"
join channels c on c.id = coalesce(a.channel, l.channel)
where n.created_at >= $1 and n.created_at < $2 and (n.created_at, n.id) > ($3, $4)
  and ($5::int[] is null or c.id = any($5))
  and ($6::text is null or n.state = $6) and ($7::text is null or n.recipient = $7)
  and ($8::uuid is null or n.alert = $8)
order by n.created_at, n.id limit $9
"""


async def notices(  # noqa: PLR0913 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    span: Span,
    part: Part,
    *,
    outcome: str | None = None,
    recipient: str | None = None,
    alert: UUID | None = None,
) -> Page:
    """Return notices by ``created_at`` and id; key: those two. ``channels`` None means all."""
    rows = await conn.fetch(
        _LIST,
        max(span.start, part.after[0]),
        span.end,
        *part.after,
        channels,
        outcome,
        recipient,
        alert,
        part.limit + 1,
    )
    return paged(rows, part.limit, _item, "created_at", "id")


def _item(row: Record) -> Item:
    return {
        "id": str(row["id"]),
        "alert": str(row["alert"]),
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "recipient": row["recipient"],
        "type": row["type"],
        "attempts": row["attempts"],
        "outcome": row["state"],
        "created_at": rfc3339(row["created_at"]),
        "last_attempt_at": rfc3339(row["last_attempt_at"]),
        "last_answer": row["last_outcome"],
    }
