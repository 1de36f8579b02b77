"""Block means and judgements in SQL: written in bulk, never overwritten."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np

from alerts.core.records import unequal
from storage.copy import Fields, binary_rows, copy_in
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from alerts.core.records import BlockRows, JudgementRows

_SECOND = 1_000_000

_BLOCKS: Fields = (
    ("start", "timestamptz"),
    ("finish", "timestamptz"),
    ("mean", "float8"),
    ("total", "float8"),
    ("known_at", "timestamptz"),
    ("channel", "int4"),
    ("window_s", "int4"),
    ("count", "int4"),
    ("samples", "int4"),
    ("expected", "int4"),
    ("revision", "int4"),
)
_JUDGEMENTS: Fields = (
    ("start", "timestamptz"),
    ("finish", "timestamptz"),
    ("mean", "float8"),
    ("known_at", "timestamptz"),
    ("limit", "int4"),
    ("limit_version", "int4"),
    ("count", "int4"),
    ("expected", "int4"),
    ("state", "int2"),
    ("revision", "int4"),
)

_STORED_BLOCKS = """
select w.place - 1 as place, b.mean, b.count, b.samples, b.expected, b.revision
from unnest($1::int4[], $2::int4[], $3::timestamptz[])
         with ordinality as w (channel, window_s, start, place)
join lateral (
    select mean, count, samples, expected, revision from blocks
    where channel = w.channel and window_s = w.window_s and start = w.start
    order by revision desc limit 1) b on true
"""
_STORED_JUDGEMENTS = """
select w.place - 1 as place, j.mean, j.count, j.expected, j.limit_version, j.state, j.revision
from unnest($1::int4[], $2::timestamptz[]) with ordinality as w ("limit", start, place)
join lateral (
    select mean, count, expected, limit_version, state, revision from judgements
    where "limit" = w."limit" and start = w.start
    order by revision desc limit 1) j on true
"""


async def write_new(conn: asyncpg.Connection, blocks: BlockRows, judgements: JudgementRows) -> bool:
    """Store block means and judgements that were never stored before.

    What turns out to be there already is compared, as ``write_changed`` does: then returns False.
    """
    try:
        async with conn.transaction():
            first = np.zeros(max(len(blocks), len(judgements)), np.int32)
            await _copy(conn, "blocks", _BLOCKS, _block_columns(blocks), first[: len(blocks)])
            columns = _judgement_columns(judgements)
            await _copy(conn, "judgements", _JUDGEMENTS, columns, first[: len(judgements)])
    except asyncpg.UniqueViolationError:
        await write_changed(conn, blocks, judgements)
        return False
    return True


async def write_changed(
    conn: asyncpg.Connection, blocks: BlockRows, judgements: JudgementRows
) -> None:
    """Store what differs from the current block means and judgements, as a revision of them.

    A block without a valid reading is stored only where it replaces one that had some.
    """
    await _changed_blocks(conn, blocks)
    await _changed_judgements(conn, judgements)


async def _changed_blocks(conn: asyncpg.Connection, blocks: BlockRows) -> None:
    if not len(blocks):
        return
    columns = _block_columns(blocks)
    found = await conn.fetch(
        _STORED_BLOCKS,
        blocks.channel.tolist(),
        columns["window_s"].tolist(),
        [from_micros(start) for start in blocks.start.tolist()],
    )
    at, revision = _differing(
        found, columns, ("mean", "count", "samples", "expected"), worth=blocks.samples > 0
    )
    await _copy(conn, "blocks", _BLOCKS, _rows(columns, at), revision)


async def _changed_judgements(conn: asyncpg.Connection, judgements: JudgementRows) -> None:
    if not len(judgements):
        return
    columns = _judgement_columns(judgements)
    found = await conn.fetch(
        _STORED_JUDGEMENTS,
        judgements.limit.tolist(),
        [from_micros(start) for start in judgements.start.tolist()],
    )
    at, revision = _differing(
        found,
        columns,
        ("mean", "count", "expected", "limit_version", "state"),
        worth=judgements.count > 0,
    )
    await _copy(conn, "judgements", _JUDGEMENTS, _rows(columns, at), revision)


def _differing(
    found: list[asyncpg.Record],
    columns: Mapping[str, NDArray[Any]],
    compared: tuple[str, ...],
    *,
    worth: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the rows to be stored and their revision numbers.

    Rows that are stored nowhere count where they are ``worth`` it; the others where they differ.
    """
    revision = np.zeros(len(worth), np.int32)
    wanted = worth.copy()
    place = np.array([row["place"] for row in found], np.int64)
    if len(place):
        differs = np.zeros(len(place), np.bool_)
        for name in compared:
            old = np.array([row[name] for row in found], columns[name].dtype)
            differs |= unequal(old, columns[name][place])
        wanted[place] = differs
        revision[place] = np.array([row["revision"] for row in found], np.int32) + 1
    at = np.flatnonzero(wanted)
    return at, revision[at]


def _block_columns(blocks: BlockRows) -> dict[str, NDArray[Any]]:
    return {
        "start": blocks.start,
        "finish": blocks.finish,
        "mean": blocks.mean,
        "total": blocks.total,
        "channel": blocks.channel,
        "window_s": (blocks.window // _SECOND).astype(np.int32),
        "count": blocks.count,
        "samples": blocks.samples,
        "expected": blocks.expected,
    }


def _judgement_columns(judgements: JudgementRows) -> dict[str, NDArray[Any]]:
    return {
        "start": judgements.start,
        "finish": judgements.finish,
        "mean": judgements.mean,
        "limit": judgements.limit,
        "limit_version": judgements.version,
        "count": judgements.count,
        "expected": judgements.expected,
        "state": judgements.state,
    }


def _rows(columns: Mapping[str, NDArray[Any]], at: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    return {name: column[at] for name, column in columns.items()}


async def _copy(
    conn: asyncpg.Connection,
    table: str,
    fields: Fields,
    columns: Mapping[str, NDArray[Any]],
    revision: NDArray[np.int32],
) -> None:
    if not len(revision):
        return
    now = time.time_ns() // 1000
    stream = binary_rows(
        fields,
        {**columns, "revision": revision, "known_at": now},
        {"mean": np.isnan(columns["mean"])},
    )
    await copy_in(conn, table, [name for name, _ in fields], stream)
