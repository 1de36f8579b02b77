"""Native range partitions, made ahead of the data: days for readings, months for the rest.

Old readings go to month partitions, since a partition for each of 400 days would cost every query
that plans for all of them. What no partition was made for goes to the default one, and stays there
when the partition cannot be made any more because of it. TimescaleDB makes its own chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import structlog

from storage.migrate import dialect
from storage.pool import unavailable
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

_DAYS_BACK, _DAYS_AHEAD = 3, 7
_OLD = 400  # days for which months are made back from the start, unless readings go earlier
_PATIENCE = "2s"  # for a lock: longer would make the intake wait behind us

_BOUNDS = """
select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bounds
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::regclass
"""
_SPAN = (
    "select ($1::text::timestamptz at time zone 'UTC')::date as first,"
    " ($2::text::timestamptz at time zone 'UTC')::date as after"
)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days first ≤ day < after, in UTC."""

    first: date
    after: date


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition's table and the days that it is for."""

    name: str
    span: Span


async def make_partitions(conn: asyncpg.Connection, now: int, keep_days: int = _OLD) -> list[str]:
    """Make the partitions that are missing around ``now`` (µs) and return their names.

    None is made for readings that ``apply_retention`` with ``keep_days`` would drop again. One that
    cannot be made now is left for the next call: its rows have the default partition.
    """
    made: list[str] = []
    async with unavailable("make partitions"):
        if await dialect(conn) == "timescaledb":
            return made
        today = from_micros(now).date()
        for table in ("readings", "blocks", "judgements"):
            taken = [partition.span for partition in await partitions(conn, table)]
            days = _days(today) if table == "readings" else []
            back = min(_OLD, keep_days) if table == "readings" else _OLD
            months = _months(today, table, timedelta(days=back))
            for span in [*_without(days, taken), *_without(months, taken + days)]:
                name = f"{table}_{span.first:%Y%m%d}"
                if await _make(conn, table, Partition(name, span)):
                    made.append(name)
    return made


async def partitions(conn: asyncpg.Connection, table: str) -> list[Partition]:
    """Return the partitions of a table by their days, without the default one."""
    found = []
    for row in await conn.fetch(_BOUNDS, table):
        parts = row["bounds"].split("'")  # FOR VALUES FROM ('2026-11-22 00:00:00+00') TO ('…')
        if len(parts) == 5:  # noqa: PLR2004 - the default partition has no bounds
            span = await conn.fetchrow(_SPAN, parts[1], parts[3])
            found.append(Partition(row["name"], Span(span["first"], span["after"])))
    return sorted(found, key=lambda partition: partition.span)


def _days(today: date) -> list[Span]:
    numbers = range(-_DAYS_BACK, _DAYS_AHEAD + 1)
    days = [today + timedelta(days=number) for number in numbers]
    return [Span(day, day + timedelta(days=1)) for day in days]


def _months(today: date, table: str, back: timedelta) -> list[Span]:
    """Months from ``back`` on: for readings until the days begin, else until the next month."""
    end = today - timedelta(days=_DAYS_BACK) if table == "readings" else _next(_next(today))
    first = (today - back).replace(day=1)
    months = []
    while first < end:
        months.append(Span(first, min(_next(first), end)))
        first = _next(first)
    return months


def _next(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _without(wanted: list[Span], taken: list[Span]) -> Iterator[Span]:
    """Yield the parts of the wanted spans that no taken span covers."""
    for span in wanted:
        first = span.first
        for other in sorted(taken):
            if other.after <= first or other.first >= span.after:
                continue
            if other.first > first:
                yield Span(first, other.first)
            first = max(first, other.after)
        if first < span.after:
            yield Span(first, span.after)


async def _make(conn: asyncpg.Connection, table: str, partition: Partition) -> bool:
    """Make a partition beside the table and then attach it: that lets the intake go on."""
    name, span = partition.name, partition.span
    bounds = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (span.first, span.after)]
    try:
        async with conn.transaction():
            await conn.execute(f"set local lock_timeout = '{_PATIENCE}'")
            await conn.execute(f"create table {name} (like {table} including all)")
            await conn.execute(
                f"alter table {table} attach partition {name}"
                f" for values from ('{bounds[0].isoformat()}') to ('{bounds[1].isoformat()}')"
            )
    except asyncpg.CheckViolationError:
        log.info("the default partition keeps these days", table=table, days=str(span))
        return False
    except (asyncpg.LockNotAvailableError, asyncpg.DuplicateTableError) as error:
        log.warning("a partition could not be made", partition=name, reason=str(error))
        return False
    return True
