"""Rows into a staging table through COPY's CSV format: a few microseconds a row."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    import asyncpg

_CHUNK = 5_000  # rows handed over at once
_TIMEOUT = 3600.0  # seconds


async def copy_rows(
    conn: asyncpg.Connection, table: str, rows: Iterable[tuple[object, ...]]
) -> None:
    """Copy rows into a table: texts that are not empty, numbers, aware times, None."""
    await conn.copy_to_table(table, source=_chunks(iter(rows)), format="csv", timeout=_TIMEOUT)


def array_text(values: tuple[float, ...]) -> str:
    """Return an array of numbers as PostgreSQL reads it."""
    return "{" + ",".join(map(repr, values)) + "}"


async def _chunks(rows: Iterator[tuple[object, ...]]) -> AsyncIterator[bytes]:
    while chunk := list(islice(rows, _CHUNK)):
        buffer = io.StringIO()
        # What is not quoted and empty is null to PostgreSQL: so is None to the csv module.
        csv.writer(buffer, lineterminator="\n").writerows(chunk)
        yield buffer.getvalue().encode()
