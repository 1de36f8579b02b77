"""Slow twins of the core in plain Python, written from the contract and not from the code.

Exact decimal arithmetic over lists of readings, one evaluation after the other. What they say is
what a compliance engineer would work out by hand; the fast code must say the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OUTSIDE_RANGE = 1  # the quality flag that keeps a value out of averages

EXACT = Context(prec=120)  # sums of doubles' decimals fit; quotients are far finer than 9 digits
NINE_DIGITS = Context(prec=9, rounding=ROUND_HALF_UP)  # "half up" is away from zero in decimal


class Reading(NamedTuple):
    """The current revision of one (channel, time)."""

    time: int  # microseconds since 1970 UTC
    value: float | None
    status: str = "valid"
    flags: int = 0

    @property
    def counts(self) -> bool:
        """Only valid values within the channel's range enter averages."""
        has_value = self.value is not None and not math.isnan(self.value)
        return has_value and self.status == "valid" and not self.flags & OUTSIDE_RANGE


@dataclass(frozen=True)
class Limit:
    """One version of a limit; it applies to windows with valid_after < end <= valid_until."""

    value: float | str
    window: int
    period: int
    coverage: str = "2/3"
    warn_at: str = "0.8"
    clear_at: str = "0.95"
    open_after: int = 0
    clear_after: int = 5 * MINUTE
    valid_after: int = -(2**62)
    valid_until: int = 2**62

    def applies(self, end: int) -> bool:
        return self.valid_after < end <= self.valid_until

    def times(self, *factors: str) -> Decimal:
        product = Fraction(str(self.value))
        for factor in factors:
            product *= Fraction(factor)
        return nine_digits(product)


@dataclass(frozen=True)
class Average:
    """Mean of a window, None without values; slots with a value, and slots in all."""

    start: int
    end: int
    mean: Decimal | None
    count: int
    expected: int

    def covers(self, coverage: str) -> bool:
        return self.mean is not None and Fraction(self.count, self.expected) >= Fraction(coverage)


@dataclass
class Alert:
    """What became of an alert by the end of the readings."""

    opened_at: int
    state: str = "pending"
    severity: str = "warning"
    worst: str = "warning"
    resolved_at: int | None = None
    peak: Decimal = Decimal("-Infinity")
    peak_at: int = 0
    value: Decimal = Decimal(0)
    changes: list[tuple[int, str, str]] = field(default_factory=list)  # (M, state, severity)


def nine_digits(exact: Fraction) -> Decimal:
    """Round half away from zero to 9 significant digits."""
    quotient = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return NINE_DIGITS.plus(quotient)


