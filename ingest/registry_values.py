"""The small notations of a registry: durations, shares, days, zones, addresses.

Each function takes what the file says and raises ValueError in words for whoever mends the file.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts.core.rounding import exact_fraction
from alerts.core.vocabulary import DAY, HOUR, LONG_STEP, MINUTE, SECOND
from alerts.core.zones import grid
from ingest.instants import parse_time

_DURATION = re.compile(r"(0|[1-9][0-9]{0,9})(s|min|h|d|month|year)")
_UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
_LONGEST = 36_525 * DAY
_OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR, _LAST_YEAR = 1900, 9999


@lru_cache(4096)
def microseconds(text: str) -> int:
    """Return a duration such as ``60s``, ``2h`` or ``20min`` in microseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a duration such as 60s, 20min, 1h or 1d')
    if match[2] in ("month", "year"):
        raise ValueError(f'"{text}": months and years are no fixed time; use s, min, h or d here')
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > _LONGEST:
        raise ValueError(f'"{text}" is longer than a century')
    return duration


@lru_cache(4096)
def check_duration(text: str) -> str:
    """Refuse what is no duration."""
    microseconds(text)
    return text


@lru_cache(4096)
def check_period(text: str) -> str:
    """Refuse periods whose slots would not fit minutes, hours and days."""
    period = microseconds(text)
    larger = MINUTE if period <= MINUTE else HOUR if period <= HOUR else DAY
    whole = SECOND if period <= MINUTE else MINUTE
    if period == 0 or period > DAY or period % whole or larger % period:
        raise ValueError(
            f'a period of "{text}" cannot be averaged: up to a minute it must divide the minute '
            "(1s, 5s, 10s, 60s …), up to an hour be whole minutes that divide the hour (5min, "
            "20min …), up to a day divide the day (1h, 6h …)"
        )
    return text


@lru_cache(4096)
def check_average(text: str) -> str:
    """Refuse windows that cannot be averaged (yet)."""
    match = _DURATION.fullmatch(text)
    if match and match[2] in ("month", "year"):
        raise ValueError(
            f'a limit over "{text}" is not judged yet: leave it out until months and years are'
        )
    window = microseconds(text)
    fits = window % MINUTE == 0 if window <= HOUR else window % LONG_STEP == 0
    if window == 0 or not fits or DAY % window:
        raise ValueError(
            f'an average over "{text}" cannot be judged: up to 1h it must be whole minutes, beyond '
            "a multiple of 20min, and a day must hold a whole number of them (20min, 30min, 1h, "
            "8h, 1d …)"
        )
    return text


@lru_cache(4096)
def canonical(text: str) -> str:
    """Return the one way to write a duration: ``60min`` is ``1h``, ``24h`` is ``1d``."""
    duration = microseconds(text)
    for unit in ("d", "h", "min"):
        if duration and duration % _UNITS[unit] == 0:
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration // SECOND}s"


@lru_cache(4096)
def share(text: str) -> str:
    """Return a share above 0 and up to 1 as it is stored: ``2/3``, or a decimal such as ``0.8``."""
    value = exact_fraction(text)
    if not 0 < value <= 1:
        raise ValueError(f"{text} is not a share above 0 and up to 1")
    return str(value) if "/" in text else f"{Decimal(text).normalize():f}"


@lru_cache(4096)
def parse_day(text: str) -> date:
    """Return a day written ``2026-01-31``."""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        raise ValueError(f"there is no day {text}") from None
    if day is None:
        raise ValueError(f'"{text}" is not a day such as 2026-01-31')
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"the year {day.year} is not from {_FIRST_YEAR} to {_LAST_YEAR}")
    return day


def parse_effective(text: str) -> datetime:
    """Return a time with its offset, RFC 3339."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=parse_time(text))


@lru_cache(512)
def parse_zone(text: str) -> timezone | ZoneInfo:
    """Return the zone of an offset such as ``+05:00`` or of an IANA name."""
    match = _OFFSET.fullmatch(text)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        zone: timezone | ZoneInfo = timezone(-offset if match[1] == "-" else offset)
    else:
        try:
            zone = ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f'"{text}" is not an offset such as +05:00 or an IANA name such as Asia/Almaty'
            ) from None
    grid(text)
    return zone


@lru_cache(4096)
def midnight(day: date, zone: timezone | ZoneInfo) -> datetime:
    """Return when ``day`` begins in ``zone``, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


@lru_cache(4096)
def midnight_after(day: date, zone: timezone | ZoneInfo) -> datetime:
    """Return when ``day`` ends in ``zone``, in UTC; the last day of 9999 has no end to speak of."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return midnight(day + timedelta(days=1), zone)


def check_url(text: str) -> str:
    """Refuse what is no http(s) address, and secrets in it."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("not an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("a user or password does not belong in the file: sign with `secret`")
    return text
