"""What the judging goes on with after a restart: the board that was kept, and what came since.

Of a channel whose alerts have changed since, that had late or revised readings, or whose limits
are others now, the kept state is not the last: it is cold and read back from its readings.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from alerts.adopt import carry_over, limits_since
from alerts.board import Board
from alerts.core.records import Readings
from storage.pool import unavailable
from storage.tail import (
    batch_received_at,
    channels_alerted,
    channels_late,
    read_extent,
    read_tail,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    from numpy.typing import NDArray

    from alerts.layout import Layout
    from ingest.checkpoint import Checkpoint, Mark


async def resume(
    conn: asyncpg.Connection,
    checkpoint: Checkpoint,
    layout: Layout,
    newest: NDArray[np.int64],
    last: int,
) -> tuple[Board, int]:
    """Return a board, and the batch up to which its warm channels have taken everything.

    ``newest`` is each channel's newest reading as of batch ``last`` (0: none). Without a checkpoint
    of this database every channel that has readings is cold.
    """
    found = await asyncio.to_thread(checkpoint.read)
    if found is None or not await _stands(conn, found[0]):
        board, after = Board(layout), last
        board.cold = newest > 0
    else:
        mark, kept = found
        after = mark.batch
        board = carry_over(kept, layout)
        stale = await _stale(conn, mark, kept, layout)
        board.cold[stale] = newest[stale] > 0
        _chill(board, newest)
    at = np.flatnonzero(board.cold)
    board.newest[at] = newest[at]
    return board, after


def _chill(board: Board, newest: NDArray[np.int64]) -> None:
    """Make derived channels cold of which a member is.

    Of a selected channel, which may have had several members, the tail tells what they got since;
    of a chain it does not, so a member with readings that the board does not know of is enough.
    """
    selects, recipes = board.layout.derived.selects, board.layout.derived.recipes
    of_cold = board.cold[selects.of] & (newest[selects.of] > 0)
    board.cold[selects.channel[of_cold]] = True
    behind = board.cold | (newest > np.maximum(board.newest, 0))
    of_behind = selects.channel[behind[selects.of]]
    behind[selects.channel] = False
    behind[of_behind] = True
    cold = (behind[recipes.member] & (recipes.member >= 0)).any(axis=0)
    channel = recipes.channel[cold]
    board.cold[channel] = newest[channel] > 0


async def _stands(conn: asyncpg.Connection, mark: Mark) -> bool:
    """Whether the database is the one that the mark was made on, and not an older copy of it."""
    return await batch_received_at(conn, mark.batch) == mark.received_at


async def _stale(
    conn: asyncpg.Connection, mark: Mark, kept: Board, layout: Layout
) -> NDArray[np.int64]:
    """Return the channels that the kept board tells of no longer."""
    channels = {*limits_since(kept.layout.versions, layout.versions)}
    channels.update(await channels_alerted(conn, mark.history))
    extent = await read_extent(conn, mark.batch)
    if extent:
        channels.update(await channels_late(conn, mark.batch, extent.start))
    return np.array(sorted(channels), np.int64)


async def tail(
    pool: asyncpg.Pool, board: Board, warm: NDArray[np.bool_], batches: tuple[int, int], now: int
) -> AsyncIterator[Readings]:
    """Yield what ``warm`` channels got in (first, last] of ``batches``, as one batch or a few.

    Warm are those that were as of then in memory when the server started: the others have it from
    the database. Per channel in order of time: late readings have made their channels cold.
    """
    after, last = batches
    async with unavailable("read what came since"), pool.acquire() as conn:
        extent = await read_extent(conn, after)
        for start, end in extent.parts() if extent else ():
            rows = await read_tail(conn, after, start, end)
            readings = Readings(
                batch=last,
                received_at=now,
                channel=rows["channel"].astype(np.int32),
                time=rows["time"].astype(np.int64),
                value=rows["value"].astype(np.float64),
                valid=rows["valid"] == 1,
                fresh=np.ones(len(rows), np.bool_),
                status=rows["status"].astype(np.int8),
            )
            readings = board.layout.derived.with_selected(readings)
            yield readings.take(np.flatnonzero(warm[readings.channel]))
