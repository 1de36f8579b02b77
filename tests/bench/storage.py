"""How many readings a second a commit takes: ``python -m tests.bench.storage``.

Batches of 20,000 readings in 2,000 messages of 50 units, on the embedded PostgreSQL with its own
settings (nothing of durability left out), one connection.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np
import uvloop

from alerts.core.vocabulary import MINUTE
from storage.batches import commit
from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.partitions import make_partitions
from storage.pool import connect
from storage.received import Columns, Received

if TYPE_CHECKING:
    import asyncpg

ROWS, MESSAGES, UNITS, ROUNDS = 20_000, 2_000, 50, 30
NOW = 1_772_323_200_000_000  # 2026-03-01T00:00:00Z


def a_batch(number: int, time: int) -> Received:
    """One reading of each of 20,000 channels at ``time``, all fresh."""
    row, message = np.arange(ROWS, dtype=np.int32), np.arange(MESSAGES, dtype=np.int32)
    none = np.zeros(ROWS, np.int16)
    values = np.random.default_rng(number).normal(300, 20, ROWS)
    columns = Columns(row // (ROWS // MESSAGES), row, np.full(ROWS, time), values, none, none)
    return Received(
        batch=number,
        received_at=NOW,
        unit=message % UNITS + 1,
        boot=message % UNITS + 1,
        seq=np.full(MESSAGES, number, np.int64) * MESSAGES + message // UNITS,
        seen=np.zeros(MESSAGES, np.bool_),
        readings=columns,
        fresh=np.ones(ROWS, np.bool_),
        aside_messages=[],
        aside_values=[],
    )


async def measure(conn: asyncpg.Connection, what: str, batches: list[Received]) -> None:
    """Commit the batches and print a line of figures."""
    began, used = perf_counter(), process_time()
    for received in batches:
        await commit(conn, received)
    took, used = perf_counter() - began, process_time() - used
    rows = ROWS * len(batches)
    print(f"{what:40} {rows / took:10,.0f} readings/s   {used / rows * 1e6:5.2f} µs of Python each")


def looked_up(batches: list[Received], plus: float) -> list[Received]:
    """Return other batches of the same keys, not fresh, their values raised by ``plus``."""
    return [
        replace(
            received,
            batch=received.batch + 1_000 + int(plus),
            readings=replace(received.readings, value=received.readings.value + plus),
            fresh=np.zeros(ROWS, np.bool_),
        )
        for received in batches
    ]


async def main() -> None:
    """Measure on a fresh database in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="ams-") as directory:
        async with EmbeddedPostgres(Path(directory)) as url:
            conn = await connect(url)
            await migrate(conn)
            await make_partitions(conn, NOW)
            batches = [a_batch(number, NOW + number * MINUTE) for number in range(1, ROUNDS + 1)]
            await measure(conn, "new readings", batches)
            await measure(conn, "the same again: duplicates", looked_up(batches[:10], 0))
            await measure(conn, "other values: revisions", looked_up(batches[:10], 1000))
            late = [a_batch(500 + n, NOW - n * MINUTE) for n in range(10)]
            for received in late:
                received.fresh[:] = False
            await measure(conn, "late readings", late)
            await conn.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
