"""What a running simulation shows on the terminal, and what it says at its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from simulators.publisher import Counts

REFRESH = 0.25  # seconds
console = Console(stderr=True)  # standard output belongs to what was asked for


@contextlib.asynccontextmanager
async def shown(
    title: str, counts: Counts, total: int | None, position: Callable[[], str] = str
) -> AsyncIterator[None]:
    """Show how far ``counts`` is while the body runs; ``total`` messages, None for no end.

    ``position`` says where the run is, for instance in simulated time.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[position]} {task.completed:,.0f} acknowledged"),
        TextColumn("{task.fields[waiting]:,} waiting"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(title, total=total, position="", waiting=0)

        def show() -> None:
            progress.update(
                bar, completed=counts.acknowledged, waiting=counts.waiting, position=position()
            )

        async def keep_showing() -> None:
            while True:
                show()
                await asyncio.sleep(REFRESH)

        showing = asyncio.create_task(keep_showing(), name="progress")
        try:
            yield
        finally:
            showing.cancel()
            show()


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[asyncio.Event]:
    """Provide an event that SIGINT or SIGTERM sets, instead of ending the process."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def finish(counts: Counts, *, stopped: bool) -> int:
    """Say how a run ended; returns its exit code, 1 when messages were left unacknowledged."""
    said = "stopped: " if stopped else ""
    left = f", {counts.waiting:,} not acknowledged" if counts.waiting else ""
    click.echo(f"{said}{counts.acknowledged:,} messages acknowledged{left}", err=True)
    return 1 if counts.waiting else 0
