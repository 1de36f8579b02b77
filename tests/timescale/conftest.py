"""TimescaleDB for the tests of this folder: one server a session, a fresh schema for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from storage.migrate import migrate
from storage.pool import connect
from tests.timescale.node import timescale_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def timescale() -> Iterator[str]:
    """The URL of a running TimescaleDB that takes one connection at a time."""
    with timescale_server() as url:
        yield url


@pytest_asyncio.fixture
async def empty_timescale(timescale: str) -> str:
    """The same without our schema."""
    conn = await asyncpg.connect(timescale)
    await conn.execute("drop schema if exists ams cascade")
    await conn.close()
    return timescale


@pytest_asyncio.fixture
async def timescale_db(empty_timescale: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a freshly migrated TimescaleDB."""
    conn = await connect(empty_timescale)
    await migrate(conn)
    yield conn
    await conn.close()


@pytest.fixture
def db(timescale_db: asyncpg.Connection) -> asyncpg.Connection:
    """The same under the name that the storage contract uses."""
    return timescale_db
