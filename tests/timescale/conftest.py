"""TimescaleDB for the tests of this folder: one server a session, a fresh schema for each test.

The fixtures ``db``, ``pool`` and ``database_url`` are those of every test, on TimescaleDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from storage.migrate import migrate
from storage.pool import connect, open_pool
from tests.timescale.node import timescale_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def timescale() -> Iterator[str]:
    """The URL of a running TimescaleDB."""
    with timescale_server() as url:
        yield url


@pytest_asyncio.fixture
async def empty_database_url(timescale: str) -> str:
    """The URL of a TimescaleDB without our schema."""
    conn = await asyncpg.connect(timescale)
    await conn.execute("drop schema if exists ams cascade")
    await conn.close()
    return timescale


@pytest_asyncio.fixture
async def database_url(empty_database_url: str) -> str:
    """The URL of a freshly migrated TimescaleDB."""
    conn = await connect(empty_database_url)
    await migrate(conn)
    await conn.close()
    return empty_database_url


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a freshly migrated TimescaleDB."""
    conn = await connect(database_url)
    yield conn
    await conn.close()


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool on the database of ``db``."""
    opened = await open_pool(database_url, size=4)
    yield opened
    await opened.close()
