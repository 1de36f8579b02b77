"""From a real broker to a real database: acknowledged means stored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ingest.broker_url import parse_broker_url
from ingest.link import Link
from tests.link.publisher import publish
from tests.pipeline.example import message
from tests.pipeline.plant import Plant, plant

if TYPE_CHECKING:
    import asyncpg

    from tests.fixtures.brokers import Broker

MESSAGES = 4_000


def minutes(count: int) -> list[bytes]:
    """Messages of three values, a minute each, up to now."""
    start = int(time.time()) // 60 * 60 - 60 * count
    return [
        message(
            {"so2": float(number % 400), "nox": 2.0, "o2": 6.1},
            time=time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(start + 60 * number)),
            seq=number,
        )
        for number in range(count)
    ]


async def start(server: Plant, link: Link) -> None:
    server.link = link  # type: ignore[assignment] # what the plant does by hand, done by a broker
    await server.start(receive=link.receive)


async def test_what_a_broker_delivers_is_stored_once(broker: Broker, pool: asyncpg.Pool) -> None:
    async with plant(pool) as server, Link(parse_broker_url(broker.url), "ams-server") as link:
        await start(server, link)
        await server.until(lambda: link.connected)
        sent = minutes(MESSAGES)
        await publish(broker, sent)
        await server.until(lambda: server.receipts and server.receipts[-1][3] == MESSAGES - 1)
        await server.until(lambda: link.unacked == 0)
        assert await server.counts() == {
            "messages_stored": MESSAGES,
            "readings_stored": 3 * MESSAGES,
        }
        assert (await server.rows("select count(*), min(flags), max(flags) from readings")) == [
            (3 * MESSAGES, 0, 0)
        ]


async def test_a_broker_and_backends_killed_under_load_lose_nothing(
    broker: Broker, pool: asyncpg.Pool, db: asyncpg.Connection
) -> None:
    """What the broker kept comes again; what was stored is not stored twice."""
    async with plant(pool) as server, Link(parse_broker_url(broker.url), "ams-server") as link:
        await start(server, link)
        await server.until(lambda: link.connected)
        sent = minutes(MESSAGES)
        for first in range(0, MESSAGES, MESSAGES // 4):
            await publish(broker, sent[first : first + MESSAGES // 4])
            await db.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            broker.stop()
            broker.start()
        await server.until(lambda: server.receipts and server.receipts[-1][3] == MESSAGES - 1)
        counts = await server.counts()
        assert counts["messages_stored"] == MESSAGES
        assert counts["readings_stored"] == 3 * MESSAGES
        assert counts.keys() <= {
            "messages_stored", "readings_stored", "messages_duplicate", "readings_duplicate"
        }  # fmt: skip
