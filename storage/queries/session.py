"""A consistent view of the database for one answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from asyncpg import Connection, Pool

from storage.pool import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Connection", "Pool", "reading", "writing"]

_FREE_CONNECTION = 5.0  # seconds to wait for one of the pool's connections

# Plans are made for the values at hand: filters that are not given vanish, partitions are pruned.
_SETTINGS = """
set local plan_cache_mode = force_custom_plan;
set local statement_timeout = '30s';
"""


@contextlib.asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection whose statements all see the same state, and can change nothing.

    Raises Unavailable when the database is away, busy, or takes longer than 30 s to answer.
    """
    async with (
        unavailable("read from the database"),
        pool.acquire(timeout=_FREE_CONNECTION) as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        await conn.execute(_SETTINGS)
        yield conn


@contextlib.asynccontextmanager
async def writing(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection within a transaction; raises Unavailable like ``reading``."""
    async with (
        unavailable("write to the database"),
        pool.acquire(timeout=_FREE_CONNECTION) as conn,
        conn.transaction(),
    ):
        yield conn
