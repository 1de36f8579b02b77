"""A subscriber with a session that lasts, as the server's: it misses nothing that was published."""

import asyncio
import contextlib
from collections.abc import Callable

from ingest.mqtt_client import Client
from tests.fixtures.brokers import Broker

READINGS, STATUS = "ams/v1/+/+/readings", "ams/v1/+/+/status"
Got = list[tuple[str, bytes]]


def _client(broker: Broker) -> Client:
    return Client("127.0.0.1", broker.port, identifier="collector", clean_session=False, timeout=20)


async def subscribe(broker: Broker, topic: str = READINGS) -> None:
    """Begin a session; from now on the broker keeps what matches."""
    async with _client(broker) as client:
        await client.subscribe(topic, qos=1)


async def collect(broker: Broker, enough: Callable[[Got], bool], quiet: float = 0.3) -> Got:
    """What the broker kept, in order: until nothing comes for a while and there is `enough`."""
    got: Got = []
    async with asyncio.timeout(60), _client(broker) as client:
        reading = asyncio.create_task(_read(client, got))
        before = -1
        while len(got) > before or not enough(got):
            before = len(got)
            await asyncio.wait({reading}, timeout=quiet)
        reading.cancel()
    return got


async def _read(client: Client, got: Got) -> None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        got.append((str(message.topic), message.payload))


async def seen(broker: Broker, count: int) -> None:
    """Wait until so many readings have passed."""
    async with asyncio.timeout(30), Client("127.0.0.1", broker.port) as client:
        await client.subscribe(READINGS)
        async for _ in client.messages:
            count -= 1
            if count == 0:
                break


async def retained(broker: Broker, topic: str, count: int) -> dict[str, bytes]:
    """What a newcomer gets of a topic's retained messages, as soon as there are so many.

    Asked again and again: NATS gives what is published at the very moment of a subscription
    neither as retained nor as new.
    """
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(4):
                    return await _retained(broker, topic, count)


async def _retained(broker: Broker, topic: str, count: int) -> dict[str, bytes]:
    states: dict[str, bytes] = {}
    async with Client("127.0.0.1", broker.port) as client:
        await client.subscribe(topic, qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            states[str(message.topic)] = message.payload
            if len(states) == count:
                break
    return states
