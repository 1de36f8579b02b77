"""What an hour of verdicts by rule sets costs: ``python -m tests.bench.compliance``.

Channels with a limit of a rule set each and the stored short-term averages of the running year, up
to 20 December, on the embedded PostgreSQL with its own settings. All of it is judged, as after the
registry was applied; then hour after hour is stored and judged, as the server does it. Beside it
the straightforward way, in the same minute: one SQL statement an hour that works out the mean of
the running period, and how many averages of it lie above the limit, of every channel.

The first hour is the one of a day in which what is carried on moves on by a day. Times are of the
processor, Python's and PostgreSQL's. ``--quick`` for fewer channels.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from alerts.core.vocabulary import HOUR
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.metrics import Metrics
from ingest.patience import Patience
from ingest.registry_command import apply_registry_file
from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.partitions import make_partitions
from storage.pool import open_pool
from storage.times import to_micros
from tests.bench.core import machine_name
from tests.bench.processes import cpu_seconds, database_processes
from tests.bench.running import command_line, folder, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    import asyncpg

ZONE = "+05:00"
YEAR = datetime(2025, 12, 31, 19, tzinfo=UTC)  # 2026 in the zone
NOW = datetime(2026, 12, 19, 21, tzinfo=UTC)  # 2 in the morning: the first hour ends a day
VALUES = 10  # channels of a source


@dataclass(frozen=True, slots=True)
class Case:
    """A limit of a rule set on each channel, and the channel that it judges as it is measured."""

    channel: dict[str, Any]
    limit: dict[str, Any]
    short_term: str
    period: str  # of the straightforward statement
    begin: datetime = YEAR  # of what is stored

    @property
    def step(self) -> timedelta:
        return {"1h": timedelta(hours=1), "20min": timedelta(minutes=20)}[self.short_term]


def _concentration(unit: str, **basis: Any) -> dict[str, Any]:
    return {"parameter": "0330", "unit": unit, "period": "60s", "basis": {"dry": True, **basis}}


CASES = {
    "kz-20min": Case(
        {"parameter": "0330", "unit": "mg/m3", "period": "60s"},
        {"value": 150, "unit": "mg/m3", "average": "20min", "rules": "kz-20min"},
        "20min", "month", NOW - timedelta(days=10),  # each average is a verdict
    ),
    "kz-20min-tonnes": Case(
        {"parameter": "0330", "unit": "kg/h", "period": "60s"},
        {"value": 5000, "unit": "t", "average": "1year", "rules": "kz-20min"},
        "20min", "year",
    ),
    "ied-lcp": Case(
        _concentration("mg/m3", o2=6), {"value": 200, "unit": "mg/m3", "rules": "ied-lcp"},
        "1h", "year",
    ),
    "us-part60": Case(
        _concentration("ppm"), {"value": 200, "unit": "ppm", "rules": "us-part60"}, "1h", "month",
    ),
}  # fmt: skip

_SERIES = """
select distinct l.channel, l.window_s from (
    select l.channel, c.basis, (l.window_us / 1000000)::int as window_s
    from limits l join channels c on c.id = l.channel
    where l.condition = 'record' and c.basis not in ('idle', 'serviced')) l
"""
_BLOCKS = f"""
insert into blocks (start, finish, mean, total, known_at, channel, window_s, count, samples,
                    expected, revision)
select t, t + make_interval(secs => s.window_s), m.mean, m.mean * n.slots, $2, s.channel,
       s.window_s, n.slots, n.slots, n.slots, 0
from ({_SERIES}) s
cross join lateral generate_series($1::timestamptz, $2::timestamptz - interval '1 second',
                                   make_interval(secs => s.window_s)) t
cross join lateral (select 100 + (s.channel * 7919 + extract(epoch from t)::bigint / 1200) % 80
                           as mean) m
