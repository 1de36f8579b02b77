"""Alerts and their history in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.core.records import DISAGREEMENT, LIMIT, Alert, Entry
from storage.copy import send_many
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asyncpg import Connection, Record

_WRITE = """
insert into alerts (id, "limit", limit_version, state, severity, worst, opened_at, resolved_at,
                    peak, peak_at, value, changed_at, silent_since, late, replaced_by, kind,
                    channel, average)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
on conflict (id) do update set
    limit_version = excluded.limit_version, state = excluded.state, severity = excluded.severity,
    worst = excluded.worst, opened_at = excluded.opened_at, resolved_at = excluded.resolved_at,
    peak = excluded.peak, peak_at = excluded.peak_at, value = excluded.value,
    changed_at = excluded.changed_at, silent_since = excluded.silent_since, late = excluded.late,
    replaced_by = excluded.replaced_by, updated_at = now()
"""

_HISTORY = """
insert into alert_history (alert, at, change, state, severity, value, evidence)
values ($1, $2, $3, $4, $5, $6, $7)
"""

_READ = """
select id, "limit", limit_version, state, severity, worst, opened_at, resolved_at, peak, peak_at,
       value, changed_at, silent_since, late, replaced_by, kind, channel, average
from alerts
"""


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_micros(microseconds)


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


async def write_alerts(conn: Connection, alerts: Sequence[Alert]) -> None:
    """Insert or update alerts; what people acknowledged stays as it is.

    Replaced alerts point at others of the same call: those come first.
    """
    ordered = sorted(alerts, key=lambda alert: alert.replaced_by is not None)
    await send_many(conn, _WRITE, [_parameters(alert) for alert in ordered])


def _parameters(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.id,
        alert.limit or None,
        alert.version or None,
        alert.state,
        alert.severity,
        alert.worst,
        from_micros(alert.opened_at),
        _instant(alert.resolved_at),
        alert.peak,
        from_micros(alert.peak_at),
        alert.value,
        from_micros(alert.changed_at),
        _instant(alert.silent_since),
        alert.late,
        alert.replaced_by,
        alert.kind,
        alert.channel or None,
        alert.average or None,
    )


async def write_history(conn: Connection, entries: Sequence[Entry]) -> None:
    """Append to the alerts' histories."""
    await send_many(
        conn,
        _HISTORY,
        [
            (e.alert, from_micros(e.at), e.change, e.state, e.severity, e.value, e.evidence)
            for e in entries
        ],
    )


async def has_alerts(conn: Connection, alerts: Sequence[Alert]) -> bool:
    """Tell whether every one of these alerts is stored exactly so."""
    rows = await conn.fetch(f"{_READ} where id = any($1::uuid[])", [one.id for one in alerts])
    stored = {row["id"]: _alert(row) for row in rows}
    return all(stored.get(one.id) == one for one in alerts)


async def read_unresolved(conn: Connection, kind: str = LIMIT) -> list[Alert]:
    """Return every alert of a kind that is pending or open."""
    rows = await conn.fetch(f"{_READ} where state in ('pending', 'open') and kind = $1", kind)
    return [_alert(row) for row in rows]


async def read_alerts_since(
    conn: Connection, limits: Sequence[int], since: int, kind: str = LIMIT
) -> list[Alert]:
    """Return the limits' alerts of a kind that were not over before ``since``, oldest first.

    Withdrawn ones are left out: they have no episode to be compared with.
    """
    rows = await conn.fetch(
        f"""{_READ} where "limit" = any($1::int[]) and state <> 'withdrawn' and kind = $3
            and (resolved_at is null or resolved_at >= $2) order by opened_at, id""",
        list(limits),
        from_micros(since),
        kind,
    )
    return [_alert(row) for row in rows]


async def read_disagreements(
    conn: Connection, series: Sequence[tuple[int, str, int]]
) -> list[Alert]:
    """Return the alerts of disagreement of (channel, average) not over before its time (us).

    Oldest first, without those that are withdrawn.
    """
    rows = await conn.fetch(
        f"""{_READ} join unnest($1::int4[], $2::text[], $3::timestamptz[]) as w (c, a, since)
            on channel = w.c and average = w.a
            where kind = $4 and state <> 'withdrawn'
            and (resolved_at is null or resolved_at >= w.since) order by opened_at, id""",
        [channel for channel, _, _ in series],
        [average for _, average, _ in series],
        [from_micros(since) for _, _, since in series],
        DISAGREEMENT,
    )
    return [_alert(row) for row in rows]


def _alert(row: Record) -> Alert:
    return Alert(
        id=row["id"],
        limit=row["limit"] or 0,
        version=row["limit_version"] or 0,
        state=row["state"],
        severity=row["severity"],
        worst=row["worst"],
        opened_at=to_micros(row["opened_at"]),
        resolved_at=_micros(row["resolved_at"]),
        peak=row["peak"],
        peak_at=to_micros(row["peak_at"]),
        value=row["value"],
        changed_at=to_micros(row["changed_at"]),
        silent_since=_micros(row["silent_since"]),
        late=row["late"],
        replaced_by=row["replaced_by"],
        kind=row["kind"],
        channel=row["channel"] or 0,
        average=row["average"] or "",
    )
