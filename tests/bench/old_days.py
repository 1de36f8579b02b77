"""Old days of readings, for the database's housekeeping to work on while a load runs.

Retention counts from receipt too, so nothing that a bench sends can be old enough to go. These
days are laid by before the server starts, as a server that ran for weeks would have left them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.partitions import make_partitions
from storage.pool import connect
from storage.retention import apply_retention, compress

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

DAY = 86_400_000_000  # microseconds
NEWEST = 6  # days ago; TimescaleDB's chunks and retention's reserve need some
BATCH = 20_000  # readings
_BATCHES = """
insert into batches (id, received_at, oldest, units, messages_stored, messages_duplicate,
    messages_quarantined, readings_stored, readings_duplicate, readings_revised,
    readings_quarantined, boots, seq_first, seq_last, channels, newest)
select -$1::bigint * 100000 - n, $2::timestamptz, $2::timestamptz,
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
from generate_series(0, $3::int - 1) n
"""
_READINGS = """
insert into readings (time, value, batch, channel, status, flags)
select $2::timestamptz + n * interval '10 seconds', 100 + (c * 7919 + n) % 800,
    -$1::bigint * 100000 - n, c, 0, 0
from generate_series(0, $3::int - 1) n, generate_series(1, $4::int) c
"""


@dataclass
class OldDays:
    """``number`` days of ``readings`` each, one of which is dropped at each ``keep_house``.

    ``bytes`` is what they took of the disk; ``converted`` counts partitions, ``longest`` is the
    longest housekeeping in seconds.
    """

    number: int
    readings: int
    bytes: int = 0
    converted: int = 0
    longest: float = 0.0
    _steps: int = 0

    async def lay_by(self, directory: Path, database: str | None) -> None:
        """Make the schema and the days, in an external database or the embedded one."""
        if database:
            await self._fill(database)
        else:
            async with EmbeddedPostgres(directory / "database") as url:
                await self._fill(url)

    async def _fill(self, url: str) -> None:
        conn = await connect(url)
        await migrate(conn)
        before = await database_bytes(conn)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for ago in range(NEWEST + self.number - 1, NEWEST - 1, -1):
            day = midnight - timedelta(days=ago)
            await make_partitions(conn, int(day.timestamp()) * 1_000_000, 90)
            batches = self.readings // BATCH
            async with conn.transaction():
                await conn.execute(_BATCHES, ago, day, batches)
                await conn.execute(_READINGS, ago, day, batches, BATCH)
        self.bytes = await database_bytes(conn) - before
        await conn.close()

    async def keep_house(self, url: str) -> None:
        """Do what the server does every hour, as if each time were a day later."""
        self._steps += 1
        conn = await connect(url)
        began, now = time.perf_counter(), time.time_ns() // 1000
        days = NEWEST - 2 + self.number - self._steps
        await make_partitions(conn, now, 90)
        await apply_retention(conn, now, days)
        ended = now - days * DAY  # the day after those that are gone
        self.converted += len(await compress(conn, ended, after=timedelta()))
        self.longest = max(self.longest, time.perf_counter() - began)
        await conn.close()

    async def gone(self, conn: asyncpg.Connection) -> int:
        """Return how many of the days are not there any more."""
        left = await conn.fetchval("select count(*) from readings where batch < 0")
        return self.number - int(left) // self.readings


async def database_bytes(conn: asyncpg.Connection) -> int:
    """Return what the database takes of the disk, its log aside."""
    return int(await conn.fetchval("select pg_database_size(current_database())"))
