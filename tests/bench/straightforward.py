"""What one would write first: the baseline of the whole path.

aiomqtt, a pydantic model for each message, `executemany` of 5,000 rows into an indexed table. It
acknowledges as messages come, before anything is stored, checks nothing and judges nothing.

Run as `python -m tests.bench.straightforward BROKER DATABASE READINGS`: prints `subscribed`, then
after READINGS rows how many seconds passed since the first message, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime  # noqa: TC003 - the models need it
from time import perf_counter
from urllib.parse import urlsplit

import aiomqtt
import asyncpg
import uvloop
from pydantic import BaseModel

ROWS = 5_000


class Sample(BaseModel):
    """One instant."""

    time: datetime
    values: dict[str, float]


class Message(BaseModel):
    """What a unit sends."""

    boot: str
    seq: int
    samples: list[Sample]


async def main(broker: str, database: str, readings: int) -> None:
    """Store ``readings`` readings and say how long it took."""
    db = await asyncpg.connect(database)
    await db.execute("drop table if exists straightforward")
    await db.execute(
        "create table straightforward (time timestamptz, unit text, key text, value float8)"
    )
    await db.execute("create index on straightforward (time, unit, key)")
    address = urlsplit(broker)
    async with aiomqtt.Client(address.hostname or "", address.port or 1883) as client:
        await client.subscribe("ams/v1/+/+/readings", qos=1)
        sys.stdout.write("subscribed\n")
        sys.stdout.flush()
        rows: list[tuple[datetime, str, str, float]] = []
        stored, began = 0, 0.0
        async for received in client.messages:
            began = began or perf_counter()
            message = Message.model_validate_json(received.payload)
            unit = str(received.topic)
            for sample in message.samples:
                rows += [(sample.time, unit, key, value) for key, value in sample.values.items()]
            if len(rows) >= ROWS or stored + len(rows) >= readings:
                await db.executemany("insert into straightforward values ($1, $2, $3, $4)", rows)
                stored += len(rows)
                rows.clear()
            if stored >= readings:
                break
    seconds = perf_counter() - began
    sys.stdout.write(json.dumps({"readings": stored, "seconds": seconds}) + "\n")
    await db.execute("drop table straightforward")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
