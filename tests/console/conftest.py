"""The application on a free port, in front of a database of the test's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest_asyncio
from aiohttp import web

from console.app import Health, build_app
from tests.console.world import World, at, plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg

Json = dict[str, Any]


@dataclass
class Server:
    """The running application and what a test may turn: its health, clock and retries."""

    pool: asyncpg.Pool | None
    http: aiohttp.ClientSession = field(init=False)
    now: datetime = field(default_factory=lambda: at("12:00"))
    health: Health = field(default_factory=Health)
    retried: list[int] = field(default_factory=list)
    retry_leads_to: str | None = "stored"
    changed: list[str] = field(default_factory=list)

    async def retry(self, items: list[int]) -> None:
        self.retried += items
        if self.pool is not None and self.retry_leads_to is not None:
            await self.pool.execute(
                "update quarantine set state = $2 where id = any($1)", items, self.retry_leads_to
            )

    async def get(self, path: str, **query: str) -> Json:
        """Return what a route answers."""
        return await self._asked(path, 200, "application/json", query)

    async def refused(self, path: str, status: int, **query: str) -> Json:
        """Return the problem that a route answers with this status."""
        problem = await self._asked(path, status, "application/problem+json", query)
        assert problem["status"] == status
        return problem

    async def items(self, path: str, **query: str) -> list[Json]:
        """Return a list that fits in one page."""
        body = await self.get(path, **query)
        assert body["next"] is None
        listed: list[Json] = body["items"]
        return listed

    async def joined(self, path: str, limit: int, **query: str) -> list[Json]:
        """Return a list as its pages of at most ``limit`` items hold it."""
        page = await self.get(path, limit=str(limit), **query)
        joined: list[Json] = page["items"]
        while page["next"] is not None:
            page = await self.get(path, limit=str(limit), cursor=page["next"], **query)
            assert 0 < len(page["items"]) <= limit
            joined += page["items"]
        return joined

    async def _asked(self, path: str, status: int, kind: str, query: dict[str, str]) -> Json:
        async with self.http.get(_route(path), params=query) as answer:
            assert answer.status == status, await answer.text()
            assert answer.content_type == kind
            body: Json = await answer.json(content_type=None)
            return body

    async def post(self, path: str, status: int = 200, **request: Any) -> Json:
        async with self.http.post(_route(path), **request) as answer:
            assert answer.status == status, await answer.text()
            body: Json = await answer.json(content_type=None)
            return body


def _route(path: str) -> str:
    return path if path.startswith("/") else f"/api/v1/{path}"


@asynccontextmanager
async def serving(pool: asyncpg.Pool | None) -> AsyncIterator[Server]:
    """Run the application on a free port."""
    made = Server(pool)
    app = build_app(
        pool,
        health=lambda: made.health,
        render_metrics=lambda: (b"ams_channels 3\n", "text/plain; version=1.0.0; charset=utf-8"),
        retry=made.retry,
        alert_changed=made.changed.append,
        clock=lambda: made.now,
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as made.http:
            yield made
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def bare() -> AsyncIterator[Server]:
    """The application without a database, for what is decided before one is asked."""
    async with serving(None) as running:
        yield running


@pytest_asyncio.fixture
async def server(pool: asyncpg.Pool) -> AsyncIterator[Server]:
    async with serving(pool) as running:
        yield running


@pytest_asyncio.fixture
async def world(db: asyncpg.Connection) -> World:
    return World(db)


@pytest_asyncio.fixture
async def made(world: World) -> dict[str, int]:
    """The plant's numbers: its channels by key, its unit by id."""
    return await plant(world)


@pytest_asyncio.fixture
async def watched(world: World, made: dict[str, int]) -> dict[str, int]:
    """The plant, whose so2 must not jump by over 500 in a minute and is stuck after 2 h."""
    await world.channel_version(made["so2"], max_step=500)
    return made
