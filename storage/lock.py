"""The mark of a database's one server: an advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self

import structlog

from storage.errors import AlreadyRunning, Unavailable
from storage.pool import connect, leave, unavailable

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

_log = structlog.get_logger(__name__)

SERVER_LOCK = 0x414D5301  # advisory lock: the one server of a database
_PREDECESSOR = 5.0  # seconds for the backend of a killed server to notice
_EVERY = 0.5  # seconds between two looks at the connection
_ANSWER = 30.0  # seconds without an answer before it counts as dead

_END = """
select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and backend_start = $2
"""
_HOLDER = """
select a.pid, a.client_addr, a.backend_start from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.objid = $1 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
"""
_SESSION = "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()"

_Session = tuple[int, "datetime"]  # its process in the database, and when that began


class ServerLock:
    """``async with ServerLock(url)``: nobody else serves this database meanwhile.

    Entering raises AlreadyRunning where another server does, Unavailable without a database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._conn: asyncpg.Connection | None = None
        self._ours: set[_Session] = set()  # that may hold the lock

    async def __aenter__(self) -> Self:
        await self._take()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._conn is not None:
            await leave(self._conn)

    async def keep(self) -> None:
        """Take the lock again whenever the connection is lost, until cancelled.

        Raises AlreadyRunning when another server was faster: this one must stop.
        """
        while True:
            await asyncio.sleep(_EVERY)
            try:
                if self._conn is None:
                    await self._take()
                    _log.info("the server's lock is held again")
                else:
                    await self._look(self._conn)
            except Unavailable:
                continue

    async def _look(self, conn: asyncpg.Connection) -> None:
        """Ask for a sign of life: of the end of an idle connection one may never hear."""
        try:
            async with unavailable("look after the server's lock"):
                await conn.fetchval("select 1", timeout=_ANSWER)
        except Unavailable:
            self._conn = None
            conn.terminate()
            raise

    async def _take(self) -> None:
        conn = await connect(self._url)
        try:
            async with unavailable("take the server's lock"):
                row: Any = await conn.fetchrow(_SESSION)
                session = {(row["pid"], row["backend_start"])} if row else set()
                lost = set(self._ours)
                self._ours |= session  # before the answer, which may be lost
                await _lock(conn, lost)
        except BaseException:
            await leave(conn)
            raise
        self._conn, self._ours = conn, session


async def _lock(conn: asyncpg.Connection, ours: set[_Session]) -> None:
    """Take the lock; ``ours``: sessions that we have lost and the database may still keep."""
    for session in ours:
        await conn.execute(_END, *session)
    deadline = time.monotonic() + _PREDECESSOR
    while not await conn.fetchval("select pg_try_advisory_lock($1)", SERVER_LOCK):
        if time.monotonic() > deadline:
            holder: Any = await conn.fetchrow(_HOLDER, SERVER_LOCK)
            if holder and (holder["pid"], holder["backend_start"]) in ours:
                raise Unavailable("the database still keeps a session that we have lost")
            raise AlreadyRunning(_in_words(holder))
        await asyncio.sleep(0.1)


def _in_words(holder: Any) -> str:  # noqa: ANN401 - a row of the database, or None
    since = f", connected since {holder['backend_start']:%Y-%m-%d %H:%M:%S}Z" if holder else ""
    place = f" from {holder['client_addr']}" if holder and holder["client_addr"] else ""
    return f"another ams-server works on this database{place}{since}; stop it first"
