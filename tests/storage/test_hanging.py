"""A database that takes what we say and answers nothing: who has waited long enough goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from ingest.restore import DatabasePorts
from ingest.watch import Watcher
from storage.errors import Unavailable
from storage.pool import open_pool
from storage.queries.session import Sessions
from storage.registry_load import load_registry
from tests.fixtures.database_wire import DatabaseWire
from tests.storage.given import NOW, SO2, Message, batch, outcomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    import asyncpg

SOON = 5.0  # seconds on a busy machine


@pytest_asyncio.fixture
async def wire(database_url: str) -> AsyncIterator[DatabaseWire]:
    async with DatabaseWire(database_url) as wire:
        yield wire


@pytest_asyncio.fixture
async def wired(wire: DatabaseWire) -> AsyncIterator[asyncpg.Pool]:
    """A pool of two connections over the wire."""
    pool = await open_pool(wire.url, size=2)
    yield pool
    pool.terminate()


async def _nothing(*_: object) -> None:
    """Change nothing."""


async def test_a_database_that_hangs_is_noticed_and_asked_anew(
    wire: DatabaseWire, wired: asyncpg.Pool, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.watch.ANSWER_WITHIN", 0.3)
    registry = await load_registry(db, NOW, "+05:00")
    none = lambda: None  # noqa: E731 - nothing is asked for here
    watcher = Watcher(wired, registry, "+05:00", lambda: NOW, use=_nothing, retry=none, revise=none)
    watching = asyncio.create_task(watcher.run())
    await asyncio.sleep(0.7)
    assert _said(watcher) == ""
    wire.stop()
    async with asyncio.timeout(SOON):
        while not _said(watcher):  # noqa: ASYNC110 - the watcher has no event for it
            await asyncio.sleep(0.02)
        while _said(watcher):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    watching.cancel()


def _said(watcher: Watcher) -> str:
    return watcher.error


async def _until_blocked(db: asyncpg.Connection) -> None:
    while not await db.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _and_go_on(work: Awaitable[object]) -> None:
    """Do something else after the work, as the server does: nothing may interrupt that."""
    try:
        await work
    finally:
        await asyncio.sleep(0.05)


async def _fails_soon(work: Awaitable[object]) -> None:
    with pytest.raises(Unavailable):
        async with asyncio.timeout(SOON):
            await work


async def test_a_commit_does_not_wait_for_the_end_of_what_hangs(
    wire: DatabaseWire, wired: asyncpg.Pool, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.batches._ANSWER", 0.5)
    ports = DatabasePorts(wired, lambda: NOW)
    received = batch(1, Message([(SO2, NOW, 1.0)]))
    async with db.transaction():
        await db.execute("lock table readings in access exclusive mode")
        committing = asyncio.create_task(_and_go_on(ports.commit(received)))
        await _until_blocked(db)
        wire.stop()
        await _fails_soon(committing)
    wire.go_on()  # the database hears that we have left
    assert outcomes(await ports.commit(received)) == (["stored"], ["stored"])


async def test_an_answer_does_not_wait_for_the_end_of_what_hangs(
    wire: DatabaseWire, wired: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.queries.session._ANSWER", 0.5)
    sessions = Sessions(wired)

    async def ask() -> None:
        async with sessions.reading() as conn:
            wire.stop()
            await conn.fetchval("select 1")

    for _ in range(5):  # more than may be at work at once
        await _fails_soon(asyncio.create_task(ask()))
