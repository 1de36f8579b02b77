"""The server opened part by part, and run until it is told to stop.

Opening: database, its one server's lock, schema, registry, HTTP, judging, broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from console.site import listening
from ingest.app import Server
from ingest.link import wall_clock
from ingest.metrics import Metrics
from ingest.registry_command import apply_registry_file
from storage.disk import database_directories
from storage.embedded import EmbeddedPostgres
from storage.lock import ServerLock
from storage.migrate import migrate
from storage.partitions import make_partitions
from storage.pool import connect, leave, open_pool
from storage.registry_load import load_recipients, load_registry
from storage.watch import database_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import asyncpg

    from ingest.ready_file import Urls
    from ingest.settings import Settings
    from storage.registry import Registry

_log = structlog.get_logger(__name__)

POOL_SIZE = 12


async def serve(settings: Settings, *, ready: Callable[[Urls], None] = lambda _: None) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises ConfigurationError, and whatever a part says when it cannot start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note_stray)
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if settings.ready_file:
        settings.ready_file.unlink(missing_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        server = await _open(settings, stack)
        if settings.ready_file:
            stack.callback(settings.ready_file.unlink, missing_ok=True)
        await server.run(stop, settings.ready_file, ready)


def _note_stray(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task waits for; a library's callback that was cancelled is not worth a word."""
    error = context.get("exception")
    if not isinstance(error, asyncio.CancelledError):
        _log.error("stray failure", what=context.get("message"), exc_info=error)


async def _open(settings: Settings, stack: contextlib.AsyncExitStack) -> Server:
    url, postgres = await _database(settings, stack)
    lock = await stack.enter_async_context(ServerLock(url))
    registry, recipients, directories = await _prepare(settings, url)
    pool = await open_pool(url, size=POOL_SIZE)
    stack.push_async_callback(_close_pool, pool)
    metrics = Metrics(CollectorRegistry(), version=version("ams-server"))
    server = Server(settings, url, pool, metrics, postgres, lock)
    server.http = await stack.enter_async_context(listening(server.http_app(), *settings.http))
    await server.start(registry, recipients, directories, stack)
    return server


async def _database(
    settings: Settings, stack: contextlib.AsyncExitStack
) -> tuple[str, EmbeddedPostgres | None]:
    if settings.database:
        return settings.database, None
    postgres = EmbeddedPostgres(settings.data_dir / "database")
    return await stack.enter_async_context(postgres), postgres


async def _prepare(
    settings: Settings, url: str
) -> tuple[Registry, list[dict[str, Any]], list[Path]]:
    """Bring the schema up to date and apply the registry; return what the server starts with."""
    conn = await connect(url)
    try:
        for step in await migrate(conn):
            _log.info("schema", step=step)
        await make_partitions(conn, wall_clock(), settings.retention)
        if settings.registry:
            changes = await apply_registry_file(
                conn, settings.registry, default_zone=settings.reporting_zone
            )
            _log.info("registry", file=str(settings.registry), changes=str(changes))
        # The database's clock says when what was just applied comes into force.
        now = max(wall_clock(), await database_time(conn))
        registry = await load_registry(conn, now, settings.reporting_zone)
        directories = await database_directories(conn)
        if not settings.database:
            directories.append(settings.data_dir)
        return registry, await load_recipients(conn, now), directories
    finally:
        await leave(conn)


async def _close_pool(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()
