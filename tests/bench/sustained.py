"""The highest rate that keeps up, held for minutes, with everything the server does meanwhile.

The rate is found with short runs, or given. While it is held the database's housekeeping goes on:
partitions are made, each minute a day of old readings falls to the retention (with TimescaleDB
another is turned into columnstore), the ledger is rolled up, block means are written when :00, :20
or :40 is passed. Every channel has a limit that is judged. Reported are readings that were
committed, acknowledged after that and judged, and what they cost.

  python -m tests.bench.sustained                         ten minutes, embedded PostgreSQL
  python -m tests.bench.sustained --rate 150000 --minutes 2
  python -m tests.bench.sustained --national              2,328,000 channels in registry and data
  python -m tests.bench.sustained --database postgresql://ams@/bench   an empty TimescaleDB
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from storage.pool import connect
from tests.bench.core import machine_name
from tests.bench.old_days import OldDays, database_bytes
from tests.bench.processes import MIB, Usage, memory, path_processes, status
from tests.bench.ramp import Shape, highest_rate
from tests.bench.running import (
    Scrape,
    command_line,
    folder,
    load,
    load_registry_file,
    mosquitto,
    server,
    settled,
    tell,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.bench.running import Server

NATION = 232_800  # sources, of ten channels each
STEP = 15.0  # seconds of each rate that is tried
GROUPS = ("server", "PostgreSQL", "broker", "load generator")


@dataclass(frozen=True, slots=True)
class Load:
    """``rate`` readings a second for some seconds."""

    shape: Shape
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the database's files and of log written so far, block means, old days gone."""

    bytes: int
    log: int
    blocks: int
    gone: int

    @classmethod
    async def now(cls, url: str, old: OldDays) -> Disk:
        """Ask the database."""
        conn = await connect(url)
        log = await conn.fetchval("select pg_current_wal_lsn() - '0/0'::pg_lsn")
        blocks = await conn.fetchval("select count(*) from blocks")
        found = cls(await database_bytes(conn), int(log), int(blocks), await old.gone(conn))
        await conn.close()
        return found


@dataclass
class Held:
    """What was seen while a rate was held."""

    usage: Usage
    disk: Disk
    base: float  # readings committed before
    first: Scrape  # when the first of them were
    scrapes: list[Scrape] = field(default_factory=list)
    sent: int = 0  # readings that the broker acknowledged to the generator

    def finish(self, out: str, values: int, http: str) -> None:
        """Note how far it was when the generator ended, and wait until all is judged."""
        self.usage.look()
        self.sent = json.loads(out)["acknowledged"] * values
        self.scrapes.append(Scrape(http))
        self.done = settled(http, self.base + self.sent)

    @property
    def behind(self) -> float:
        """Readings not committed when the generator ended."""
        return self.base + self.sent - self.scrapes[-1]["ams_readings_total"]

    def by_minute(self) -> list[float]:
        """Return the readings committed a second, in each minute (or in all, when shorter)."""
        marks = [self.first]
        for scrape in self.scrapes:
            if scrape.at >= marks[-1].at + 60:
                marks.append(scrape)
        marks = marks if len(marks) > 1 else [self.first, self.scrapes[-1]]
        name = "ams_readings_total"
        return [(b[name] - a[name]) / (b.at - a.at) for a, b in itertools.pairwise(marks)]

    def most(self, name: str) -> float:
        """Return the most that a gauge was seen at."""
        return max(scrape[name] for scrape in self.scrapes)


def hold(running: Server, broker: int | None, load_of: Load, old: OldDays) -> Held:
    """Hold a rate while the housekeeping goes on."""
    disk, seconds = asyncio.run(Disk.now(running.database, old)), load_of.seconds
    base = Scrape(running.http)["ams_readings_total"]
    sender = load(running.mqtt, load_of.shape.at(load_of.rate, seconds))
    groups = path_processes(running.pid, broker, sender.pid)
    while (first := Scrape(running.http))["ams_readings_total"] == base and sender.poll() is None:
        time.sleep(0.01)
    held = Held(Usage(groups), disk, base, first)
    with ThreadPoolExecutor(1) as beside:
        works: list[Future[None]] = []
        for turn in _every_second(sender):
            held.usage.look()
            held.scrapes.append(Scrape(running.http))
            if turn >= (len(works) + 0.5) * seconds / old.number:
                works.append(beside.submit(asyncio.run, old.keep_house(running.database)))
            if int(turn) % 10 == 0:
                stored = held.scrapes[-1]["ams_readings_total"] - held.first["ams_readings_total"]
                tell(f"{turn:4.0f} of {seconds:.0f} s, {stored:,.0f} readings committed")
        held.finish(sender.communicate()[0], load_of.shape.values, running.http)
        for work in works:
            work.result()
    return held


