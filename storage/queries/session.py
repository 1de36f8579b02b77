"""A consistent view of the database for one answer, and how many answers may be at work."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from asyncpg import Connection, Pool

from storage.pool import answering, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Connection", "Pool", "Sessions"]

_AT_ONCE = 4  # connections: the intake, which shares the pool, must find the others free
_PATIENCE = 10.0  # seconds to wait for one of them
_ANSWER = 60.0  # seconds for all statements of an answer, also where the database hangs

# Plans are made for the values at hand: filters that are not given vanish, partitions are pruned.
_SETTINGS = """
set local plan_cache_mode = force_custom_plan;
set local statement_timeout = '30s';
"""


class Sessions:
    """Connections of a pool, a few at a time.

    Both methods raise Unavailable when the database is away, busy for more than 10 s, or takes
    longer than 30 s for a statement.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(_AT_ONCE)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Yield a connection whose statements all see the same state, and can change nothing."""
        async with (
            self._connection("read from the database") as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            await conn.execute(_SETTINGS)
            yield conn

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Yield a connection within a transaction."""
        async with self._connection("write to the database") as conn, conn.transaction():
            yield conn

    @contextlib.asynccontextmanager
    async def _connection(self, doing: str) -> AsyncIterator[Connection]:
        async with unavailable(f"{doing}: too many others are being answered"):
            await asyncio.wait_for(self._free.acquire(), _PATIENCE)
        try:
            async with (
                unavailable(doing),
                self._pool.acquire(timeout=_PATIENCE) as conn,
                answering(doing, conn, _ANSWER),
            ):
                yield conn
        finally:
            self._free.release()
