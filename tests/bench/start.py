"""How long the server takes to start, and how much memory it takes, with a large registry.

From the start of the process until its ready file is there: the first start, which applies the
registry; one that finds the registry in the database; and with ``--with-data``, after readings of
every channel were stored, one after a clean stop and one after kill -9 amid a load. Memory is the
greatest that the server's process had by then (PostgreSQL apart, as it is then).

  python -m tests.bench.start                             232,800 sources of ten channels
  python -m tests.bench.start --sources 5000 --with-data
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from tests.bench.core import machine_name
from tests.bench.processes import MIB, database_processes, memory, status
from tests.bench.ramp import Shape
from tests.bench.running import (
    Scrape,
    Server,
    command_line,
    folder,
    load,
    load_registry_file,
    mosquitto,
    settled,
    tell,
)

if TYPE_CHECKING:
    import argparse

NATION = 232_800
VALUES = 10  # channels of a source
ROUNDS = 2  # readings of every channel that are stored before a stop


def started(running: Server, what: str, *options: str | os.PathLike[str]) -> None:
    """Start the server and print a line."""
    tell(f"starting: {what}")
    took = running.start(*map(str, options))
    postgres = memory(database_processes(running.pid))
    print(
        f"  {what:<42} {took:7.1f} s to ready, server's peak"
        f" {status(running.pid, 'VmHWM') / MIB:6,.0f} MiB, PostgreSQL {postgres / MIB:5,.0f} MiB",
        flush=True,
    )


def stored_rounds(running: Server, shape: Shape, *, wait: bool) -> None:
    """Store some readings of every channel; without ``wait`` the load has just been cut off."""
    before = Scrape(running.http)["ams_readings_total"]
    wanted = ROUNDS * shape.units * shape.values
    sender = load(running.mqtt, [*shape.options, "--rate", "max", "--duration", "10h"])
    said = 0.0
    while (stored := Scrape(running.http)["ams_readings_total"] - before) < wanted:
        if time.monotonic() > said + 10:
            said = time.monotonic()
            tell(f"{stored:,.0f} of {wanted:,} readings stored")
        time.sleep(0.1)
    if wait:
        sender.terminate()
        sender.wait()
        settled(running.http, before + wanted)
    else:
        running.kill()
        sender.kill()
        sender.wait()


def measure(options: argparse.Namespace) -> None:
    """Start again and again, and print."""
    shape = Shape(options.sources, VALUES)
    with folder() as place, contextlib.ExitStack() as stack:
        broker = mosquitto(place / "broker", stack).url
        tell("making the registry")
        registry = load_registry_file(place, shape.options)
        running = Server(place, ["--broker", broker])
        stack.callback(running.stop)
        size = registry.stat().st_size / MIB
        print(
            f"start, {options.sources:,} sources x {VALUES} channels, each with a limit"
            f" ({size:,.0f} MiB of JSON); {machine_name()}"
        )
        started(running, "first, the registry is applied", "--registry", registry)
        running.stop()
        started(running, "the registry is in the database")
        if not options.with_data:
            return
        stored_rounds(running, shape, wait=True)
        stopping = running.stop()
        started(running, f"{ROUNDS} readings a channel stored, clean stop")
        print(f"  {'that stop':<42} {stopping:7.1f} s")
        stored_rounds(running, shape, wait=False)
        started(running, "killed amid a load")


def main() -> None:
    """Read the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--sources", type=int, default=NATION, help="of ten channels each")
    parser.add_argument("--with-data", action="store_true", help="starts after readings too")
    measure(parser.parse_args())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
