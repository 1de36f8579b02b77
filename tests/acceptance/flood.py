"""Publishes many messages quickly, each with QoS 1, and keeps on until the broker has taken all."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING

from simulators.broker import parse_broker
from simulators.load_messages import PACKET_IDS, PUBLISH_QOS1, remaining_length
from simulators.puback import PublishConnection

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 2_000  # messages that the broker has not acknowledged
BLOCK = 100  # messages written at once


def packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    name = topic.encode()
    body = b"".join((len(name).to_bytes(2, "big"), name, PACKET_IDS[packet_id], payload))
    return bytes([PUBLISH_QOS1]) + remaining_length(len(body)) + body


async def flood(url: str, messages: Iterable[tuple[str, bytes]]) -> int:
    """Publish (topic, payload) on one connection; return how many the broker took, which is all.

    Packet ids are used in turn: brokers acknowledge in order, so those in flight differ.
    """
    taken = 0
    room = asyncio.Event()

    def acknowledged(packet_ids: list[int]) -> None:
        nonlocal taken
        taken += len(packet_ids)
        room.set()

    broker = parse_broker(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: PublishConnection(broker, "test-flood", acknowledged, room.set),
        broker.host,
        broker.port,
    )
    await connection.ready
    assert connection.transport is not None
    sent = 0
    numbers = cycle(range(1, 1 << 16))
    block: list[bytes] = []

    async def write() -> None:
        nonlocal sent
        assert connection.transport is not None
        connection.transport.write(b"".join(block))
        sent += len(block)
        block.clear()
        while sent - taken > WINDOW or not connection.writable:
            await waited()

    async def waited() -> None:
        room.clear()
        async with asyncio.timeout(120):
            await room.wait()
        assert not connection.lost.done(), "the broker closed the connection"

    for topic, payload in messages:
        block.append(packet(topic, payload, next(numbers)))
        if len(block) >= BLOCK:
            await write()
    await write()
    while taken < sent:
        await waited()
    connection.transport.close()
    await connection.lost
    return taken
