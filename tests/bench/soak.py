"""Half the highest rate for a quarter of an hour: do memory, handles and latency stay flat?

Every 5 s memory, open files, threads and rate are noted. A unit of its own publishes four readings
a second and asks the API for each until it is there: the latency from PUBLISH to a committed,
queryable value. What the last third of the run shows is held against the second; exit code 1 when
something grew beyond the tolerances that are printed.

  python -m tests.bench.soak --plot docs/soak.svg
  python -m tests.bench.soak --minutes 1 --rate 50000
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import aiomqtt

from tests.bench.core import machine_name
from tests.bench.flat import WINDOWS, Course, latency_windows, verdicts
from tests.bench.plot import soak_plot
from tests.bench.probing import add_probes
from tests.bench.processes import broker_processes, database_processes, handles, memory, status
from tests.bench.ramp import Shape, highest_rate
from tests.bench.running import (
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

    from tests.bench.running import Server

EVERY = 5.0  # seconds between samples
PROBES = 4  # a second
POLL = 0.005  # seconds
PATIENCE = 60.0  # seconds for a probe
STEP = 15.0  # seconds of each rate that is tried


@dataclass
class Soak:
    """A server under load, and what was seen of it."""

    running: Server
    broker: int | None
    seconds: float
    course: Course = field(default_factory=Course)
    began: float = field(default_factory=time.perf_counter)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.began

    async def sample(self) -> None:
        """Note what the processes use and how much is stored, until the end."""
        before = await asyncio.to_thread(Scrape, self.running.http)
        while self.now < self.seconds:
            await asyncio.sleep(EVERY)
            scrape = await asyncio.to_thread(Scrape, self.running.http)
            stored = scrape["ams_readings_total"] - before["ams_readings_total"]
            pid = self.running.pid
            self.course.note(
                self.now,
                {
                    "rate": stored / (scrape.at - before.at),
                    "server": memory([pid]),
                    "PostgreSQL": memory(database_processes(pid)),
                    "broker": memory(broker_processes(pid, self.broker)),
                    "handles": handles(pid),
                    "threads": status(pid, "Threads"),
                    "unacknowledged": scrape["ams_unacked_messages"],
                },
            )
            if len(self.course.times) % 6 == 0:
                tell(f"{self.now:4.0f} of {self.seconds:.0f} s")
            before = scrape

    async def probe(self) -> None:
        """Publish and ask, again and again, until the end."""
        address = urlsplit(self.running.mqtt)
        async with (
            aiohttp.ClientSession(self.running.http) as api,
            aiomqtt.Client(address.hostname or "", address.port or 1883) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for seq in range(int(self.seconds * PROBES)):
                await asyncio.sleep(seq / PROBES - self.now)
                tasks.create_task(self._probe(api, client, seq))

    async def _probe(self, api: aiohttp.ClientSession, client: aiomqtt.Client, seq: int) -> None:
        time_of = datetime.now(UTC)
        after = time_of + timedelta(microseconds=1)
        sample = {"time": time_of.isoformat(), "values": {"so2": 50.0}}
        body = json.dumps({"boot": "b", "seq": seq, "samples": [sample]})
        span = {"start": f"{time_of:%FT%T.%fZ}", "end": f"{after:%FT%T.%fZ}"}
        at = self.now
        await client.publish("ams/v1/probes/p0/readings", body, qos=1)
        async with asyncio.timeout(PATIENCE):
            while not await _there(api, span):  # noqa: ASYNC110 - another process knows
                await asyncio.sleep(POLL)
        self.course.probes.append((at, self.now - at))


async def _there(api: aiohttp.ClientSession, span: dict[str, str]) -> bool:
    question = {"channel": "probes/p0/so2", **span}
    async with api.get("/api/v1/readings", params=question, raise_for_status=True) as answer:
        return bool((await answer.json())["items"])


async def soak(running: Server, broker: int | None, seconds: float) -> Course:
    """Watch for some seconds."""
    one = Soak(running, broker, seconds)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.sample())
        tasks.create_task(one.probe())
    return one.course


def measure(options: argparse.Namespace) -> bool:
    """Run, print, plot; return whether everything was flat."""
    shape, seconds = Shape(options.units, options.values), options.minutes * 60
    with folder() as place, contextlib.ExitStack() as stack:
        registry = load_registry_file(place, shape.options)
        add_probes(registry, 1, 1000.0)
        broker = None if options.nats else mosquitto(place / "broker", stack)
        url = broker.url if broker else None
        running = stack.enter_context(server(place, url, registry))
        rate = options.rate or highest_rate(running, shape, STEP) / 2
        tell(f"{rate:,.0f} readings/s for {options.minutes:g} min")
        sender = load(running.mqtt, shape.at(rate, seconds + 3600))
        stack.callback(sender.wait)
        stack.callback(sender.terminate)
        time.sleep(5)  # until the load is in its stride
        course = asyncio.run(soak(running, broker.pid if broker else None, seconds))
    what = f"{rate:,.0f} readings/s for {options.minutes:g} min"
    where = f"{shape}, {'NATS' if options.nats else 'Mosquitto'}; {machine_name()}"
    print(f"soak, {what}, {where}")
    found = verdicts(course, rate)
    for verdict in found:
        print(f"  {verdict}")
    if options.plot:
        windows = latency_windows(course.probes, seconds, WINDOWS)
        svg = soak_plot(what, where, course, windows)
        Path(options.plot).parent.mkdir(parents=True, exist_ok=True)
        Path(options.plot).write_text(svg, encoding="utf-8")
        print(f"  plot in {options.plot}")
    return all(verdict.flat for verdict in found)


def main() -> None:
    """Read the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--rate", type=float, help="readings a second [default: half the highest]")
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--values", type=int, default=10, help="channels of a unit, in a message")
    parser.add_argument("--nats", action="store_true", help="on the embedded broker")
    parser.add_argument("--plot", metavar="FILE.svg", help="picture of the course")
    raise SystemExit(0 if measure(parser.parse_args()) else 1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
