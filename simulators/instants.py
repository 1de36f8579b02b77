"""Instants and durations: int64 microseconds inside, RFC 3339 and ``20min`` outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"ms": MILLISECOND, "s": SECOND, "min": MINUTE, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def parse_duration(text: str) -> int:
    """Return the microseconds that ``60s``, ``20min``, ``1h`` or ``1d`` mean.

    Raises ValueError, with what was expected, for anything else and for nothing at all.
    """
    match = _DURATION.fullmatch(text.strip())
    duration = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not duration:
        raise ValueError(f"{text!r} is not a duration such as 60s, 20min, 1h or 1d")
    return duration


def duration_text(duration: int) -> str:
    """Return ``duration`` (microseconds) as registries write it: ``60s``, ``20min`` or ``1h``."""
    for unit in ("d", "h", "min", "s"):
        if duration % _UNITS[unit] == 0 and (unit != "min" or duration > MINUTE):
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration // MILLISECOND}ms"


def parse_instant(text: str) -> int:
    """Return the instant that an RFC 3339 time with offset names, in microseconds since 1970.

    Raises ValueError when it is no such time or has no offset.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(f"{text!r} is not a time with offset such as 2026-11-22T03:20:00Z")
    return (instant - _EPOCH) // timedelta(microseconds=1)


def parse_offset(text: str) -> timezone:
    """Return the fixed offset that ``+05:00`` names; ValueError for anything else."""
    match = _OFFSET.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an offset such as +05:00")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


def offset_text(zone: timezone) -> str:
    """Return a fixed offset as the registry writes it, ``+05:00``."""
    minutes = zone.utcoffset(None) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def to_datetime(instant: int, zone: timezone = UTC) -> datetime:
    """Return ``instant`` (microseconds since 1970 UTC) as an aware datetime of ``zone``."""
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def rfc3339(instant: int, zone: timezone = UTC) -> str:
    """Return ``instant`` as messages write it; microseconds only where there are any."""
    text = to_datetime(instant, zone).isoformat()
    return text.replace("+00:00", "Z")