class Channel:
    """A channel's readings that count, in time order."""

    def __init__(self, readings: Iterable[tuple[object, ...]]) -> None:
        ordered = sorted(Reading(*reading) for reading in readings)  # type: ignore[arg-type]
        self.first = ordered[0].time if ordered else None
        self._counting = [reading for reading in ordered if reading.counts]
        self._times = [reading.time for reading in self._counting]
        self._values = [Decimal(repr(float(r.value or 0.0))) for r in self._counting]

    def average(self, start: int, end: int, period: int) -> Average:
        """The mean over start <= time < end, of all values and not of slots."""
        begin, stop = bisect_left(self._times, start), bisect_left(self._times, end)
        total = Decimal(0)
        for value in self._values[begin:stop]:
            total = EXACT.add(total, value)
        mean = nine_digits(Fraction(total) / (stop - begin)) if stop > begin else None
        slots = {(time - start) // period for time in self._times[begin:stop]}
        return Average(start, end, mean, len(slots), -((start - end) // period))


def rolling(
    readings: Iterable[tuple[object, ...]], period: int, window: int, until: int
) -> list[Average]:
    """The rolling mean at each M: every minute up to an hour's window, every 20 minutes beyond."""
    channel = Channel(readings)
    if channel.first is None:
        return []
    step = MINUTE if window <= HOUR else 20 * MINUTE
    first = channel.first // step * step + step
    return [channel.average(at - window, at, period) for at in range(first, until + 1, step)]


def blocks(
    readings: Iterable[tuple[object, ...]], period: int, window: int, zone: str, until: int
) -> list[Average]:
    """The means of the aligned blocks from the first reading's on that have ended by ``until``."""
    channel = Channel(readings)
    if channel.first is None:
        return []
    edges = (edge for edge in block_edges(window, zone, channel.first) if edge[1] > channel.first)
    found = []
    for start, end in edges:
        if end > until:
            break
        found.append(channel.average(start, end, period))
    return found


def judgement(block: Average, limit: Limit) -> str:
    """The legal answer for one block."""
    if not block.covers(limit.coverage):
        return "not_assessable"
    assert block.mean is not None
    return "exceeded" if block.mean > Decimal(str(limit.value)) else "compliant"


def block_edges(window: int, zone: str, start: int) -> Iterable[tuple[int, int]]:
    """Blocks for ever, from one that begins at or before ``start``."""
    if window <= HOUR:
        begin = start // window * window
        while True:
            yield begin, begin + window
            begin += window
    day = date(1970, 1, 1) + timedelta(days=start // DAY - 2)
    a_day = math.ceil(Fraction(DAY, window))
    while True:
        midnight, following = instant(day, zone), instant(day + timedelta(days=1), zone)
        for number in range(a_day):
            begin = midnight + number * window
            end = following if number == a_day - 1 else min(begin + window, following)
            if begin < following:
                yield begin, end
        day += timedelta(days=1)


def instant(day: date, zone: str) -> int:
    """When a day of a reporting zone begins."""
    local = datetime(day.year, day.month, day.day, tzinfo=_zone(zone))
    return round(Fraction(local.astimezone(UTC).timestamp()) * SECOND)


def _zone(name: str) -> tzinfo:
    if name[0] not in "+-":
        return ZoneInfo(name)
    hours, minutes = name[1:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if name[0] == "-" else offset)


def alert_history(
    readings: Iterable[tuple[object, ...]], limit: Limit | Sequence[Limit], until: int
) -> list[Alert]:
    """The alerts of a limit (or of its versions), evaluated at every M up to ``until``.

    The last one may be open or pending still; a pending one that never opened is not there.
    """
    versions = [limit] if isinstance(limit, Limit) else list(limit)
    window, period = versions[0].window, versions[0].period
    history = _History(MINUTE if window <= HOUR else 20 * MINUTE)
    for average in rolling(readings, period, window, until):
        version = next((one for one in versions if one.applies(average.end)), None)
        if version is None:
            history.limit_is_not_in_force(average.end)
        elif average.covers(version.coverage):
            assert average.mean is not None
            history.evaluate(average.end, average.mean, version)
    return history.alerts


class _History:
    """The alerts of one limit so far, and for how many evaluations each condition has held."""

    def __init__(self, step: int) -> None:
        self.alerts: list[Alert] = []
        self._step = step
        self._held: dict[str, int] = {}

    def _current(self) -> Alert | None:
        return self.alerts[-1] if self.alerts and self.alerts[-1].state != "resolved" else None

    def limit_is_not_in_force(self, at: int) -> None:
        self._held = {}
        alert = self._current()
        if alert and alert.state == "pending":
            self.alerts.pop()
        elif alert:
            self._resolve(alert, at)

    def evaluate(self, at: int, mean: Decimal, limit: Limit) -> None:
        exceeds = mean > Decimal(str(limit.value))
        warns = exceeds or mean >= limit.times(limit.warn_at)
        holds = {
            "warns": warns,
            "exceeds": exceeds,
            "below limit": not exceeds and mean <= limit.times(limit.clear_at),
            "below warning": not warns and mean <= limit.times(limit.clear_at, limit.warn_at),
        }
        self._held = {name: self._held.get(name, 0) + 1 for name in holds if holds[name]}
        self._begin_or_end_pending(at, mean, limit)
        alert = self._current()
        if alert is None:
            return
        alert.value = mean
        if mean > alert.peak:
            alert.peak, alert.peak_at = mean, at
        if alert.state == "pending":
            self._open_if_lasting(alert, at, limit)
        elif self._lasted("exceeds", limit.open_after) and alert.severity == "warning":
            self._set(alert, at, "exceedance")
        else:
            self._fall_if_lasting(alert, at, limit)

    def _lasted(self, condition: str, duration: int) -> bool:
        held = self._held.get(condition, 0)
        return held > 0 and (held - 1) * self._step >= duration

    def _begin_or_end_pending(self, at: int, mean: Decimal, limit: Limit) -> None:
        alert = self._current()
        over = "warns" in self._held
        if alert is None and over:
            self.alerts.append(Alert(opened_at=at, peak=mean, peak_at=at))
            if limit.open_after > 0:
                self.alerts[-1].changes.append((at, "pending", "warning"))
        elif alert and alert.state == "pending" and not over:
            self.alerts.pop()

    def _open_if_lasting(self, alert: Alert, at: int, limit: Limit) -> None:
        if self._lasted("exceeds", limit.open_after):
            self._set(alert, at, "exceedance")
        elif self._lasted("warns", limit.open_after):
            self._set(alert, at, "warning")

    def _fall_if_lasting(self, alert: Alert, at: int, limit: Limit) -> None:
        was = alert.severity
        if was == "exceedance" and self._lasted("below limit", limit.clear_after):
            alert.severity = "warning"
        if alert.severity == "warning" and self._lasted("below warning", limit.clear_after):
            self._resolve(alert, at)
        elif alert.severity != was:
            alert.changes.append((at, "open", alert.severity))

    def _set(self, alert: Alert, at: int, severity: str) -> None:
        alert.state, alert.severity = "open", severity
        if severity == "exceedance":
            alert.worst = severity
        alert.changes.append((at, "open", severity))

    def _resolve(self, alert: Alert, at: int) -> None:
        alert.state, alert.resolved_at = "resolved", at
        alert.changes.append((at, "resolved", alert.severity))
