"""`ams-server invalidate`: readings found to be wrong afterwards, and the way back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ingest.commands import database
from ingest.settings import ConfigurationError
from storage.invalidations import (
    NotAccepted,
    count_affected,
    count_effects,
    read_progress,
    readings_from,
    request,
    request_restore,
)
from storage.watch import server_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from ingest.settings import Settings
    from storage.invalidations import Progress as Done
    from storage.invalidations import Request

PATIENCE = 60.0  # seconds without any progress after which the command waits no longer


async def invalidate(settings: Settings, asked: Request, *, dry_run: bool) -> None:
    """Ask for an invalidation and wait for a running server to do it; say what it changed.

    ``dry_run``: only say how many readings it would change. Raises ConfigurationError.
    """
    console = Console()
    async with database(settings) as conn:
        try:
            if dry_run:
                for path, count in await count_affected(conn, asked):
                    console.print(f"{path}: {count:,} valid readings would be invalidated")
                return
            ids = await request(conn, asked)
        except NotAccepted as error:
            raise ConfigurationError(str(error)) from error
        kept = await readings_from(conn)
        if kept is not None and kept > asked.start:
            console.print(
                f"readings before {kept:%Y-%m-%dT%H:%M:%SZ} were dropped by retention:"
                " those from then on are invalidated"
            )
        await _follow(conn, console, ids, "invalidated")


async def restore(settings: Settings, number: int, by: str, reason: str) -> None:
    """Take an invalidation back, and wait for it like ``invalidate``."""
    console = Console()
    async with database(settings) as conn:
        try:
            await request_restore(conn, number, by, reason)
        except NotAccepted as error:
            raise ConfigurationError(str(error)) from error
        await _follow(conn, console, [number], "restored")


async def _follow(
    conn: asyncpg.Connection, console: Console, ids: Sequence[int], done: str
) -> None:
    """Say what becomes of requests; ``done`` is the word for it."""
    numbers = ", ".join(map(str, ids))
    if not await server_runs(conn):
        console.print(f"{numbers} noted; no server runs: its next start does it.")
        return
    states = await _wait(conn, console, ids)
    readings = sum(state.readings for state in states)
    if all(state.settled for state in states):
        blocks, alerts = await count_effects(conn, ids)
        console.print(
            f"{numbers}: {readings:,} readings {done}; {blocks:,} block means"
            f" and {alerts:,} alerts of their sources changed."
        )
    else:
        console.print(f"{numbers}: {readings:,} readings {done} so far; the server goes on.")


async def _wait(conn: asyncpg.Connection, console: Console, ids: Sequence[int]) -> list[Done]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    quiet = not console.is_terminal
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet
    ) as bar:
        task = bar.add_task("readings", total=float(len(ids)))
        deadline = time.monotonic() + PATIENCE
        before: list[Done] = []
        while True:
            states = await read_progress(conn, ids)
            if all(state.settled for state in states) or time.monotonic() > deadline:
                return states
            if states != before:
                before, deadline = states, time.monotonic() + PATIENCE
                share = sum(state.share for state in states)
                said = "readings" if share < len(ids) else "judging"
                bar.update(task, completed=share, description=said)
            await asyncio.sleep(0.2)
