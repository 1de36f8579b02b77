"""One server for one database, whatever becomes of the connection that says so."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from storage.errors import AlreadyRunning, Unavailable
from storage.lock import ServerLock, _lock
from storage.pool import connect
from storage.watch import server_runs
from tests.fixtures.database_wire import DatabaseWire

if TYPE_CHECKING:
    import asyncpg

_SESSIONS = """
select pid from pg_stat_activity
where application_name = 'ams-server' and datname = current_database() and pid <> pg_backend_pid()
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.lock._PREDECESSOR", 0.2)
    monkeypatch.setattr("storage.lock._EVERY", 0.05)
    monkeypatch.setattr("storage.lock._ANSWER", 0.2)


async def _another(url: str) -> None:
    async with ServerLock(url):
        pass


async def test_one_server_for_one_database(database_url: str) -> None:
    async with ServerLock(database_url):
        with pytest.raises(AlreadyRunning, match="another ams-server works on this database"):
            await _another(database_url)
    await _another(database_url)


async def test_a_lock_that_the_database_gave_up_on_is_unavailable(
    database_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(conn: asyncpg.Connection, _: object) -> None:
        pid = await conn.fetchval("select pg_backend_pid()")
        await db.execute("select pg_terminate_backend($1)", pid)
        await conn.fetchval("select 1")

    monkeypatch.setattr("storage.lock._lock", end)
    with pytest.raises(Unavailable):
        await _another(database_url)


async def _another_session(
    db: asyncpg.Connection, before: int, keeping: asyncio.Task[None]
) -> None:
    """Wait until one other session than ``before`` holds the lock, and the server goes on."""
    async with asyncio.timeout(20):
        while [(before,)] == (now := await db.fetch(_SESSIONS)) or len(now) != 1:
            assert not keeping.done(), keeping.result()
            await asyncio.sleep(0.02)
    assert not keeping.done(), keeping.result()


async def test_a_session_that_the_database_still_keeps_is_no_other_server(
    database_url: str, db: asyncpg.Connection
) -> None:
    """We know that the connection is lost, the database does not: it ends our old session."""
    async with DatabaseWire(database_url) as wire, ServerLock(wire.url) as lock:
        [(before,)] = await db.fetch(_SESSIONS)
        keeping = asyncio.create_task(lock.keep())
        wire.hang_up()
        await _another_session(db, before, keeping)
        await asyncio.sleep(0.2)
        assert not keeping.done()
        assert await server_runs(db)
        with pytest.raises(AlreadyRunning):
            await _another(database_url)
        keeping.cancel()


async def test_an_old_session_that_does_not_end_is_waited_for(
    database_url: str, db: asyncpg.Connection
) -> None:
    async with DatabaseWire(database_url) as wire, ServerLock(wire.url) as lock:
        [(before,)] = await db.fetch(_SESSIONS)
        keeping = asyncio.create_task(lock.keep())
        os.kill(before, signal.SIGSTOP)
        try:
            wire.hang_up()
            await asyncio.sleep(1)
            assert not keeping.done()
            assert await server_runs(db)
        finally:
            os.kill(before, signal.SIGCONT)
        await _another_session(db, before, keeping)
        keeping.cancel()


async def test_a_lock_that_we_never_heard_of_taking_is_ours(
    database_url: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with DatabaseWire(database_url) as wire, ServerLock(wire.url) as lock:
        lost = 0

        async def lose(conn: asyncpg.Connection, ours: Any) -> None:
            nonlocal lost
            await take(conn, ours)
            if not lost:
                lost += 1
                wire.hang_up()
                await conn.fetchval("select 1")

        take = _lock
        monkeypatch.setattr("storage.lock._lock", lose)
        keeping = asyncio.create_task(lock.keep())
        [(before,)] = await db.fetch(_SESSIONS)
        await db.execute("select pg_terminate_backend($1)", before)
        async with asyncio.timeout(20):
            while not lost or lock._conn is None:
                assert not keeping.done(), keeping.result()
                await asyncio.sleep(0.02)
        keeping.cancel()


async def test_a_lock_that_was_lost_unheard_is_missed(
    database_url: str, db: asyncpg.Connection
) -> None:
    """The database ended our session and nothing told us; another server has the lock by now."""
    async with DatabaseWire(database_url) as wire, ServerLock(wire.url) as lock:
        [(before,)] = await db.fetch(_SESSIONS)
        wire.stop()
        await db.execute("select pg_terminate_backend($1, 5000)", before)
        conn = await connect(database_url)
        async with ServerLock(database_url):
            with pytest.raises(AlreadyRunning):
                await asyncio.wait_for(lock.keep(), 20)
        await conn.close()


async def test_a_server_whose_machine_is_gone_is_soon_missed(db: asyncpg.Connection) -> None:
    """On a socket of the system's own nothing is asked; what would be is the setting."""
    settings = await db.fetch(
        "select name, reset_val from pg_settings where name like 'tcp_keepalives_%' order by name"
    )
    count, idle, interval = (int(row["reset_val"]) for row in settings)
    assert 0 < idle + count * interval <= 60