cross join lateral (select s.window_s / 60 as slots) n
"""  # noqa: S608 - a constant
_DUE = f"""
insert into compliance_due (channel, first, last)
select s.channel, $1::timestamptz, $2::timestamptz - make_interval(secs => max(s.window_s))
from ({_SERIES}) s group by s.channel
"""  # noqa: S608 - a constant
_STRAIGHTFORWARD = """
select b.channel, avg(b.mean), count(*) filter (where b.mean > v.value)
from blocks b join limits l on l.channel = b.channel and l.condition <> 'record'
join limit_versions v on v."limit" = l.id
where b.window_s = $1 and b.start >= $2 and b.start < $3
group by l.id, b.channel
"""


def registry(case: Case, channels: int) -> dict[str, Any]:
    """A registry of so many channels with a limit each, a thousand sources an enterprise."""
    sources = channels // VALUES
    names = [f"c{number}" for number in range(VALUES)]
    return {
        "enterprises": [
            {
                "id": f"e{first}",
                "reporting_zone": ZONE,
                "sources": [
                    {"id": f"s{place}", "channels": [{"id": n, **case.channel} for n in names]}
                    for place in range(first, min(first + 1000, sources))
                ],
            }
            for first in range(0, sources, 1000)
        ],
        "permits": [
            {
                "number": f"P{place}",
                "enterprise": f"e{place // 1000 * 1000}",
                "valid": {"from": "2020-01-01", "until": "2030-12-31"},
                "limits": [{"source": f"s{place}", "channel": n, **case.limit} for n in names],
            }
            for place in range(sources)
        ],
    }


@dataclass
class Clock:
    """Processor time of Python and of PostgreSQL, and time, since this was made."""

    def __post_init__(self) -> None:
        self.began, self.python, self.database = self._now()

    def _now(self) -> tuple[float, float, float]:
        backends = sum(sum(cpu_seconds(pid)) for pid in database_processes(os.getpid()))
        return time.perf_counter(), time.process_time(), backends

    def line(self, what: str, channels: int) -> str:
        """Return what was used since then."""
        now, python, database = self._now()
        used = python - self.python + database - self.database
        return (
            f"  {what:<46} {now - self.began:7.2f} s, {used / channels * 1000:8.3f} ms a channel"
            f" (Python {python - self.python:6.2f} s, PostgreSQL {database - self.database:6.2f} s)"
            f"  {600 * channels / max(used, 1e-9):12,.0f} channels a core in 10 minutes"
        )


class World:
    """A database with the channels and their year, and the follower of the server."""

    def __init__(self, pool: asyncpg.Pool, case: Case, channels: int) -> None:
        self.pool, self.case, self.channels = pool, case, channels
        self.now = NOW
        metrics = Metrics(CollectorRegistry(), version="bench")
        store = JudgingStore(pool, Patience(metrics), "urn:bench", [])
        self.follower = Follower(
            store, metrics, ZONE, lambda: to_micros(self.now) + SETTLED + HOUR // 60
        )

    async def fill(self, place: Path) -> None:
        """Apply the registry and lay the year by."""
        path = place / "registry.json"
        path.write_text(json.dumps(registry(self.case, self.channels)))
        async with self.pool.acquire() as conn:
            clock = Clock()
            await apply_registry_file(
                conn, path, default_zone=ZONE, effective=datetime(2020, 1, 1, tzinfo=UTC)
            )
            print(clock.line("registry applied", self.channels), flush=True)
            await make_partitions(conn, to_micros(NOW))
            tell("laying the year by")
            for first, last in self._months():
                await conn.execute(_BLOCKS, first, last, timeout=3600)
            await conn.execute("analyze blocks", timeout=3600)

    def _months(self) -> Iterator[tuple[datetime, datetime]]:
        first = self.case.begin
        while first < NOW:
            last = min(first + timedelta(days=30), NOW)
            yield first, last
            first = last

    async def hour(self) -> None:
        """Store the next hour's blocks and judge by them."""
        later = self.now + timedelta(hours=1)
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(_BLOCKS, self.now, later)
            await conn.execute(_DUE, self.now, later)
        self.now = later
        clock = Clock()
        await self.follower.work()
        print(clock.line(f"the hour until {later:%m-%d %H} UTC", self.channels), flush=True)

    async def late(self, share: int) -> None:
        """Judge after one channel in ``share`` changed in an old day."""
        day = self.now - timedelta(days=200)
        async with self.pool.acquire() as conn:
            await conn.execute(
                f"insert into compliance_due (channel, first, last) select channel, $1, $1"  # noqa: S608
                f" from ({_SERIES}) s where channel % {share} = 0 group by channel", day,
            )  # fmt: skip
            changed = await conn.fetchval("select count(*) from compliance_due")
        clock = Clock()
        await self.follower.work()
        print(clock.line(f"{changed} channels changed in an old day", changed), flush=True)

    async def straightforward(self) -> None:
        """Print what the one statement takes."""
        since = {"year": YEAR, "month": self.now - timedelta(days=30)}[self.case.period]
        window = int(self.case.step.total_seconds())
        async with self.pool.acquire() as conn:
            clock = Clock()
            await conn.fetch(_STRAIGHTFORWARD, window, since, self.now, timeout=600)
        print(clock.line("the same hour, one SQL statement", self.channels), flush=True)


async def measure(name: str, channels: int, hours: int) -> None:
    """Measure one rule set on a database of its own."""
    print(f"{name}, {channels:,} channels; {machine_name()}")
    with folder() as place:
        async with EmbeddedPostgres(place / "database") as url:
            pool = await open_pool(url, size=4)
            async with pool.acquire() as conn:
                await migrate(conn)
            world = World(pool, CASES[name], channels)
            await world.fill(place)
            clock = Clock()
            await world.follower.work()
            print(clock.line("all of the year, judged from nothing", channels), flush=True)
            for _ in range(hours):
                await world.hour()
            await world.straightforward()
            await world.late(20)
            await pool.close()


def main() -> None:
    """Read the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--rules", choices=CASES, action="append", help="default: all of them")
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="200 channels")
    options: argparse.Namespace = parser.parse_args()
    for name in options.rules or CASES:
        asyncio.run(measure(name, 200 if options.quick else options.channels, options.hours))


if __name__ == "__main__":
    main()
