"""The application on a free port, in front of a database of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest_asyncio
from aiohttp import web

from console.app import Health, build_app
from tests.console.world import World, at, plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

Json = dict[str, Any]


@dataclass
class Server:
    """The running application and what a test may turn: its health, clock and retries."""

    pool: asyncpg.Pool
    http: aiohttp.ClientSession = field(init=False)
    now: datetime = field(default_factory=lambda: at("12:00"))
    health: Health = field(default_factory=Health)
    retried: list[int] = field(default_factory=list)
    retry_leads_to: str | None = "stored"
    changed: list[str] = field(default_factory=list)

    async def retry(self, items: list[int]) -> None:
        self.retried += items
        if self.retry_leads_to is not None:
            await self.pool.execute(
                "update quarantine set state = $2 where id = any($1)", items, self.retry_leads_to
            )

    async def get(self, path: str, status: int = 200, **query: str) -> Json:
        async with self.http.get(_route(path), params=query) as answer:
            assert answer.status == status, await answer.text()
            body: Json = await answer.json(content_type=None)
            kind = "application/json" if status < 400 else "application/problem+json"
            assert answer.content_type == kind
            return body

    async def items(self, path: str, **query: str) -> list[Json]:
        body = await self.get(path, **query)
        assert body["next"] is None
        listed: list[Json] = body["items"]
        return listed

    async def post(self, path: str, status: int = 200, **request: Any) -> Json:
        async with self.http.post(_route(path), **request) as answer:
            assert answer.status == status, await answer.text()
            body: Json = await answer.json(content_type=None)
            return body


def _route(path: str) -> str:
    return path if path.startswith("/") else f"/api/v1/{path}"


@pytest_asyncio.fixture
async def server(pool: asyncpg.Pool) -> AsyncIterator[Server]:
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
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as made.http:
        yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def world(db: asyncpg.Connection) -> World:
    return World(db)


@pytest_asyncio.fixture
async def made(world: World) -> dict[str, int]:
    """The plant's numbers: its channels by key, its unit by id."""
    return await plant(world)
