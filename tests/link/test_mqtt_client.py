"""What asyncio has to say of aiomqtt's connections that end: nothing, whenever they do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ingest.mqtt_client import Client, MqttError
from tests.link.proxy import Wire
from tests.link.scripted import CONNACK_311, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.brokers import Broker


@pytest.fixture(autouse=True)
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged by asyncio, not when what is left over goes either."""
    yield
    gc.collect()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert not [one.getMessage() for one in records if one.name == "asyncio"]


def client(url: str) -> Client:
    address = urlsplit(url)
    return Client(address.hostname or "", address.port or 1883, timeout=0.5)


async def test_a_broker_hangs_up_while_a_subscription_waits() -> None:
    async with Scripted([CONNACK_311, b""]) as broker:
        with pytest.raises(MqttError, match="timed out"):
            async with client(broker.url) as connected:
                await connected.subscribe("ams/v1/+/+/status")


async def test_a_broker_hangs_up_instead_of_saying_hello() -> None:
    async with Scripted([b""]) as broker:
        with pytest.raises(MqttError):
            await client(broker.url).__aenter__()


async def test_a_line_is_cut_at_any_moment_of_a_publish(mosquitto: Broker) -> None:
    """Before it is written, while it waits, and when the client is being left."""
    async with Wire(mosquitto) as wire:
        for turns in range(10):
            with contextlib.suppress(MqttError):
                async with client(wire.url) as connected:
                    wire.cut()
                    telling = asyncio.create_task(connected.publish("ams", b"1", qos=1))
                    for _ in range(turns):
                        await asyncio.sleep(0)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
