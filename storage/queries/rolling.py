"""Rolling means, computed from stored readings when somebody asks for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.means import mean
from alerts.core.slots import granule_for, group_for, rolling, slot_sums, step_for
from alerts.core.vocabulary import MINUTE
from alerts.core.zones import grid
from storage.queries.averages import PERIODS
from storage.queries.extents import (
    GRACE,
    MOST_SERIES,
    TooManySeries,
    first_readings,
    newest_readings,
    zones,
)
from storage.queries.known import EVERYTHING
from storage.queries.page import FIRST_INSTANT, Item, Key, Page, Part, rfc3339
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

    from storage.queries.extents import Calendar
    from storage.queries.known import Known
    from storage.queries.page import Span

BEFORE_ALL: Key = (FIRST_INSTANT, -1)
_MOST_MINUTES = 400_000  # of readings that one answer may rest on
_MOST_ADDITIONS = 600_000  # of slots that one answer may take; a thousand rows at once cost as one

_CHANNELS = """
select id, enterprise, source, channel, basis from channels
where ($1::int[] is null or id = any($1)) and basis = '' order by id limit $2
"""

_VALID = """
select channel, array_agg((extract(epoch from time) * 1000000)::bigint order by time) as times,
       array_agg(value order by time) as values
from current_readings
where time >= $2 and time < $3 and channel = any($1)
  and status = 0 and flags & 1 = 0 and value is not null
group by channel
"""
_VALID_THEN = """
select channel, array_agg((extract(epoch from time) * 1000000)::bigint order by time) as times,
       array_agg(value order by time) as values
from (
    select distinct on (channel, time) channel, time, value, status, flags from all_readings
    where time >= $2 and time < $3 and channel = any($1) and batch < $4
    order by channel, time, revision desc) known
