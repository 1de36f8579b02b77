"""A unit in its simplest form: publishes with QoS 1 over a plain socket, and counts the PUBACKs."""

import asyncio
from collections.abc import Iterable
from itertools import count

from ingest.codec311 import _field, _packet
from ingest.packets import DISCONNECT, PINGREQ, Hello
from tests.fixtures.brokers import Broker

TOPIC = "ams/v1/gres1/ams-1/readings"
WINDOW = 500  # messages on their way at one time
_NUMBERS = count()


def publish_packet(topic: bytes, payload: bytes, packet_id: int, *, first: int = 0x32) -> bytes:
    identifier = packet_id.to_bytes(2, "big") if first & 6 else b""
    return _packet(first, _field(topic) + identifier + payload)


async def publish(
    broker: Broker, payloads: Iterable[bytes], topic: str | bytes = TOPIC, *, qos: int = 1
) -> None:
    """Publish all, each acknowledged by the broker before this returns."""
    name = topic.encode() if isinstance(topic, str) else topic
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    try:
        writer.write(_connect())
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        waiting = 0
        for number, payload in enumerate(payloads):
            packet_id = number % 60_000 + 1
            writer.write(publish_packet(name, payload, packet_id, first=0x30 | qos << 1))
            waiting += qos
            if waiting >= WINDOW:
                await writer.drain()
                await reader.readexactly(4 * waiting)
                waiting = 0
        await reader.readexactly(4 * waiting)
        writer.write(PINGREQ)  # what was sent with QoS 0 is taken when this is answered
        await reader.readexactly(2)
        writer.write(DISCONNECT)
    finally:
        writer.close()
        await writer.wait_closed()


def _connect() -> bytes:
    # An id of its own: NATS may turn away one that connects again and again.
    hello = Hello(f"publisher{next(_NUMBERS)}", keepalive=60)
    body = _field(b"MQTT") + bytes([4, 2]) + hello.keepalive.to_bytes(2, "big")
    return _packet(0x10, body + _field(hello.client_id.encode()))
