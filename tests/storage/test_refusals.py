"""A database that turns us away while we run: it is away, and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from storage.errors import StartFailed, Unavailable
from storage.lock import ServerLock
from storage.pool import connect, open_pool, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def owner(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to another database of the same server, for its owner."""
    conn = await asyncpg.connect(postgres_url)
    yield conn
    await conn.close()


@pytest_asyncio.fixture
async def role(database_url: str, owner: asyncpg.Connection) -> AsyncIterator[str]:
    """The URL of the test's database for a role of its own, ``guest``."""
    name = database_url.partition("@/")[2].partition("?")[0]
    await owner.execute("create role guest login")
    yield database_url.replace("postgres@", "guest@", 1)
    await _end_all(owner)
    await owner.execute(f"alter database {name} with allow_connections true")
    await owner.execute("drop role guest")


async def _end_all(owner: asyncpg.Connection) -> None:
    """End the role's connections and wait until they are gone."""
    sessions = "from pg_stat_activity where usename = 'guest'"
    await owner.execute(f"select pg_terminate_backend(pid) {sessions}")
    while await owner.fetchval(f"select count(*) {sessions}"):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)


def _shut_and_open(role: str) -> dict[str, tuple[str, str]]:
    name = role.partition("@/")[2].partition("?")[0]
    database = f"alter database {name} with allow_connections"
    return {
        "role": ("alter role guest nologin", "alter role guest login"),
        "database": (f"{database} false", f"{database} true"),
        "slots": ("alter role guest connection limit 0", "alter role guest connection limit -1"),
    }


@pytest.mark.parametrize("what", ["role", "database", "slots"])
async def test_who_runs_waits_for_a_database_that_refuses(
    role: str, owner: asyncpg.Connection, what: str
) -> None:
    shut, opened = _shut_and_open(role)[what]
    pool, lock = await open_pool(role, size=2), ServerLock(role)
    async with lock:
        keeping = asyncio.create_task(lock.keep())
        await owner.execute(shut)
        await _end_all(owner)
        for _ in range(2):
            with pytest.raises(Unavailable):
                async with unavailable("ask"), pool.acquire() as conn:
                    await conn.fetchval("select 1")
        await asyncio.sleep(0.6)  # the lock is tried for again
        assert not keeping.done()
        await owner.execute(opened)
        async with unavailable("ask"), pool.acquire() as conn:
            assert await conn.fetchval("select 1") == 1
        keeping.cancel()
    pool.terminate()


async def test_who_starts_is_told_of_it(role: str, owner: asyncpg.Connection) -> None:
    await owner.execute(_shut_and_open(role)["role"][0])
    with pytest.raises(StartFailed, match="not permitted to log in"):
        await connect(role)
    with pytest.raises(StartFailed, match="not permitted to log in"):
        await open_pool(role, size=2)


async def test_a_database_that_may_only_be_read_is_unavailable(db: asyncpg.Connection) -> None:
    """A standby after a failover, or an owner who guards a full disk."""
    await db.execute("set default_transaction_read_only = on")
    with pytest.raises(Unavailable, match="read-only"):
        async with unavailable("write"):
            await db.execute("create table anything (i int)")
