"""Every revision of block means and judgements that was ever stored, those of emptied blocks too.

Blocks that never held a valid reading are not stored: they have no revisions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from alerts.core.vocabulary import SECOND
from storage.queries.averages import revision
from storage.queries.extents import MOST_SERIES, TooManySeries
from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection, Record

    from storage.queries.known import Known

BEFORE_ALL: Key = (FIRST_INSTANT, -1, -1)

# A page is looked for one stretch of time after the other: see the readings' pages.
_FIRST_STEP, _LONGEST_STEP = timedelta(days=1), timedelta(days=32)

_CHANNELS = """
select c.id as number, c.enterprise, c.source, c.channel, c.basis,
       (select min(start) from blocks where channel = c.id and window_s = $2) as first,
       (select max(start) from blocks where channel = c.id and window_s = $2) as last
from channels c
where ($1::int[] is null or c.id = any($1)) and c.basis = $3 order by c.id limit $4
"""
_BLOCKS = """
select channel as number, start, finish, mean, count, expected, revision, known_at
from blocks
where window_s = $1 and channel = any($2::int[]) and start >= $3 and start < $4
  and (start, channel, revision) > ($5, $6::bigint, $7::bigint) and known_at <= $8
order by start, channel, revision limit $9
"""
_LIMITS = """
select l.id as number, l.channel as member, l.permit, l.average, c.enterprise, c.source, c.channel,
       (select p.parameter from channel_versions p where p.channel = l.channel
        order by p.version desc limit 1) as parameter,
       (select min(start) from judgements where "limit" = l.id) as first,
       (select max(start) from judgements where "limit" = l.id) as last
from limits l join channels c on c.id = l.channel
where ($1::int[] is null or l.channel = any($1)) and ($2::bigint is null or l.window_us = $2)
  and l.condition = ''
order by l.id limit $3
"""
_JUDGEMENTS = """
select j."limit" as number, j.start, j.finish, j.mean, j.count, j.expected, j.revision, j.known_at,
       judgement_name(j.state) as state, j.limit_version, v.value, v.uom
from judgements j
join limit_versions v on v."limit" = j."limit" and v.version = j.limit_version
where j."limit" = any($1::int[]) and j.start >= $2 and j.start < $3
  and (j.start, j."limit", j.revision) > ($4, $5::bigint, $6::bigint) and j.known_at <= $7
order by j.start, j."limit", j.revision limit $8
"""


async def averages_revised(  # noqa: PLR0913, PLR0917 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    window: int,
    span: Span,
    part: Part,
    known: Known,
    *,
    basis: str = "",
) -> Page:
    """Return every revision of block means, by start, channel and revision; key: those three.

    ``window`` in microseconds; ``known``: those known then. Raises TooManySeries.
    """
    length = window // SECOND
    series = await conn.fetch(_CHANNELS, channels, length, basis, MOST_SERIES + 1)
    query = (_BLOCKS, length)
    return await _page(conn, series, query, span, part, known, _average)


async def judgements_revised(  # noqa: PLR0913, PLR0917 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    window: int | None,
    span: Span,
    part: Part,
    known: Known,
) -> Page:
    """Return every revision of judgements, by start, limit and revision; key: those three.

    ``window`` (microseconds) None means all; ``known``: those known then. Raises TooManySeries.
    """
    series = await conn.fetch(_LIMITS, channels, window, MOST_SERIES + 1)
    return await _page(conn, series, (_JUDGEMENTS,), span, part, known, _judgement)


async def _page(  # noqa: PLR0913, PLR0917 - the two lists differ in all of it
    conn: Connection,
    series: list[Record],
    query: tuple[Any, ...],
    span: Span,
    part: Part,
    known: Known,
    item: Callable[[Record, Record], Item],
) -> Page:
    if len(series) > MOST_SERIES:
        raise TooManySeries
    of = {row["number"]: row for row in series if row["first"] is not None}
    if not of:
        return Page([], None)
    start = max(span.start, part.after[0], min(row["first"] for row in of.values()))
    last = max(row["last"] for row in of.values()) + timedelta(microseconds=1)
    end = min(span.end, last, known.at)  # nothing was known before its end
    rows: list[Record] = []
    step = _FIRST_STEP
    while start < end and len(rows) <= part.limit:
        until = min(start + step, end)
        more = part.limit + 1 - len(rows)
        rows += await conn.fetch(*query, list(of), start, until, *part.after, known.at, more)
        start, step = until, min(2 * step, _LONGEST_STEP)
    return paged(
        rows, part.limit, lambda r: item(of[r["number"]], r), "start", "number", "revision"
    )


def _average(channel: Record, row: Record) -> Item:
    return {**_place(channel), "basis": channel["basis"] or None, **_figures(row)}


def _judgement(limit: Record, row: Record) -> Item:
    return {
        **_place(limit),
        "parameter": limit["parameter"],
        "window": limit["average"],
        **_figures(row),
        "state": row["state"],
        "limit": row["value"],
        "uom": row["uom"],
        "permit": limit["permit"],
        "limit_version": row["limit_version"],
    }


def _place(series: Record) -> Item:
    return {name: series[name] for name in ("enterprise", "source", "channel")}


def _figures(row: Record) -> Item:
    return {
        "start": rfc3339(row["start"]),
        "end": rfc3339(row["finish"]),
        "mean": row["mean"],
        "count": row["count"],
        "expected": row["expected"],
        "coverage": row["count"] / row["expected"] if row["expected"] else 0.0,
        **revision(row),
    }
