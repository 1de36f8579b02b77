"""The first promise under fire: broker killed, connection cut, server killed, commits slow."""

import asyncio
from itertools import count

import pytest

from ingest.broker_url import parse_broker_url
from ingest.link import Link
from tests.fixtures.brokers import Broker
from tests.link.proxy import Wire
from tests.link.publisher import publish
from tests.link.waiting import until

COMMIT = 0.4  # seconds; slow enough that brokers die meanwhile
ROUNDS = 4
AHEAD = 5_000  # messages; what waits longer than `ack_wait` is given again, and again


async def publish_for_ever(broker: Broker, taken: set[bytes], stored: set[bytes]) -> None:
    """A unit that keeps what it sends until the broker acknowledges it, a little ahead."""
    for number in count():
        await until(lambda: len(taken) - len(stored) < AHEAD)
        batch = [b"%d.%d" % (number, message) for message in range(20)]
        while True:
            try:
                await publish(broker, batch)
                break
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
        taken.update(batch)


async def commit_for_ever(link: Link, stored: set[bytes]) -> None:
    """A pipeline that commits in order and acknowledges after that."""
    while True:
        delivery = await link.receive(500, 0.02)
        await asyncio.sleep(COMMIT)
        stored.update(delivery.payloads)
        link.acknowledge(delivery)


async def more(stored: set[bytes]) -> None:
    """Until something new is stored."""
    before = len(stored)
    await until(lambda: len(stored) > before)


@pytest.mark.timeout(400)  # thirteen waits, of which each has a limit of its own
async def test_whatever_is_killed_nothing_that_the_broker_took_is_missing(
    impatient_nats: Broker,
) -> None:
    broker = impatient_nats
    taken: set[bytes] = set()
    stored: set[bytes] = set()
    async with Wire(broker) as wire:
        url = parse_broker_url(wire.url)
        async with Link(url, "ams-server", mqtt5=False) as link:
            await until(lambda: link.connected)  # from now on the broker keeps what it takes
        unit = asyncio.create_task(publish_for_ever(broker, taken, stored))
        for rest in range(ROUNDS, -1, -1):
            async with Link(url, "ams-server", mqtt5=False) as link:
                server = asyncio.create_task(commit_for_ever(link, stored))
                await more(stored)
                if rest:
                    broker.kill()
                    broker.start()
                    await more(stored)
                    wire.cut()
                    await more(stored)
                else:
                    unit.cancel()
                    await asyncio.wait([unit])
                    # The longest wait, and no stall: 500 messages a commit of 0.4 s are 1,200 a
                    # second at best, and what waited in a link when it broke comes again after
                    # `ack_wait` and takes the place of new messages.
                    await until(lambda: stored >= taken)
                server.cancel()  # the server dies in the middle of a commit
                await asyncio.wait([server])
    assert len(taken) > 100
