"""Means that units report, beside ours of the same blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.agreement import difference, tolerance
from alerts.core.vocabulary import SECOND, Status
from storage.queries.durations import duration_text
from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, Span, paged, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, -1, -1, -1)

# Ours is the block as it is now, whichever revision of the reported mean stands beside it.
_LIST = """
select r.start, r.channel as number, r.window_s, r.revision, r.finish, r.value, r.status,
       r.known_at, c.enterprise, c.source, c.channel, u.unit, v.uom, v.agreement, v.range_low,
       v.range_high, b.mean as ours,
       r.status = 0 and b.finish = r.finish and 3 * b.count >= 2 * b.expected as comparable
from reported_averages r
join channels c on c.id = r.channel
join units u on u.id = r.unit
left join lateral (
    select mean, count, expected, finish from blocks
    where channel = r.channel and window_s = r.window_s and start = r.start
    order by revision desc limit 1) b on true
left join lateral (
    select uom, agreement, range_low, range_high from channel_versions
    where channel = r.channel
    order by effective < r.finish desc,
             case when effective < r.finish then -version else version end
    limit 1) v on true
where r.start >= $1 and r.start < $2
  and (r.start, r.channel, r.window_s, r.revision)
      > ($1::timestamptz, $3::bigint, $4::bigint, $5::bigint)
  and ($6::int[] is null or r.channel = any($6)) and ($7::bigint is null or r.window_s = $7)
  and ($8::bool or not exists (
       select from reported_averages n where n.channel = r.channel and n.window_s = r.window_s
       and n.start = r.start and n.revision > r.revision))
order by r.start, r.channel, r.window_s, r.revision limit $9
"""


async def reported(  # noqa: PLR0913 - what may be asked
    conn: Connection,
    channels: list[int] | None,
    window: int | None,
    span: Span,
    part: Part,
    *,
    every_revision: bool,
) -> Page:
    """Return reported means by start, channel, window and revision; key: those four.

    ``channels`` and ``window`` (microseconds) None mean all of them.
    """
    after = part.after if part.after[0] >= span.start else (span.start, *BEFORE_ALL[1:])
    rows = await conn.fetch(
        _LIST,
        after[0],
        span.end,
        *after[1:],
        channels,
        None if window is None else window // SECOND,
        every_revision,
        part.limit + 1,
    )
    apart, allowed = _compared(rows)
    shown = {id(row): (apart[place], allowed[place]) for place, row in enumerate(rows)}
    key = ("start", "number", "window_s", "revision")
    return paged(rows, part.limit, lambda row: _item(row, *shown[id(row)]), *key)


def _compared(rows: Sequence[Record]) -> tuple[list[float], list[float]]:
    """Return by how much each differs from ours and how much it may, NaN where there is none."""
    columns = ("value", "ours", "agreement", "range_low", "range_high")
    value, ours, share, low, high = (
        np.array([row[name] for row in rows], np.float64) for name in columns
    )
    return difference(value, ours).tolist(), tolerance(ours, share, low, high).tolist()


def _item(row: Record, apart: float, allowed: float) -> Item:
    compared = row["comparable"] and not math.isnan(apart)
    return {
        "enterprise": row["enterprise"],
        "source": row["source"],
        "channel": row["channel"],
        "unit": row["unit"],
        "window": duration_text(row["window_s"] * SECOND),
        "start": rfc3339(row["start"]),
        "end": rfc3339(row["finish"]),
        "value": row["value"],
        "uom": row["uom"],
        "status": Status(row["status"]).label,
        "revision": row["revision"],
        "known_at": rfc3339(row["known_at"]),
        "ours": row["ours"],
        "difference": None if math.isnan(apart) else apart,
        "tolerance": None if math.isnan(allowed) else allowed,
        "agrees": abs(apart) <= allowed if compared else None,
    }
