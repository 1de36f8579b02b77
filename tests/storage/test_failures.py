"""The database goes away at the worst moments: nothing acknowledged is lost, nothing is twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import asyncpg
import numpy as np
import pytest
import uvloop

from storage.batches import commit
from storage.embedded import EmbeddedPostgres
from storage.errors import StartFailed, Unavailable
from storage.migrate import migrate
from storage.pool import connect, open_pool, unavailable
from tests.fixtures.brokers import free_port
from tests.storage.given import NOW, SO2, Message, batch, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

LARGE = 200_000  # rows: more than the socket takes at once


async def _blocked(observer: asyncpg.Connection, pid: int) -> None:
    """Wait until a backend waits for a lock."""
    waits = "select exists (select from pg_locks where pid = $1 and not granted)"
    while not await observer.fetchval(waits, pid):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)


async def _kill_in_mid_copy(database_url: str) -> None:
    received = batch(1, Message([(SO2, NOW + n, float(n)) for n in range(LARGE)]))
    conn, observer = await connect(database_url), await connect(database_url)
    pid = await conn.fetchval("select pg_backend_pid()")
    async with observer.transaction():
        await observer.execute("lock table readings in access exclusive mode")
        committing = asyncio.create_task(commit(conn, received))
        await _blocked(observer, pid)
        await observer.execute("select pg_terminate_backend($1)", pid)
        with pytest.raises(Unavailable):
            await committing
    assert conn.is_closed()
    assert await observer.fetchval("select count(*) from batches") == 0
    committed = await commit(observer, received)
    assert np.all(committed.readings == 0)
    assert await observer.fetchval("select count(*) from readings") == LARGE
    await observer.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_backend_killed_in_mid_copy_is_unavailable(
    database_url: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    run(_kill_in_mid_copy(database_url))


async def test_every_batch_is_there_once_after_kills_of_the_server(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    async with server as url:
        watch = asyncio.create_task(server.supervise())
        conn = await connect(url)
        await migrate(conn)
        for number in range(1, 31):
            received = batch(number, Message([(SO2, NOW + number, 1.0), (7, NOW + number, 2.0)]))
            committing = asyncio.create_task(commit(conn, received))
            if number % 10 == 0 and server.pid:
                await asyncio.sleep(0.001 * number / 10)  # another moment of the transaction
                os.kill(server.pid, signal.SIGKILL)
            while True:
                try:
                    committed = await committing
                    break
                except Unavailable:
                    conn.terminate()
                    conn = await _connect_again(url)
                    committing = asyncio.create_task(commit(conn, received))
            assert outcomes(committed) == (["stored", "stored"], ["stored"])
        conn.terminate()
        conn = await _connect_again(url)
        assert await conn.fetchval("select count(*) from readings") == 60
        assert await conn.fetchval("select count(*) from batches") == 30
        assert server.restarts
        watch.cancel()
        await conn.close()


async def _connect_again(url: str) -> asyncpg.Connection:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(Unavailable):
                return await connect(url)
            await asyncio.sleep(0.02)


async def _lost_between_two_statements(database_url: str) -> None:
    pool, observer = await open_pool(database_url, size=2), await connect(database_url)
    conn = await pool.acquire()
    pid, inner = await conn.fetchval("select pg_backend_pid()"), conn._con
    await observer.execute("select pg_terminate_backend($1)", pid)
    await observer.close()
    while not inner.is_closed():  # noqa: ASYNC110 - the pool has no event for it
        await asyncio.sleep(0.01)
    try:
        for use in (
            lambda: conn.fetchval("select 1"),
            lambda: conn.copy_from_query("select 1", output=_nowhere),
            lambda: _transaction(conn),
        ):
            with pytest.raises(Unavailable):
                async with unavailable("use a connection that was lost"):
                    await use()
    finally:
        pool.terminate()


async def _nowhere(_: bytes) -> None:
    pytest.fail("a lost connection gave something")


async def _transaction(conn: asyncpg.Connection) -> None:
    async with conn.transaction():
        pytest.fail("a lost connection began a transaction")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_lost_between_two_statements_is_unavailable(
    database_url: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    run(_lost_between_two_statements(database_url))


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await connect(f"postgresql://postgres@/postgres?host={tmp_path}")
    with pytest.raises(Unavailable):
        await open_pool("postgresql://postgres@127.0.0.1:1/postgres", size=2)


async def test_a_database_that_refuses_us_says_so(postgres_url: str) -> None:
    with pytest.raises(StartFailed, match="nonesuch"):
        await connect(postgres_url.replace("@/postgres?", "@/nonesuch?"))


async def test_a_statement_that_takes_too_long_is_unavailable(db: asyncpg.Connection) -> None:
    with pytest.raises(Unavailable):
        async with unavailable("sleep"):
            await db.execute("select pg_sleep(5)", timeout=0.1)
    await db.execute("set statement_timeout = '50ms'")
    with pytest.raises(Unavailable):
        async with unavailable("sleep"):
            await db.execute("select pg_sleep(5)")


async def test_a_fault_of_ours_is_not_called_unavailable(db: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with unavailable("ask"):
            await db.execute("select * from nonesuch")
    with pytest.raises(asyncpg.DataError):
        async with unavailable("ask"):
            await db.fetchval("select $1::int", "text")


async def test_a_session_is_as_we_need_it(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        assert await conn.fetchval("show search_path") == "ams, public"
        assert await conn.fetchval("show timezone") == "UTC"
        assert await conn.fetchval("select $1::jsonb", {"a": [1]}) == {"a": [1]}


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    url = f"postgresql://ams:secret@127.0.0.1:{free_port()}/ams"
    with pytest.raises(Unavailable, match=r"connect to the database at 127\.0\.0\.1:\d+: ") as info:
        await connect(url)
    assert "secret" not in str(info.value)