def _every_second(sender: subprocess.Popen[str]) -> Iterator[float]:
    """Yield the seconds since the first call, about once in each until the process has ended."""
    began = time.perf_counter()
    while sender.poll() is None:
        now = time.perf_counter() - began
        yield now
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(1 - (time.perf_counter() - began) % 1)


def report(held: Held, old: OldDays, after: Disk, server: int) -> Iterator[str]:
    """Yield the lines of the result; shares are of one core, memory is without double counting."""
    first, done = held.first, held.done
    minutes = held.by_minute()
    readings = done["ams_readings_total"] - first["ams_readings_total"]
    rate = readings / (done.at - first.at)
    yield (
        f"committed and judged  {rate:,.0f} readings/s; by minute {min(minutes):,.0f} to"
        f" {max(minutes):,.0f}, mean {np.mean(minutes):,.0f}"
    )
    commit = [done.quantile("ams_commit_seconds", share, first) * 1000 for share in (0.5, 0.99)]
    yield f"commit                p50 {commit[0]:.0f} ms, p99 {commit[1]:.0f} ms"
    lag = [done.within("ams_event_lag_seconds", bound, first) for bound in (1, 5)]
    yield f"receipt after PUBLISH {lag[0]:.2%} within 1 s, {lag[1]:.2%} within 5 s"
    yield (
        f"waiting at most       oldest unacknowledged"
        f" {held.most('ams_oldest_unacked_seconds'):.1f} s, unjudged"
        f" {held.most('ams_unjudged_batches'):.0f} batches"
    )
    drained = done.at - held.scrapes[-1].at
    yield f"behind at the end     {held.behind:,.0f} readings, judged {drained:.1f} s later"
    shares = ", ".join(f"{name} {held.usage.share(name):.0%}" for name in GROUPS)
    yield f"of one core           {shares}"
    groups = held.usage.groups
    sizes = ", ".join(f"{name} {memory(groups[name]()) / MIB:,.0f} MiB" for name in GROUPS[:3])
    yield f"memory                {sizes}; server's peak {status(server, 'VmHWM') / MIB:,.0f} MiB"
    disk = after.bytes - held.disk.bytes + old.bytes
    yield (
        f"disk                  {disk / readings:.0f} bytes a reading, and"
        f" {(after.log - held.disk.log) / readings:.0f} of log"
    )
    yield (
        f"meanwhile             {after.gone} days of {old.readings:,} old readings dropped,"
        f" {old.converted} turned into columnstore (longest {old.longest:.1f} s);"
        f" {after.blocks - held.disk.blocks:,} block means written"
    )


def measure(options: argparse.Namespace) -> None:
    """Run everything and print."""
    shape = Shape(NATION if options.national else options.units, options.values)
    seconds = options.minutes * 60
    old = OldDays(max(1, round(options.minutes)), options.old_readings)
    with folder() as place, contextlib.ExitStack() as stack:
        tell(f"{old.number} old days of {old.readings:,} readings")
        asyncio.run(old.lay_by(place / "data", options.database))
        tell(f"registry of {shape}")
        registry = load_registry_file(place, shape.options)
        broker = None if options.nats else mosquitto(place / "broker", stack)
        database = ["--database", options.database] if options.database else []
        url = broker.url if broker else None
        running = stack.enter_context(server(place, url, registry, options=database))
        rate = options.rate or highest_rate(running, shape, STEP)
        held = hold(running, broker.pid if broker else None, Load(shape, rate, seconds), old)
        after = asyncio.run(Disk.now(running.database, old))
        print(
            f"sustained, {rate:,.0f} readings/s for {options.minutes:g} min, {shape},"
            f" {'NATS' if options.nats else 'Mosquitto'}; {machine_name()}"
        )
        for line in report(held, old, after, running.pid):
            print(f"  {line}")


def main() -> None:
    """Read the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, help="readings a second [default: found]")
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--values", type=int, default=10, help="channels of a unit, in a message")
    parser.add_argument("--national", action="store_true", help=f"{NATION:,} units")
    parser.add_argument("--nats", action="store_true", help="on the embedded broker")
    parser.add_argument("--database", metavar="URL", help="an empty one on this machine")
    parser.add_argument("--old-readings", type=int, default=1_000_000, help="of each old day")
    measure(parser.parse_args())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
