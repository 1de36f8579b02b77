"""A subscriber with a session that lasts, as the server's: it misses nothing that was published."""

import asyncio
from collections.abc import Callable

import aiomqtt

from tests.fixtures.brokers import Broker

READINGS, STATUS = "ams/v1/+/+/readings", "ams/v1/+/+/status"
Got = list[tuple[str, bytes]]


def _client(broker: Broker) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1", broker.port, identifier="collector", clean_session=False, timeout=20
    )


async def subscribe(broker: Broker, topic: str = READINGS) -> None:
    """Begin a session; from now on the broker keeps what matches."""
    async with _client(broker) as client:
        await client.subscribe(topic, qos=1)


async def collect(broker: Broker, enough: Callable[[Got], bool], quiet: float = 0.3) -> Got:
    """What the broker kept, in order: until nothing comes for a while and there is `enough`."""
    got: Got = []
    async with asyncio.timeout(60), _client(broker) as client:
        messages = client.messages
        while True:
            try:
                async with asyncio.timeout(quiet):
                    message = await anext(messages)
            except TimeoutError:
                if enough(got):
                    return got
            else:
                assert isinstance(message.payload, bytes)
                got.append((str(message.topic), message.payload))


async def retained(broker: Broker, topic: str, count: int) -> dict[str, bytes]:
    """What a newcomer gets of a topic's retained messages."""
    states: dict[str, bytes] = {}
    async with asyncio.timeout(20), aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(topic, qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            states[str(message.topic)] = message.payload
            if len(states) == count:
                break
    return states
