"""Rows into a staging table through COPY's CSV format: a few microseconds a row."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

from storage.copy import sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    import asyncpg

_CHUNK = 5_000  # rows handed over at once
_TIMEOUT = 3600.0  # seconds


async def copy_rows(
    conn: asyncpg.Connection,
    table: str,
    rows: Iterable[tuple[object, ...]],
    *,
    may_be_empty: tuple[str, ...] = (),
) -> None:
    """Copy rows into a table: texts, numbers, aware times, None.

    An empty text is null but in the columns ``may_be_empty``, where nothing is.
    """
    async with sending(conn):
        await conn.copy_to_table(
            table,
            source=_chunks(iter(rows)),
            format="csv",
            force_not_null=may_be_empty or None,
            timeout=_TIMEOUT,
        )


def array_text(values: tuple[float, ...]) -> str:
    """Return an array of numbers as PostgreSQL reads it."""
    return "{" + ",".join(map(repr, values)) + "}"


async def _chunks(rows: Iterator[tuple[object, ...]]) -> AsyncIterator[bytes]:
    while chunk := list(islice(rows, _CHUNK)):
        buffer = io.StringIO()
        # What is not quoted and empty is null to PostgreSQL: so is None to the csv module.
        csv.writer(buffer, lineterminator="\n").writerows(chunk)
        yield buffer.getvalue().encode()
