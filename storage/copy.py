"""PostgreSQL's binary COPY to and from numpy arrays, without a Python object for each row.

A row on the wire is the number of its fields (int16), then for each field its length (int32, -1
for null) and its bytes, all big-endian: a packed numpy structure. Instants are int64 microseconds
since 1970 here and since 2000 there.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from numpy.typing import NDArray

EPOCH_2000 = 946_684_800_000_000  # microseconds from 1970 to 2000

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NUMPY = {
    "bool": "|b1",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float8": ">f8",
    "timestamptz": ">i8",
}
_OID = {"bool": 16, "int2": 21, "int4": 23, "int8": 20, "float8": 701, "timestamptz": 1184}

Fields = tuple[tuple[str, str], ...]
"""Columns in order with their PostgreSQL types (bool, int2, int4, int8, float8, timestamptz)."""


def _layout(fields: Fields) -> np.dtype[np.void]:
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields:
        parts += [(f"{name} length", ">i4"), (name, _NUMPY[kind])]
    return np.dtype(parts)


def binary_rows(
    fields: Fields,
    columns: Mapping[str, NDArray[Any] | int],
    nulls: Mapping[str, NDArray[np.bool_]] | None = None,
) -> bytes:
    """Return the rows as a whole COPY stream.

    ``columns`` are arrays of one length n (or a number for all rows); ``nulls`` masks of length n
    for those that hold nulls. Raises nothing for values beyond a type's range: they wrap.
    """
    layout = _layout(fields)
    count = max(np.size(columns[name]) for name, _ in fields)
    if any(np.ndim(columns[name]) and np.size(columns[name]) == 0 for name, _ in fields):
        count = 0
    rows = np.empty(count, layout)
    rows["fields"] = len(fields)
    for name, kind in fields:
        rows[f"{name} length"] = np.dtype(_NUMPY[kind]).itemsize
        rows[name] = columns[name]
        if kind == "timestamptz":
            rows[name] -= EPOCH_2000
    return _HEADER + _without_nulls(rows, nulls or {}) + _TRAILER


def _without_nulls(rows: NDArray[np.void], nulls: Mapping[str, NDArray[np.bool_]]) -> bytes:
    if not any(mask.any() for mask in nulls.values()):
        return rows.tobytes()
    keep = np.ones((len(rows), rows.dtype.itemsize), np.bool_)
    for name, mask in nulls.items():
        rows[f"{name} length"][mask] = -1
        start = rows.dtype.fields[name][1]  # type: ignore[index]  # a structure has fields
        keep[mask, start : start + rows.dtype[name].itemsize] = False
    return rows.view(np.uint8).reshape(keep.shape)[keep].tobytes()


def binary_array(kind: str, values: NDArray[Any]) -> bytes:
    """Return a one-dimensional array without nulls as the bytes of one field."""
    size = np.dtype(_NUMPY[kind]).itemsize
    if len(values) == 0:
        return struct.pack(">iii", 0, 0, _OID[kind])
    items = np.empty(len(values), np.dtype([("length", ">i4"), ("item", _NUMPY[kind])]))
    items["length"] = size
    items["item"] = values
    if kind == "timestamptz":
        items["item"] -= EPOCH_2000
    return struct.pack(">iiiii", 1, 0, _OID[kind], len(values), 1) + items.tobytes()


def binary_records(records: Sequence[Sequence[bytes | None]]) -> bytes:
    """Return rows of fields that are bytes already (None: null) as a whole COPY stream."""
    parts = [_HEADER]
    for record in records:
        parts.append(struct.pack(">h", len(record)))
        for field in record:
            parts.append(struct.pack(">i", -1 if field is None else len(field)))
            parts.append(field or b"")
    return b"".join((*parts, _TRAILER))


def int4(value: int) -> bytes:
    """Return an integer as the bytes of one field."""
    return struct.pack(">i", value)


def int8(value: int) -> bytes:
    """Return a bigint as the bytes of one field."""
    return struct.pack(">q", value)


def instant(microseconds: int) -> bytes:
    """Return a timestamptz as the bytes of one field."""
    return struct.pack(">q", microseconds - EPOCH_2000)


async def copy_in(
    conn: asyncpg.Connection, table: str, columns: Sequence[str], stream: bytes
) -> None:
    """Send a COPY stream to a table of the search path."""

    async def once() -> AsyncIterator[bytes]:
        yield stream

    async with sending(conn):
        await conn.copy_to_table(table, source=once(), columns=columns, format="binary")


async def send_many(
    conn: asyncpg.Connection, statement: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Execute a statement for each row, all of them or none."""
    async with sending(conn):
        await conn.executemany(statement, rows)


@contextlib.asynccontextmanager
async def sending(conn: asyncpg.Connection) -> AsyncIterator[None]:
    """End the body with ConnectionResetError when the connection is lost.

    asyncpg 0.32 waits on for leave to write when that happens in the middle of much that is sent:
    for ever in a COPY, until the statement's time is over with many rows for a statement.
    """
    task = asyncio.current_task()
    sends, lost = True, False

    def end(_: object) -> None:
        nonlocal lost
        if task and sends and not lost:  # told a moment later: the body may be over
            lost = True
            task.cancel()

    conn.add_termination_listener(end)
    try:
        yield
    except BaseException as error:
        if not lost:
            raise
        raise ConnectionResetError("the connection was lost amid what was sent") from error
    finally:
        sends = False
        if lost and task:
            task.uncancel()
        with contextlib.suppress(asyncpg.InterfaceError):  # lost, and its listeners with it
            conn.remove_termination_listener(end)


async def copy_out(
    conn: asyncpg.Connection, query: str, *args: object, fields: Fields
) -> NDArray[np.void]:
    """Run a query and return its rows as one structured array with the names of ``fields``.

    The query's columns must be of exactly those types and without nulls.
    """
    received = bytearray()

    async def gather(chunk: bytes) -> None:
        received.extend(chunk)

    await conn.copy_from_query(query, *args, output=gather, format="binary")
    layout = _layout(fields)
    body = len(received) - len(_HEADER) - len(_TRAILER)
    count, rest = divmod(body, layout.itemsize)
    raw = np.frombuffer(received, layout, max(count, 0), len(_HEADER))
    if rest or any(np.any(raw[f"{name} length"] < 0) for name, _ in fields):
        raise ValueError(f"the query's columns are not {fields} without nulls: {query}")
    rows = np.empty(count, np.dtype([(name, _NUMPY[kind][1:]) for name, kind in fields]))
    for name, kind in fields:
        rows[name] = raw[name]
        if kind == "timestamptz":
            rows[name] += EPOCH_2000
    return rows
