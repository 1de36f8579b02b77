"""What the commands beside `serve` do; they work with a server running or stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ingest.registry_command import apply_registry_file
from ingest.replay import replay
from ingest.what_if_command import print_what_if
from storage.embedded import EmbeddedPostgres, attach
from storage.migrate import migrate
from storage.pool import connect
from storage.quarantine import list_items
from storage.retries import mark_for_retry
from storage.watch import quarantine_states, server_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    import asyncpg

    from ingest.settings import Settings

SETTLED = 5.0  # seconds after which a running server has written what it had judged
PATIENCE = 30.0  # seconds that a running server may take for a retry


@contextlib.asynccontextmanager
async def database(settings: Settings, *, schema: bool = True) -> AsyncIterator[asyncpg.Connection]:
    """Connect to the settings' database; start the embedded one where no server runs it.

    ``schema``: bring it up to date first, as a server would.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = settings.database or attach(settings.data_dir / "database")
        if url is None:
            url = await stack.enter_async_context(EmbeddedPostgres(settings.data_dir / "database"))
        conn = await connect(url)
        stack.push_async_callback(conn.close)
        if schema:
            await migrate(conn)
        yield conn


async def migrate_database(settings: Settings) -> list[str]:
    """Bring the schema up to date; return lines that say what was applied."""
    async with database(settings, schema=False) as conn:
        said = await migrate(conn)
    return said or ["the schema is up to date"]


async def apply_registry(settings: Settings, file: Path, effective: datetime | None) -> str:
    """Apply a registry; return a sentence on what it changed."""
    async with database(settings) as conn:
        changes = await apply_registry_file(
            conn, file, default_zone=settings.reporting_zone, effective=effective
        )
    return str(changes)


async def list_quarantine(settings: Settings, *, as_json: bool) -> None:
    """Print what was set aside."""
    async with database(settings) as conn:
        items = [dict(item) for item in await list_items(conn)]
    if as_json:
        for item in items:
            print(json.dumps(item, default=str, ensure_ascii=False))  # noqa: T201 - the command's answer
        return
    table = Table("id", "state", "count", "unit", "key", "reason", "detail", "last received")
    for item in items:
        unit = f"{item['enterprise'] or '?'}/{item['unit'] or '?'}"
        last = f"{item['last_at']:%Y-%m-%d %H:%M:%S}Z"
        cells = (item["id"], item["state"], item["count"], unit, item["key"] or "(whole message)")
        table.add_row(*map(str, cells), item["reason"], item["detail"], last)
    console = Console()
    console.print(table if items else "The quarantine is empty.")


async def retry_quarantine(settings: Settings, ids: list[int] | None) -> None:
    """Mark items for a retry and, where a server runs, wait until it has tried."""
    console = Console()
    async with database(settings) as conn:
        marked = await mark_for_retry(conn, ids)
        missing = sorted(set(ids or ()) - set(marked))
        if missing:
            console.print(f"not waiting in quarantine: {', '.join(map(str, missing))}")
        if not marked:
            console.print("Nothing to retry.")
            return
        if not await server_runs(conn):
            console.print(f"{len(marked)} marked; no server runs: its next start retries them.")
            return
        with console.status(f"waiting for the server to retry {len(marked)} …"):
            states = await _wait(conn, marked)
    stored = sum(state == "stored" for state in states.values())
    console.print(f"{stored} of {len(marked)} stored, the rest still in quarantine.")
    for number, state in states.items():
        console.print(f"  {number}: {state}")


async def _wait(conn: asyncpg.Connection, ids: list[int]) -> dict[int, str]:
    deadline = time.monotonic() + PATIENCE
    while True:
        states = await quarantine_states(conn, ids)
        if "retrying" not in states.values() or time.monotonic() > deadline:
            return states
        await asyncio.sleep(0.1)


async def replay_history(settings: Settings, start: datetime, end: datetime) -> int:
    """Recompute history and print each difference; return how many there are."""
    console = Console()
    async with database(settings) as conn:

        async def look() -> list[str]:
            async with conn.transaction(isolation="repeatable_read"):
                return await replay(conn, start, end, settings.reporting_zone, console)

        differences = await look()
        if differences and await server_runs(conn):
            # What it is judging just now is not all written yet: a difference is one that stays.
            await asyncio.sleep(SETTLED)
            stays = set(await look())
            differences = [line for line in differences if line in stays]
    for line in differences:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(
        f"{len(differences)} differences" if differences else "no difference from what is stored"
    )
    return len(differences)


async def what_if_history(
    settings: Settings,
    file: Path,
    span: tuple[datetime, datetime],
    registry: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print what history would be under another registry or rule set."""
    async with database(settings) as conn:
        await print_what_if(
            conn,
            file,
            span,
            default_zone=settings.reporting_zone,
            registry=registry,
            as_lines_of_json=as_json,
        )
