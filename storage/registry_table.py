"""A query's rows as a numpy structured array, through COPY in binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import asyncpg
    from numpy.typing import NDArray

_HEADER = 19  # bytes: signature, flags and an empty extension
_TIMEOUT = 600.0  # seconds
_BYTES = {"?": 1, "i4": 4, "i8": 8, "f8": 8}
_YEAR_2000 = 946_684_800_000_000  # microseconds since 1970: where PostgreSQL counts from


class Query(NamedTuple):
    """A query and its columns: name and type, none of them ever null.

    Types are `?`, `i4`, `i8`, `f8`, and `time` for int64 microseconds since 1970.
    """

    sql: str
    columns: tuple[tuple[str, str], ...]


async def read_table(
    conn: asyncpg.Connection, query: Query, *arguments: object
) -> NDArray[np.void]:
    """Return the rows with a field for each column, in the order of the query.

    Raises ValueError when the columns are not of the sizes announced.
    """
    received = bytearray()

    async def take(data: bytes) -> None:
        received.extend(data)

    await conn.copy_from_query(
        query.sql, *arguments, output=take, format="binary", timeout=_TIMEOUT
    )
    columns = [(name, "i8" if kind == "time" else kind) for name, kind in query.columns]
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, kind in columns:
        layout += [(f"{name} bytes", ">i4"), (name, kind if kind == "?" else f">{kind}")]
    body, row = memoryview(received)[_HEADER:-2], np.dtype(layout)
    if len(body) % row.itemsize:
        raise ValueError("the columns are not of the sizes announced")
    rows = np.frombuffer(body, row)
    table = np.empty(len(rows), columns)
    for name, kind in columns:
        if not (rows[f"{name} bytes"] == _BYTES[kind]).all():
            raise ValueError(f"the column {name} is not of {_BYTES[kind]} bytes throughout")
        table[name] = rows[name]
    for name, kind in query.columns:
        if kind == "time":
            table[name] += _YEAR_2000
    return table
