"""Frequency classes of a calendar year, counted from what conditions were judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.classes import frequencies, upper_bounds
from alerts.core.periods import beginning_of
from storage.queries.extents import zones
from storage.queries.page import Item, Key, Page, Part, judged_channel, rfc3339
from storage.times import from_micros

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from storage.queries.extents import Calendar

BEFORE_ALL: Key = (0, 0)
_MOST = 50  # of a year of half-hours each that one answer rests on

_LIST = """
select v."limit" as id, v.version, v.rule, v.uom, l.permit,
       e.enterprise, e.source, e.channel, nullif(e.basis, '') as basis
from limit_versions v join limits l on l.id = v."limit" join channels e on e.id = l.channel
where v.rule ->> 'classes' is not null and (v."limit", v.version) > ($1, $2)
  and ($3::int[] is null or l.channel = any($3))
  and exists (select from compliance c
              where c."limit" = v."limit" and c.limit_version = v.version
                and c.start >= make_timestamptz($4, 1, 1, 0, 0, 0, 'UTC') - interval '1 day'
                and c.start < make_timestamptz($4 + 1, 1, 1, 0, 0, 0, 'UTC') + interval '1 day')
order by v."limit", v.version limit $5
"""

# A period lies in the year that it begins in. Bounds on its end keep other years from being read.
_VALUES = """
select w.n - 1 as place, found.*
from unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[])
     with ordinality as w (number, version, start, finish, n)
cross join lateral (
    select array_agg(value) filter (where state <> 2) as values,
           count(*) filter (where state = 2) as unknown
    from current_compliance
    where "limit" = w.number and finish > w.start and finish <= w.finish + interval '367 days'
      and limit_version = w.version and over and start >= w.start and start < w.finish
    having count(*) > 0) found
"""


async def classes(
    conn: Connection, channels: list[int] | None, year: int, calendar: Calendar, part: Part
) -> Page:
    """Return the classes of a calendar year by limit and version; key: those two.

    Of conditions whose rule set has classes, and of periods that are over. ``channels`` None means
    all. A page may be shorter than ``part.limit``.
    """
    most = min(part.limit, _MOST)
    rows = await conn.fetch(_LIST, *part.after, channels, year, most + 1)
    shown = rows[:most]
    zone_of = await zones(conn, calendar)
    spans = [_year(zone_of(row["enterprise"]), year) for row in shown]
    keys = ([row[name] for row in shown] for name in ("id", "version"))
    ends = ([from_micros(span[end]) for span in spans] for end in (0, 1))
    counted = {row["place"]: row for row in await conn.fetch(_VALUES, *keys, *ends)}
    items = [_item(shown[n], spans[n], found) for n, found in sorted(counted.items())]
    last = (shown[-1]["id"], shown[-1]["version"]) if len(rows) > most else None
    return Page(items, last)


def _year(zone: str, year: int) -> tuple[int, int]:
    return beginning_of(zone, f"{year}-01-01"), beginning_of(zone, f"{year + 1}-01-01")


def _item(row: Record, span: tuple[int, int], found: Record) -> Item:
    rule = row["rule"]
    upper = upper_bounds(rule["limit"], rule["classes_top"], rule["classes"])
    counts, above = frequencies(np.array(found["values"] or [], np.float64), upper)
    bounds = upper.tolist()
    return {
        **judged_channel(row),
        "rules": rule["rules"],
        "version": rule["version"],
        "condition": rule["condition"],
        "average": rule["average"],
        "limit": rule["limit"],
        "uom": row["uom"],
        "limit_version": row["version"],
        "start": rfc3339(from_micros(span[0])),
        "end": rfc3339(from_micros(span[1])),
        "classes": [
            {"above": low, "up_to": high, "count": count}
            for low, high, count in zip([None, *bounds], bounds, counts.tolist(), strict=False)
        ],
        "beyond": above,
        "not_assessable": found["unknown"],
    }
