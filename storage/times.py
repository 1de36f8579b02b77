"""Instants: int64 microseconds since 1970 UTC in arrays, timestamptz in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_micros(microseconds: int) -> datetime:
    """Return the instant as the driver takes it."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_micros(instant: datetime) -> int:
    """Return an aware datetime as microseconds since 1970 UTC."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_sql(expression: str) -> str:
    """Return SQL that makes a timestamptz of microseconds (exact below 2^53, the year 2255)."""
    return f"(timestamptz 'epoch' + {expression} * interval '1 microsecond')"
