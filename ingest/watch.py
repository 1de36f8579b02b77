"""Takes note of what commands ask by way of the database: a registry, a retry, an invalidation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from storage.errors import Unavailable
from storage.pool import unavailable
from storage.registry_load import load_recipients, load_registry
from storage.watch import Wishes, read_wishes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from storage.registry import Registry

_log = structlog.get_logger(__name__)

EVERY = 0.5  # seconds
ANSWER_WITHIN = 5.0  # seconds


class Watcher:
    """Asks the database again and again; ``use`` gets a changed registry and its recipients.

    ``error`` says why the database does not answer, "" while it does.
    """

    def __init__(  # noqa: PLR0913 - three of them are what it calls
        self,
        pool: asyncpg.Pool,
        registry: Registry,
        default_zone: str,
        clock: Callable[[], int],
        *,
        use: Callable[[Registry, list[dict[str, Any]]], Awaitable[None]],
        retry: Callable[[], None],
        revise: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._registry = registry
        self._default_zone = default_zone
        self._clock = clock
        self._use = use
        self._retry = retry
        self._revise = revise
        self.error = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                wishes = await read_wishes(self._pool, ANSWER_WITHIN)
                self.error = ""
                await self._grant(wishes)
            except Unavailable as error:
                self.error = str(error)

    async def _grant(self, wishes: Wishes) -> None:
        comes_into_force = self._registry.changes_at
        if wishes.registry_version != self._registry.version or (
            comes_into_force is not None and comes_into_force <= self._clock()
        ):
            await self._reload()
        if wishes.retry:
            self._retry()
        if wishes.revision:
            self._revise()

    async def _reload(self) -> None:
        now = self._clock()
        async with unavailable("read the registry"), self._pool.acquire() as conn:
            registry = await load_registry(conn, now, self._default_zone)
            recipients = await load_recipients(conn, now)
        self._registry = registry
        await self._use(registry, recipients)
        _log.info("registry in use", version=registry.version, units=len(registry.units))
