"""Part of a list: its items, and the key behind which the next part begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncpg import Record

Item = dict[str, Any]
Key = tuple[Any, ...]

# Bounds of a range that is open: every instant that the server stores lies between them.
FIRST_INSTANT = datetime(1, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """Instants from ``start`` on and before ``end``."""

    start: datetime = FIRST_INSTANT
    end: datetime = LAST_INSTANT


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is wanted: at most ``limit`` items behind the key ``after``."""

    after: Key
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Items ready for JSON; ``next`` is the last one's key, None when nothing follows."""

    items: list[Item]
    next: Key | None


def paged(rows: Sequence[Record], limit: int, item: Callable[[Record], Item], *key: str) -> Page:
    """Return the first ``limit`` rows as items; one row more than that says that more follow."""
    shown = rows[:limit]
    last = tuple(shown[-1][name] for name in key) if len(rows) > limit else None
    return Page([item(row) for row in shown], last)


def judged_channel(row: Record) -> Item:
    """Return whose channel a verdict is about, in which state, and by what permit."""
    return {name: row[name] for name in ("enterprise", "source", "channel", "basis", "permit")}


def rfc3339(moment: datetime | None) -> str | None:
    """Return an instant in UTC as the API writes it; fractions only where there are some."""
    if moment is None:
        return None
    # Aware, but for the database's infinity, which comes as the last naive one.
    text = (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0')}Z" if "." in text else f"{text}Z"
