"""Periods that averages, shares and counts are taken over: durations as rule sets write them.

Blocks up to an hour follow UTC, longer ones the reporting zone: from its midnight up to a day,
then its weeks (from Monday), months, quarters and years. Rolling periods end with each short-term
average (up to a day), each day or each month.

Short-term averages are never cut. Where a midnight lies within one (an hour of UTC, in +05:30), it
belongs to the day that it begins in, and the next day begins with the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.core.zones import block_edges, midnight_of, midnights, zone_info

if TYPE_CHECKING:
    from datetime import tzinfo

    from numpy.typing import NDArray

    Instants = NDArray[np.int64]
    Edges = tuple[Instants, Instants]

_DURATION = re.compile(r"([1-9]\d{0,8})(s|min|h|d|week|month|quarter|year|operating_day)s?")
_EXACT = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}  # microseconds
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS_A_WEEK = 7
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Duration:
    """``number`` times ``unit``: "exact" (microseconds, less than a day), "d", "week" and so on."""

    number: int
    unit: str

    @property
    def exact(self) -> int:
        """Microseconds of a duration up to a day, which for a day is 24 h. Raises ValueError."""
        if self.unit == "exact":
            return self.number
        if self == _ONE_DAY:
            return DAY
        raise ValueError(f"expected at most a day, not {self.number} {self.unit}")

    @property
    def grid(self) -> int:
        """What blocks of it begin at multiples of [µs]; 1 beyond an hour: they follow the zone."""
        return self.number if self.unit == "exact" and self.number <= HOUR else 1

    @property
    def beyond_a_day(self) -> bool:
        """Whether days lie within it, each of which may be valid or not."""
        return self.unit != "exact" and self != _ONE_DAY

    @property
    def days(self) -> int | None:
        """How many calendar days it has; None where that differs, or where it is no whole days."""
        return {"d": self.number, "week": _DAYS_A_WEEK * self.number}.get(self.unit)

    @property
    def months(self) -> int | None:
        """How many calendar months it has; None where it is not made of them."""
        return self.number * _MONTHS[self.unit] if self.unit in _MONTHS else None


_ONE_DAY = Duration(1, "d")
_ONE_MONTH = Duration(1, "month")


@lru_cache(1024)
def duration(text: str) -> Duration:
    """Read ``10min``, ``4h``, ``1d``, ``1week``, ``1month``, ``1quarter``, ``30operating_days``.

    24h is 1d: both go from midnight to midnight. Raises ValueError, with what was expected.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"expected a duration such as 10min, 1d or 1month, not {text!r}")
    number, unit = int(found[1]), found[2]
    if unit not in _EXACT:
        return Duration(number, unit)
    exact = number * _EXACT[unit]
    if exact < DAY:
        return Duration(exact, "exact")
    if exact % DAY:
        raise ValueError(f"expected less than a day or whole days, not {text!r}")
    return Duration(exact // DAY, "d")


def edges(period: Duration, zone: str, start: int, end: int, grid: int = 1) -> Edges:
    """Return (starts, finishes) of the blocks of ``period`` with an instant in [start, end).

    In int64 microseconds, ascending; none where end <= start. ``grid`` is that of the short-term
    averages that they are made of. Raises ValueError for what has no blocks: several days, weeks
    or months, operating days.
    """
    if end <= start:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if not period.beyond_a_day:
        if period.exact <= HOUR:
            return block_edges(period.exact, zone, start, end)
        return _within(*block_edges(period.exact, zone, start - grid, end), start, end, grid)
    if period.number != 1 or period.unit == "operating_day":
        raise ValueError(f"expected one calendar period, not {period.number} {period.unit}")
    a_year = 367 * DAY  # reaches the next edge, on both sides, whatever the period
    days = midnights(zone, start - a_year, end + a_year)
    key = _calendar(_local_days(zone, days), period.unit)
    # The first midnight of a month, should a zone leave out the first day of it.
    bounds = days[np.flatnonzero(np.diff(key)) + 1]
    return _within(bounds[:-1], bounds[1:], start, end, grid)


def _within(starts: Instants, finishes: Instants, start: int, end: int, grid: int) -> Edges:
    """Return the blocks, whole on the ``grid``, that have an instant in [start, end)."""
    starts, finishes = on_grid(starts, grid), on_grid(finishes, grid)
    within = (starts < finishes) & (starts < end) & (finishes > start)
    return starts[within], finishes[within]


def on_grid(instants: Instants, grid: int) -> Instants:
    """Return where the next short-term average begins at or after each instant."""
    return -(-instants // grid) * grid


def day_on_grid(zone: str, instant: int, grid: int) -> int:
    """Return an instant, and a midnight of ``zone`` as ``on_grid`` has it.

    What begins to apply with a day does so with the day's first short-term average.
    """
    if instant % grid == 0 or midnight_of(zone, _local_day(zone_info(zone), instant)) != instant:
        return instant
    return -(-instant // grid) * grid


def rolling_step(period: Duration) -> Duration | None:
    """Return the blocks that a rolling ``period`` is made of; None for short-term averages.

    Raises ValueError for a period that cannot roll.
    """
    if not period.beyond_a_day:
        return None
    if period.unit == "operating_day" or period.days:
        return _ONE_DAY
    return _ONE_MONTH


def months_before(zone: str, midnights_of: Instants, months: int) -> Instants:
    """Return the midnights that lie so many calendar months before others, ascending.

    A day that the month does not have is its last one: a month before 30 March is 28 February.
    """
    day = _local_days(zone, midnights_of)
    month = day.astype("M8[D]").astype("M8[M]")
    earlier = month - months
    first = earlier.astype("M8[D]").astype(np.int64)
    length = (earlier + 1).astype("M8[D]").astype(np.int64) - first
    within = np.minimum(day - month.astype("M8[D]").astype(np.int64), length - 1)
    found = (midnight_of(zone, one) for one in (first + within).tolist())
    return np.fromiter(found, np.int64, len(day))


def beginning_of(zone: str, iso_day: str) -> int:
    """Return the instant at which a day such as 2026-03-01 begins. Raises ValueError."""
    return midnight_of(zone, date.fromisoformat(iso_day).toordinal() - _EPOCH.toordinal())


def february(zone: str, starts: Instants) -> NDArray[np.bool_]:
    """Tell which of the months that begin at ``starts`` are February."""
    month = _calendar(_local_days(zone, starts), "month")
    found: NDArray[np.bool_] = month % 12 == 1
    return found


def _local_days(zone: str, instants: Instants) -> Instants:
    """Return the day, counted from 1970-01-01, that each instant lies in."""
    info = zone_info(zone)
    local = (_local_day(info, int(one)) for one in instants)
    return np.fromiter(local, np.int64, len(instants))


def _local_day(info: tzinfo, instant: int) -> int:
    local = (_EPOCH + timedelta(microseconds=instant)).astimezone(info)
    return local.date().toordinal() - _EPOCH.toordinal()


def _calendar(day: Instants, unit: str) -> Instants:
    """Return the number of the calendar week, month, quarter or year, from 1970 on."""
    if unit == "week":
        return (day + 3) // _DAYS_A_WEEK  # 1970-01-01 was a Thursday
    month = day.astype("M8[D]").astype("M8[M]").astype(np.int64)
    return month // _MONTHS[unit]
