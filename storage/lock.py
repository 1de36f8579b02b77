"""The mark of a database's one server: an advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import structlog

from storage.errors import Unavailable
from storage.pool import hold_server_lock, leave

if TYPE_CHECKING:
    import asyncpg

_log = structlog.get_logger(__name__)

_RETRY = 0.5  # seconds


class ServerLock:
    """``async with ServerLock(url)``: nobody else serves this database meanwhile.

    Entering raises AlreadyRunning where another server does, Unavailable without a database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._conn: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        self._conn = await hold_server_lock(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._conn is not None:
            await leave(self._conn)

    async def keep(self) -> None:
        """Take the lock again whenever the connection is lost, until cancelled.

        Raises AlreadyRunning when another server was faster: this one must stop.
        """
        while True:
            if self._conn is None or self._conn.is_closed():
                try:
                    self._conn = await hold_server_lock(self._url)
                    _log.info("the server's lock is held again")
                except Unavailable:
                    self._conn = None
            await asyncio.sleep(_RETRY)
