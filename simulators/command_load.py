"""``ams-simulator load``."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from typing import TYPE_CHECKING

import click

from simulators.fleet import now
from simulators.instants import DAY, SECOND
from simulators.load import Sender, Totals, run_load
from simulators.load_messages import Messages, Shape, load_enterprises, load_permits
from simulators.message import boot_id
from simulators.options import (
    DURATION,
    RATE,
    TIME,
    broker_options,
    need_something_to_do,
    registry_out_option,
)
from simulators.progress import stopped_by_signals
from simulators.registry_out import write_registry

if TYPE_CHECKING:
    from simulators.broker import Broker

HELP = """Send valid messages as fast as told, and count what the broker acknowledges.

Each of --units sends its --channels in messages of --values each, one unit after the other. Times
are the wall clock's, microseconds apart; with --start they are simulated instead: each time that
all units have sent all their channels, one --period further. All units are in enterprises of 1,000.

\b
Examples:
  ams-simulator load --units 1000 --registry-out load.json
  ams-simulator load --units 1000 --broker mqtt://127.0.0.1 --rate 20000 --duration 60s
  ams-simulator load --units 1000 --broker mqtt://127.0.0.1 --rate max --connections 2
"""


@click.command(help=HELP)
@broker_options
@registry_out_option
@click.option(
    "--rate", type=RATE, default="1000", show_default=True, help="Messages a second, or max."
)
@click.option("--duration", type=DURATION, default="30s", show_default=True)
@click.option("--units", type=click.IntRange(1, 9_999_999), default=100, show_default=True)
@click.option("--channels", type=click.IntRange(1), help="Of each unit; default: as --values.")
@click.option(
    "--values", type=click.IntRange(1), default=10, show_default=True, help="In a message."
)
@click.option(
    "--limits",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Channels of each unit that have a limit.",
)
@click.option(
    "--period",
    type=DURATION,
    default="10s",
    show_default=True,
    help="Of the channels in the registry.",
)
@click.option("--start", type=TIME, help="Simulated time from there on, with offset.")
@click.option("--connections", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option(
    "--window",
    type=click.IntRange(1, 60_000),
    default=2000,
    show_default=True,
    help="Unacknowledged messages of a connection.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def load(  # noqa: PLR0913  one argument for each option
    *,
    broker: Broker | None,
    registry_out: str | None,
    rate: float,
    duration: int,
    units: int,
    channels: int | None,
    values: int,
    limits: int,
    period: int,
    start: int | None,
    connections: int,
    window: int,
    as_json: bool,
) -> int:
    """Send a load; returns 1 when messages were left unacknowledged."""
    need_something_to_do(broker, registry_out)
    shape = Shape(units, channels or values, values, limits, period)
    _check(shape, connections)
    if registry_out is not None:
        write_registry(registry_out, lambda: load_enterprises(shape), lambda: load_permits(shape))
    if broker is None:
        return 0
    boot = boot_id("load", shape, now() if start is None else start)
    messages = [
        Messages(shape, boot, now, start=start, first=first, stride=connections)
        for first in range(connections)
    ]
    loop = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415  not there on Windows

        loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        totals, took = runner.run(_run(messages, broker, rate, window, duration / SECOND))
    result = _result(totals, took)
    click.echo(json.dumps(result) if as_json else _words(result))
    return 0 if 0 < totals.acknowledged == totals.sent else 1


def _check(shape: Shape, connections: int) -> None:
    if shape.channels % shape.values:
        raise click.UsageError(
            f"--channels {shape.channels} is not a multiple of --values {shape.values}"
        )
    if shape.limits > shape.channels:
        raise click.UsageError(f"--limits {shape.limits} is more than --channels {shape.channels}")
    if connections > shape.units:
        raise click.UsageError(f"--connections {connections} is more than --units {shape.units}")
    if shape.period % SECOND or DAY % shape.period:
        raise click.UsageError("--period must be whole seconds that divide a day, as 10s or 60s")


async def _run(
    messages: list[Messages], broker: Broker, rate: float, window: int, seconds: float
) -> tuple[Totals, float]:
    totals = Totals()
    share = rate / len(messages)
    senders = [
        Sender(broker, f"ams-load-{place}-{now():x}", part, totals, window=window, rate=share)
        for place, part in enumerate(messages)
    ]
    with stopped_by_signals() as stop:
        return totals, await run_load(senders, totals, seconds, _say, stop)


def _result(totals: Totals, took: float) -> dict[str, object]:
    latency = {f"p{share}": _milliseconds(totals.overall(share)) for share in (50, 90, 99, 100)}
    return {
        "sent": totals.sent,
        "acknowledged": totals.acknowledged,
        "resent": totals.resent,
        "seconds": round(took, 3),
        "acknowledged_per_second": round(totals.acknowledged / took, 1),
        "latency_ms": latency,
    }


def _say(line: str) -> None:
    click.echo(line, err=True)


def _milliseconds(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds * 1000, 2)


def _words(result: dict[str, object]) -> str:
    latency = result["latency_ms"]
    assert isinstance(latency, dict)  # noqa: S101  as _result makes it
    shares = ", ".join(f"{name[1:]} % within {value} ms" for name, value in latency.items())
    if not result["acknowledged"]:
        return f"{result['sent']:,} sent, none acknowledged in {result['seconds']} s"
    return (
        f"{result['sent']:,} sent, {result['acknowledged']:,} acknowledged, {result['resent']:,} "
        f"sent again, in {result['seconds']} s: {result['acknowledged_per_second']:,} "
        f"acknowledged a second; {shares}"
    )