where status = 0 and flags & 1 = 0 and value is not null
group by channel
"""


@dataclass(frozen=True, slots=True)
class _Window:
    """A channel's rolling windows from ``first`` on: n evaluations, ``step`` apart.

    ``grid``: that of its reporting zone, so that sums are those by which it was judged.
    """

    length: int
    period: int
    first: int
    n: int
    grid: int

    @property
    def expected(self) -> int:
        """Slots of the period in a window."""
        return -(-self.length // self.period)

    def means(
        self, time: NDArray[np.int64], value: NDArray[np.float64]
    ) -> tuple[list[float], list[int]]:
        """Return mean (NaN: none) and count of each window."""
        granule, step = granule_for(self.length, self.period, self.grid), step_for(self.length)
        k = self.length // granule
        slots = k + (self.n - 1) * step // granule
        sums = slot_sums(time, value, self.period, granule, self.first, slots)
        total, samples, count = rolling(*sums, k, group_for(self.period, granule))
        every = slice(None, None, step // granule)
        return mean(total[every], samples[every]).tolist(), count[every].tolist()


async def rolling_averages(  # noqa: PLR0913, PLR0917 - what is asked, and when
    conn: Connection,
    channels: list[int] | None,
    window: int,
    span: Span,
    part: Part,
    calendar: Calendar,
    known: Known = EVERYTHING,
) -> Page:
    """Return rolling means of ``window`` (microseconds) by start and channel; key: those two.

    A window ends at each full minute, or every 20 minutes where it is longer than an hour: from
    the first such instant after a channel's first reading, up to its newest reading or a minute
    before ``calendar.now``, whichever is later. ``span`` is about the windows' starts. A page may
    be shorter than ``limit`` where windows are long. ``known``: of the readings known then;
    ``calendar.now`` is that time. Raises TooManySeries.
    """
    found = await conn.fetch(_CHANNELS, channels, MOST_SERIES + 1)
    if len(found) > MOST_SERIES:
        raise TooManySeries
    newest = await newest_readings(conn, [row["id"] for row in found], known)
    low = to_micros(span.start)
    first = await first_readings(conn, newest, dict.fromkeys(newest, low), known)
    silence = to_micros(calendar.now) - GRACE
    until = {channel: max(newest[channel], silence) for channel in first}
    extents = [(channel, first[channel], until[channel]) for channel in sorted(first)]
    limit = min(part.limit, _most(window))
    keys = _keys(extents, window, span, Part(part.after, limit + 1))
    shown = keys[:limit]
    zone_of = await zones(conn, calendar)
    items = await _items(conn, {row["id"]: row for row in found}, shown, window, known, zone_of)
    more = len(keys) > limit
    return Page(items, (from_micros(shown[-1][0]), shown[-1][1]) if more else None)


def _keys(
    extents: list[tuple[int, int, int]], window: int, span: Span, part: Part
) -> list[tuple[int, int]]:
    """Return the next (start, channel) of the windows that there are.

    ``extents``: channel, time of its first reading, until when its windows may end; by channel.
    """
    if not extents:
        return []
    step = step_for(window)
    channel, first, high = np.array(extents, np.int64).T
    # Windows end at M, first < M <= high, M on the step's grid; M = start + window.
    low = first // step * step + step
    after = to_micros(part.after[0])
    begin = max(to_micros(span.start), after) + window
    at = max(-(-begin // step) * step, int(low.min()))
    end = min(to_micros(span.end) + window - 1, int(high.max()))
    keys: list[tuple[int, int]] = []
    while at <= end and len(keys) < part.limit:
        there = channel[(low <= at) & (at <= high)]
        if at - window == after:
            there = there[there > part.after[1]]
        keys += [(at - window, number) for number in there.tolist()]
        at += step
    return keys[: part.limit]


def _most(window: int) -> int:
    """Return how many windows one answer may compute: fewer where they are long."""
    slots = window // gcd(window, step_for(window))
    return max(1, min(_MOST_MINUTES * MINUTE // window, _MOST_ADDITIONS // slots))


async def _items(  # noqa: PLR0913, PLR0917 - what is shown, and what of
    conn: Connection,
    rows: Mapping[int, Record],
    keys: list[tuple[int, int]],
    window: int,
    known: Known,
    zone_of: Callable[[str], str],
) -> list[Item]:
    if not keys:
        return []
    channels = sorted({channel for _, channel in keys})
    first, last = keys[0][0], keys[-1][0]
    periods = await conn.fetch(PERIODS, channels, [from_micros(last + window)] * len(channels))
    extent = (channels, from_micros(first), from_micros(last + window))
    if known is EVERYTHING:
        valid = await conn.fetch(_VALID, *extent)
    else:
        valid = await conn.fetch(_VALID_THEN, *extent, known.batch)
    readings = {row["channel"]: row for row in valid}
    n = (last - first) // step_for(window) + 1
    zone = {channel: zone_of(rows[channel]["enterprise"]) for channel in channels}
    grids = {one: grid(one) for one in set(zone.values())}
    figures: dict[int, tuple[list[float], list[int], int]] = {}
    for channel, row in zip(channels, periods, strict=True):
        windows = _Window(window, row["period"], first, n, grids[zone[channel]])
        time, value = _arrays(readings.get(channel))
        # Receipt goes on meanwhile: numpy leaves the interpreter free for most of this.
        means, counts = await asyncio.to_thread(windows.means, time, value)
        figures[channel] = means, counts, windows.expected
    return [_item(rows[channel], start, window, first, figures[channel]) for start, channel in keys]


def _arrays(row: Record | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if row is None:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.array(row["times"], np.int64), np.array(row["values"], np.float64)


def _item(
    channel: Record,
    start: int,
    window: int,
    first: int,
    figures: tuple[list[float], list[int], int],
) -> Item:
    means, counts, expected = figures
    place = (start - first) // step_for(window)
    value, count = means[place], counts[place]
    return {
        "enterprise": channel["enterprise"],
        "source": channel["source"],
        "channel": channel["channel"],
        "basis": channel["basis"] or None,
        "start": rfc3339(from_micros(start)),
        "end": rfc3339(from_micros(start + window)),
        "mean": value if count else None,
        "count": count,
        "expected": expected,
        "coverage": count / expected,
        "revision": None,
        "known_at": None,
    }
