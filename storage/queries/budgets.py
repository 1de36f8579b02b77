"""Budgets: what running periods hold already, and what their rest may average.

Of conditions of rule sets as the follower left them; of the block in progress of every other limit
as the stored readings make it when asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.budget import mean_allowance
from alerts.core.means import mean
from alerts.core.vocabulary import MINUTE
from alerts.core.zones import in_block
from storage.queries.extents import zones
from storage.queries.page import Item, Key, Page, Part, judged_channel, rfc3339
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asyncpg import Connection, Record

    from storage.queries.extents import Calendar

BEFORE_ALL: Key = (0,)
_PART = 20 * MINUTE  # block means of this length are stored of every channel

_LIST = """
with latest as (
    select distinct on (v."limit") v."limit", v.version, v.ended, v.value, v.uom, v.rule,
           v.valid_from, v.valid_until, l.permit, l.average, l.window_us, l.channel as number
    from limits l join limit_versions v on v."limit" = l.id
    where greatest(v.effective, v.valid_from) <= $1 and l.id > $2
      and ($3::int[] is null or l.channel = any($3))
    order by v."limit", v.version desc)
select v."limit" as id, v.number, c.enterprise, c.source, c.channel, nullif(c.basis, '') as basis,
       v.permit, v.average, v.window_us, v.value as limit_value, v.uom, v.rule, v.version,
       coalesce(p.period_us, 60000000) as period, r.start, r.finish, r.until, r.value, r.complete,
       r.rest, r.forecast, r.threshold, r.breaks_at
from latest v join channels c on c.id = v.number
left join compliance_running r on r."limit" = v."limit"
left join lateral (
    select period_us from channel_versions
    where channel = v.number order by version desc limit 1) p on true
where not v.ended and v.valid_until > $1
  and (v.rule is null or r."limit" is not null and v.rule ->> 'statistic' in ('mean', 'total'))
order by v."limit" limit $4
"""

# What block means of 20 minutes hold since a time: those parts of a longer block that are closed.
_CLOSED = """
select w.n - 1 as place, sum(b.total) as total, sum(b.samples)::int as samples,
       max(b.finish) as finish
from unnest($1::int4[], $2::timestamptz[]) with ordinality as w (channel, start, n)
cross join lateral (
    select distinct on (start) total, samples, finish from blocks
    where channel = w.channel and window_s = 1200 and start >= w.start and finish <= $3
    order by start, revision desc) b
group by 1
"""
_READINGS = """
select w.n - 1 as place, sum(r.value) as total, count(*)::int as samples
from unnest($1::int4[], $2::timestamptz[]) with ordinality as w (channel, since, n)
join current_readings r on r.channel = w.channel and r.time >= w.since
where r.time >= $3 and r.time < $4 and r.status = 0 and r.flags & 1 = 0 and r.value is not null
group by 1
"""


@dataclass(frozen=True, slots=True)
class _Running:
    """A block in progress: sum and number of its valid values so far."""

    start: int
    end: int
    total: float = 0.0
    samples: int = 0


async def budgets(
    conn: Connection, channels: list[int] | None, calendar: Calendar, part: Part
) -> Page:
    """Return running means and masses by the number of their limit; key: the number.

    ``channels`` None means all. Limits that nothing was measured for are among them.
    """
    rows = await conn.fetch(_LIST, calendar.now, *part.after, channels, part.limit + 1)
    shown = rows[: part.limit]
    plain = [row for row in shown if row["rule"] is None]
    running = dict(
        zip((row["id"] for row in plain), await _blocks(conn, plain, calendar), strict=True)
    )
    items = [
        _of_block(row, running[row["id"]], calendar.now)
        if row["rule"] is None
        else _of_condition(row)
        for row in shown
    ]
    return Page(items, (shown[-1]["id"],) if len(rows) > part.limit else None)


async def _blocks(conn: Connection, rows: Sequence[Record], calendar: Calendar) -> list[_Running]:
    """Return the block in progress of each limit."""
    now = to_micros(calendar.now)
    zone_of = await zones(conn, calendar)
    found = []
    for row in rows:
        start, end = in_block(np.array([now]), row["window_us"], zone_of(row["enterprise"]))
        found.append(_Running(int(start[0]), int(end[0])))
    if not found:
        return found
    channels = [row["number"] for row in rows]
    starts = [from_micros(one.start) for one in found]
    total, samples = np.zeros(len(found)), np.zeros(len(found), np.int64)
    since = list(starts)
    whole = [one.start % _PART == 0 and one.end - one.start > _PART for one in found]
    closed = [
        start if of_parts else calendar.now for start, of_parts in zip(starts, whole, strict=True)
    ]
    for row in await conn.fetch(_CLOSED, channels, closed, calendar.now):
        place = row["place"]
        total[place], samples[place] = row["total"], row["samples"]
        since[place] = row["finish"]
    for row in await conn.fetch(_READINGS, channels, since, min(since), calendar.now):
        total[row["place"]] += row["total"]
        samples[row["place"]] += row["samples"]
    return [
        _Running(one.start, one.end, float(total[i]), int(samples[i]))
        for i, one in enumerate(found)
    ]


def _of_block(row: Record, block: _Running, now: datetime) -> Item:
    count = np.array([block.samples])
    so_far = mean(np.array([block.total]), count)
    remaining = np.array([(block.end - to_micros(now)) / row["period"]])
    passed = (to_micros(now) - block.start) / row["period"]
    rest = mean_allowance(so_far, count.astype(np.float64), remaining, row["limit_value"])
    return {
        **_names(row, None),
        "start": rfc3339(from_micros(block.start)),
        "end": rfc3339(from_micros(block.end)),
        "until": rfc3339(now),
        "value": _number(so_far[0]),
        "complete": min(1.0, block.samples / passed) if passed else None,
        "limit": row["limit_value"],
        "rest_may_average": _number(rest[0]),
        "rest_uom": row["uom"],
        "forecast": None,
        "breaks_at": None,
    }


def _of_condition(row: Record) -> Item:
    rule = row["rule"]
    return {
        **_names(row, rule),
        "start": rfc3339(row["start"]),
        "end": rfc3339(row["finish"]),
        "until": rfc3339(row["until"]),
        "value": row["value"],
        "complete": row["complete"],
        "limit": row["threshold"],
        "rest_may_average": row["rest"],
        "rest_uom": "kg/h" if rule["statistic"] == "total" else row["uom"],
        "forecast": row["forecast"],
        "breaks_at": rfc3339(row["breaks_at"]),
    }


def _names(row: Record, rule: Item | None) -> Item:
    return {
        **judged_channel(row),
        "rules": rule["rules"] if rule else None,
        "condition": rule["condition"] if rule else None,
        "statistic": rule["statistic"] if rule else "mean",
        "average": rule["average"] if rule else row["average"],
        "uom": row["uom"],
        "limit_version": row["version"],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
