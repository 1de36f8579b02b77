"""The connection is lost while we wait for leave to send more: that is no wait for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import uvloop

from storage.copy import send_many
from storage.errors import Unavailable
from storage.notices import NewNotice, insert_notices
from storage.pool import connect, open_pool, unavailable
from tests.storage.given import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    import asyncpg

SOON = 10.0  # seconds on a busy machine
MANY = 3000
LARGE = b"{" + b" " * 2000 + b"}"  # so many of them are more than a socket takes


async def _notices(conn: asyncpg.Connection) -> None:
    await insert_notices(
        conn, [NewNotice(uuid4(), uuid4(), "committee", "opened", LARGE, NOW)] * MANY
    )


async def _statements(conn: asyncpg.Connection) -> None:
    await send_many(conn, "update notices set body = $1 where body = $1", [(LARGE,)] * MANY)


async def _lost_amid(database_url: str, send: Callable[[asyncpg.Connection], Any]) -> None:
    pool, observer = await open_pool(database_url, size=1), await connect(database_url)

    async def work() -> None:
        async with unavailable("send"), pool.acquire() as conn, conn.transaction():
            await conn.execute("update notices set body = $1 where body = $1", LARGE)  # prepared
            await conn.execute("rollback; begin")
            pids.append(await conn.fetchval("select pg_backend_pid()"))
            await locked.wait()
            await send(conn)

    pids: list[int] = []
    locked = asyncio.Event()
    working = asyncio.create_task(work())
    while not pids:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    async with observer.transaction():
        await observer.execute("lock table notices in access exclusive mode")
        locked.set()
        waits = "select exists (select from pg_locks where pid = $1 and not granted)"
        while not await observer.fetchval(waits, pids[0]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # the socket fills
        await observer.execute("select pg_terminate_backend($1)", pids[0])
        await asyncio.wait([working], timeout=SOON)
        assert working.done(), "it waits for leave to send"
    with pytest.raises(Unavailable):
        await working
    await observer.close()
    pool.terminate()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("send", [_notices, _statements])
def test_a_connection_lost_amid_much_that_is_sent_is_unavailable(
    database_url: str,
    run: Callable[[Coroutine[Any, Any, None]], None],
    send: Callable[[asyncpg.Connection], Any],
) -> None:
    run(_lost_amid(database_url, send))
