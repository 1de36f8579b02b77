"""Where the processor time of the whole path goes, while a load runs at the highest rate.

First by process: load generator, broker, each kind of PostgreSQL's processes, server. Then inside
the server by what it works on, from a second run with a sampler in it (which slows it a little).
Shares are of all the processor time that these processes used together.

  python -m tests.bench.profile --seconds 20
  python -m tests.bench.profile --values 100 --units 200
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.core import machine_name
from tests.bench.processes import Usage, path_processes
from tests.bench.ramp import Shape
from tests.bench.running import (
    PROGRAMS,
    Scrape,
    command_line,
    folder,
    load,
    load_registry_file,
    mosquitto,
    server,
    tell,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

WARM_UP = 3.0  # seconds of load that do not count

# What a file of the server is for: the first pattern that fits.
PARTS = (
    ("MQTT link", r"ingest/(link|inbox|connection|codec\w+|packets|broker_url|backoff)\.py"),
    ("decoding into columns", r"ingest/(draft|fast|careful|instants|strict_json|topics|wire)\.py"),
    ("checks, flags, sequences", r"ingest/(checks|newest|sequences|prepare|held|columns)\.py"),
    ("checks, flags, sequences", r"alerts/core/flags\.py"),
    ("judging", r"alerts/|ingest/judg\w+\.py"),
    ("COPY and the batch's row", r"storage/"),
    ("receipts, metrics, API, the rest", r"ingest/|console/|aiohttp|aiomqtt|prometheus|structlog"),
    ("asyncpg, its Python part", r"asyncpg"),
    ("event loop, sockets, asyncpg's C", r"event loop"),
)


def database_part(title: str) -> str:
    """Return what a process of PostgreSQL is for, by its command line."""
    for word in ("walwriter", "checkpointer", "background writer", "autovacuum", "io worker"):
        if word in title:
            return f"PostgreSQL: {word}"
    return "PostgreSQL: connections (COPY, queries)"


def server_part(place: str) -> str:
    """Return what a file of the server is for."""
    return next(name for name, pattern in PARTS if re.match(pattern, place))


@contextlib.contextmanager
def counting(server: int) -> Iterator[None]:
    """Let the sampler in the server count meanwhile."""
    os.kill(server, signal.SIGUSR1)
    yield
    os.kill(server, signal.SIGUSR1)


def run(place: Path, shape: Shape, seconds: float, *, sampled: bool) -> tuple[Usage, float, Path]:
    """Run a load; return what each process used, readings a second, and the sampler's file."""
    result = place / "profile.json"
    program = [sys.executable, "-m", "tests.bench.sampler", result]
    with contextlib.ExitStack() as stack:
        registry = load_registry_file(place, shape.options)
        broker = mosquitto(place / "broker", stack)
        more = {"program": program if sampled else [PROGRAMS / "ams-server"]}
        running = stack.enter_context(server(place, broker.url, registry, **more))
        sender = load(running.mqtt, [*shape.options, "--rate", "max", "--duration", "1h"])
        stack.callback(sender.wait)
        stack.callback(sender.kill)
        time.sleep(WARM_UP)
        groups = path_processes(running.pid, broker.pid, sender.pid)
        before, usage = Scrape(running.http), Usage(groups)
        with counting(running.pid) if sampled else contextlib.nullcontext():
            time.sleep(seconds)
        usage.look()
        after = Scrape(running.http)
    stored = after["ams_readings_total"] - before["ams_readings_total"]
    return usage, stored / (after.at - before.at), result


def by_process(usage: Usage) -> dict[str, tuple[float, float]]:
    """Return the seconds of each part of the path, (its own, the kernel's), greatest first."""
    found: dict[str, tuple[float, float]] = {}
    for name in usage.groups:
        for pid, new in usage.processes(name).items():
            part = database_part(usage.titles.get(pid, "")) if name == "PostgreSQL" else name
            old = found.get(part, (0.0, 0.0))
            found[part] = (old[0] + new[0], old[1] + new[1])
    return dict(sorted(found.items(), key=lambda item: -sum(item[1])))


def by_part(result: Path) -> dict[str, float]:
    """Return the share of each part of the server in what the sampler saw, greatest first."""
    spent: dict[str, float] = {}
    for place, seconds in json.loads(result.read_text("utf-8")).items():
        part = server_part(place)
        spent[part] = spent.get(part, 0.0) + seconds
    whole = sum(spent.values())
    return {part: spent[part] / whole for part in sorted(spent, key=lambda part: -spent[part])}


def table(usage: Usage, parts: dict[str, float]) -> None:
    """Print a table for the README."""
    processes = by_process(usage)
    whole = sum(map(sum, processes.values()))
    print("| where | share of all processor time | of it in the kernel |")
    print("|---|---|---|")
    for name, (own, kernel) in processes.items():
        if (own + kernel) / whole >= 0.001:
            share = kernel / (own + kernel)
            print(f"| {name} | {(own + kernel) / whole:.1%} | {share:.0%} |")
        if name == "server":
            for part, inner in parts.items():
                print(f"| – {part} | {inner * (own + kernel) / whole:.1%} | |")


def measure(options: argparse.Namespace) -> None:
    """Run twice and print."""
    shape = Shape(options.units, options.values)
    with folder() as place:
        (place / "plain").mkdir()
        (place / "sampled").mkdir()
        tell(f"{options.seconds:g} s, by process")
        usage, rate, _ = run(place / "plain", shape, options.seconds, sampled=False)
        tell(f"{options.seconds:g} s, inside the server")
        _, slower, result = run(place / "sampled", shape, options.seconds, sampled=True)
        cores = sum(usage.share(name) for name in usage.groups)
        print(
            f"profile, {rate:,.0f} readings/s ({slower:,.0f} with the sampler), {shape},"
            f" {cores:.2f} cores busy; {machine_name()}\n"
        )
        table(usage, by_part(result))


def main() -> None:
    """Read the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--values", type=int, default=10, help="channels of a unit, in a message")
    measure(parser.parse_args())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
