"""Alerts as the API and the notices show them, their history, their acknowledgement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, UUID(int=0))

# The parameter is the one that was in force when the alert opened, else the channel's first.
# An alert without a limit is in its channel's unit of measure; what a condition counts has none,
# and is held against the number that it allows.
_FIELDS = """
select a.id, a.kind, c.enterprise, c.source, c.channel, p.parameter,
       coalesce(a.average, l.average) as average,
       case when f.counted then (v.rule ->> 'at_most')::float8 else v.value end as limit_value,
       case when a."limit" is null then p.uom when not f.counted then v.uom end as uom,
       l.permit, a.limit_version,
       a.severity, a.worst, a.state, a.opened_at, a.resolved_at, a.peak, a.peak_at, a.value,
       a.silent_since, a.late, a.acknowledged, a.replaced_by, nullif(c.basis, '') as basis,
       v.rule ->> 'rules' as rules, v.rule ->> 'condition' as condition
from alerts a
left join limits l on l.id = a."limit"
join channels c on c.id = coalesce(a.channel, l.channel)
left join limit_versions v on v."limit" = a."limit" and v.version = a.limit_version
cross join lateral (
    select a.kind = 'forecast' and coalesce(v.rule ->> 'statistic', '') in ('share', 'count')
           as counted) f
left join lateral (
    select parameter, uom from channel_versions
    where channel = c.id
    order by effective <= a.opened_at desc,
             case when effective <= a.opened_at then -version else version end
    limit 1) p on true
"""
_LIST = f"""{_FIELDS}
where a.opened_at >= $1 and a.opened_at < $2 and (a.opened_at, a.id) > ($3, $4)
  and ($5::int[] is null or c.id = any($5))
  and ($6::text is null or a.state = $6) and ($7::text is null or a.severity = $7)
  and ($8::text is null or a.kind = $8)
order by a.opened_at, a.id limit $9
"""
_BY_ID = f"{_FIELDS} where a.id = any($1::uuid[]) order by a.opened_at, a.id"

_HISTORY = """
select at, recorded_at, change, state, severity, value, evidence
from alert_history where alert = $1 order by id
"""

_ACKNOWLEDGE = """
with acknowledged as (
    update alerts set acknowledged = $2::jsonb, updated_at = now()
    where id = $1 and acknowledged is null
    returning id, state, severity, value
)
insert into alert_history (alert, at, change, state, severity, value, evidence)
select id, ($2::jsonb->>'at')::timestamptz, 'acknowledged', state, severity, value, $2::jsonb
from acknowledged
returning alert
"""


async def alerts(  # noqa: PLR0913 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    span: Span,
    part: Part,
    *,
    state: str | None = None,
    severity: str | None = None,
    kind: str | None = None,
) -> Page:
    """Return alerts by ``opened_at`` and id; key: those two. ``channels`` None means all."""
    rows = await conn.fetch(
        _LIST,
        max(span.start, part.after[0]),
        span.end,
        *part.after,
        channels,
        state,
        severity,
        kind,
        part.limit + 1,
    )
    return paged(rows, part.limit, _item, "opened_at", "id")


async def alert_items(conn: Connection, ids: Sequence[UUID]) -> list[Item]:
    """Return the alerts that exist among ``ids``, by ``opened_at`` and id, ready for JSON."""
    return [_item(row) for row in await conn.fetch(_BY_ID, list(ids))]


async def alert_history(conn: Connection, alert: UUID) -> list[Item]:
    """Return what became of an alert, in the order in which it was recorded."""
    return [
        {
            "at": rfc3339(row["at"]),
            "recorded_at": rfc3339(row["recorded_at"]),
            "change": row["change"],
            "state": row["state"],
            "severity": row["severity"],
            "value": row["value"],
            "evidence": row["evidence"],
        }
        for row in await conn.fetch(_HISTORY, alert)
    ]


async def acknowledge(conn: Connection, alert: UUID, acknowledgement: dict[str, Any]) -> bool:
    """Note who acknowledged an alert, and "at" which time, there and in its history.

    False where there is nothing to do: no such alert, or somebody did it before.
    """
    return await conn.fetchval(_ACKNOWLEDGE, alert, acknowledgement) is not None


def _item(row: Record) -> Item:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "basis": row["basis"],
        "parameter": row["parameter"],
        "window": row["average"],
        "limit": row["limit_value"],
        "uom": row["uom"],
        "permit": row["permit"],
        "limit_version": row["limit_version"],
        "rules": row["rules"],
        "condition": row["condition"],
        "severity": row["severity"],
        "worst": row["worst"],
        "state": row["state"],
        "opened_at": rfc3339(row["opened_at"]),
        "resolved_at": rfc3339(row["resolved_at"]),
        "peak": row["peak"],
        "peak_at": rfc3339(row["peak_at"]),
        "value": row["value"],
        "silent_since": rfc3339(row["silent_since"]),
        "late": row["late"],
        "acknowledged": row["acknowledged"],
        "replaced_by": None if row["replaced_by"] is None else str(row["replaced_by"]),
    }
