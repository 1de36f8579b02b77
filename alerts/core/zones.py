"""Reporting zones: where days begin, and the aligned blocks that averages are judged by.

Blocks up to an hour follow UTC. Longer ones start at midnight of the reporting zone and follow
each other in steps of the window; the last one of a day ends at the next midnight, so that a day
of 23 or 25 hours has as many blocks as any other.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from math import gcd
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from alerts.core.vocabulary import DAY, HOUR, LONG_STEP, MINUTE, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")
_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_EPOCH = date(1970, 1, 1)
_FINEST = 5 * MINUTE


def zone_info(zone: str) -> tzinfo:
    """Read ``+05:00`` or an IANA name such as ``Asia/Almaty``.

    Raises ValueError, saying what was expected, for anything else.
    """
    offset = _OFFSET.fullmatch(zone)
    if offset and int(offset[2]) <= 14:  # noqa: PLR2004 - no zone is further from UTC
        sign = -1 if offset[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3])))
    try:
        if _NAME.fullmatch(zone):
            return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # a directory of zones (Asia) shows as OSError
    raise ValueError(f"expected an offset such as +05:00 or an IANA zone name, not {zone!r}")


def grid(zone: str) -> int:
    """Return the longest part of 20 minutes [µs] that all midnights of ``zone`` are multiples of.

    20 minutes of +05:00, 10 of +05:30 (India) and 5 of +05:45 (Nepal): slots of that length make
    whole days. Raises ValueError for what is no zone, and for one that is, from 2000 to 2049, no
    multiple of 5 minutes from UTC at the beginning of any month.
    """
    info = zone_info(zone)
    months = (datetime(2000 + n // 12, n % 12 + 1, 1, tzinfo=info) for n in range(600))
    offsets = {month.utcoffset() or timedelta(0) for month in months}
    found = gcd(LONG_STEP, *(offset // timedelta(microseconds=1) for offset in offsets))
    if found % _FINEST:
        raise ValueError(
            f"{zone}: days cannot be averaged there, the offset from UTC must be a multiple of 5 "
            "minutes"
        )
    return found


def midnights(zone: str, start: int, end: int) -> NDArray[np.int64]:
    """Return where the days of ``zone`` begin, in int64 microseconds, ascending.

    All midnights m with start <= m <= end, the last one before ``start`` and the first one after
    ``end``. A midnight that the clock skips is the instant of the skip; one that comes twice
    counts the first time; a day that a zone leaves out begins nowhere.
    """
    info = zone_info(zone)
    first = start // DAY - 3  # a zone is less than a day from UTC, and a day may be left out
    days = np.arange(first, end // DAY + 4)
    if isinstance(info, timezone):
        found = days * DAY - info.utcoffset(None) // timedelta(microseconds=1)
    else:
        found = np.unique([_midnight(info, int(day)) for day in days])
    low = np.searchsorted(found, start, side="left") - 1
    high = np.searchsorted(found, end, side="right") + 1
    return found[low:high]


def midnight_of(zone: str, day: int) -> int:
    """Return the instant at which the day of ``zone``, counted from 1970-01-01, begins."""
    return _midnight(zone_info(zone), day)


def block_edges(
    window: int, zone: str, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (starts, ends) of the blocks of ``window`` that have an instant in [start, end).

    All in int64 microseconds, ascending; none where end <= start. Raises ValueError for a window
    of more than a day.
    """
    if end <= start:
        none = np.empty(0, np.int64)
        return none, none
    if window <= HOUR:
        starts = np.arange(start // window, -(-end // window)) * window
        return starts, starts + window
    begins = midnights(zone, start, end)
    blocks = _blocks_a_day(window)
    starts = (begins[:-1, None] + np.arange(blocks) * window).reshape(-1)
    ends = starts + window
    ends[blocks - 1 :: blocks] = begins[1:]
    ends = np.minimum(ends, np.repeat(begins[1:], blocks))
    # A block that a short day has no room for is left with nothing, and so is left out.
    within = (starts < ends) & (starts < end) & (ends > start)
    return starts[within], ends[within]


def in_block(
    times: NDArray[np.int64], window: int, zone: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (start, end) of the block that each instant lies in.

    Raises ValueError for a window of more than a day.
    """
    if window <= HOUR:
        start = times // window * window
        return start, start + window
    if not len(times):
        return times.copy(), times.copy()
    starts, ends = block_edges(window, zone, int(times.min()), int(times.max()) + 1)
    block = np.searchsorted(starts, times, side="right") - 1
    return starts[block], ends[block]


def expected_slots(
    start: NDArray[np.int64], end: NDArray[np.int64], period: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """Return how many ``period`` slots lie in blocks, one that is cut short included."""
    slots: NDArray[np.int64] = -((start - end) // period)
    return slots


def _blocks_a_day(window: int) -> int:
    if window > DAY:
        raise ValueError(f"expected a window of at most a day, not of {window / HOUR:g} h")
    return -(-DAY // window)


def _midnight(info: tzinfo, day: int) -> int:
    """Return the instant at which the local day, counted from 1970-01-01, begins."""
    local = datetime.combine(_EPOCH + timedelta(days=day), datetime.min.time(), info)
    # Arithmetic in UTC: the difference of two local times of one zone ignores the zone.
    since = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(seconds=1) * SECOND
