"""The control connection: status of units in, receipts out, on each broker."""

import asyncio
import contextlib
import json
import shutil
from typing import Any

import pytest

from ingest import receipts
from ingest.broker_url import parse_broker_url
from ingest.control import Control
from ingest.mqtt_client import Client
from tests.fixtures.brokers import Broker, missing
from tests.link.waiting import until

STATUS = "ams/v1/gres1/ams-1/status"
RECEIPT = "ams/v1/gres1/ams-1/receipt"


class Heard:
    """What a Control was told of the units."""

    def __init__(self) -> None:
        self.statuses: list[tuple[str, str, bytes]] = []

    async def __call__(self, enterprise: str, unit: str, payload: bytes, at: int) -> None:
        assert at > 1_700_000_000_000_000
        self.statuses.append((enterprise, unit, payload))
        if payload == b"trouble":
            raise KeyError(payload)


def unit(broker: Broker, **options: Any) -> Client:
    return Client("127.0.0.1", broker.port, **options)


def control(broker: Broker, heard: Heard) -> Control:
    return Control(parse_broker_url(broker.url), "ams-server", heard)


async def publish_status(broker: Broker, topic: str, payload: bytes) -> None:
    async with unit(broker) as client:
        await client.publish(topic, payload, qos=1, retain=True)


async def test_the_status_of_a_unit_is_heard_before_and_after_the_start(broker: Broker) -> None:
    await publish_status(broker, STATUS, b"before")
    heard = Heard()
    async with control(broker, heard):
        await until(lambda: heard.statuses == [("gres1", "ams-1", b"before")])
        await publish_status(broker, "ams/v1/gres-2/dahs/status", b"after")
        await until(lambda: heard.statuses[1:] == [("gres-2", "dahs", b"after")])


async def test_the_last_will_of_a_unit_is_heard(broker: Broker) -> None:
    program = shutil.which("mosquitto_sub")
    if program is None:
        missing("mosquitto_sub (package mosquitto-clients)")
    heard = Heard()
    will = ["--will-topic", STATUS, "--will-payload", "offline", "--will-qos", "1", "--will-retain"]
    address = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "mqttv311", "-t", RECEIPT]
    async with control(broker, heard), unit(broker) as client:
        await client.publish(RECEIPT, b"hello", qos=1, retain=True)
        device = await asyncio.create_subprocess_exec(
            str(program), *address, *will, stdout=asyncio.subprocess.PIPE
        )
        assert device.stdout is not None
        assert await device.stdout.readline() == b"hello\n"  # it is there
        device.kill()
        await until(lambda: heard.statuses == [("gres1", "ams-1", b"offline")])
        await device.wait()


async def test_a_status_that_makes_trouble_stops_nothing(broker: Broker) -> None:
    heard = Heard()
    async with control(broker, heard) as link:
        await until(lambda: link.connected)
        await publish_status(broker, STATUS, b"trouble")
        await publish_status(broker, STATUS, b"x" * 100_000)
        await publish_status(broker, STATUS, b"fine")
        await until(lambda: [payload for *_, payload in heard.statuses] == [b"trouble", b"fine"])
        assert link.connected


async def received(broker: Broker, count: int) -> list[tuple[str, dict[str, Any], bool]]:
    """So many receipts as a unit that connects now sees them: topic, content, retained."""
    got = []
    async with asyncio.timeout(20), unit(broker) as client:
        await client.subscribe("ams/v1/+/+/receipt", qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            got.append((str(message.topic), json.loads(message.payload), message.retain))
            if len(got) == count:
                break
    return got


async def test_a_receipt_is_retained_for_its_unit(broker: Broker) -> None:
    async with control(broker, Heard()) as link:
        link.receipt("gres1", "ams-1", "7f3c9a", 48_211, 1_795_317_600_000_000)
        await until(lambda: link._receipts._sent == {("gres1", "ams-1"): ("7f3c9a", 48_211)})
    expected = {"boot": "7f3c9a", "seq": 48_211, "time": "2026-11-22T03:20:00Z"}
    assert await received(broker, 1) == [(RECEIPT, expected, True)]


async def test_many_receipts_become_one_each_interval(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "INTERVAL", 0.5)
    async with control(broker, Heard()) as link:
        await until(lambda: link.connected)
        listening = asyncio.create_task(received(broker, 2))
        for seq in range(1, 1_000):
            link.receipt("gres1", "ams-1", "a", seq, 0)
            if seq == 500:
                await until(lambda: bool(link._receipts._sent))
        seqs = [content["seq"] for _, content, _ in await listening]
    assert seqs == [500, 999]


async def test_receipts_are_published_again_after_a_reconnect(broker: Broker) -> None:
    async with control(broker, Heard()) as link:
        link.receipt("gres1", "ams-1", "a", 7, 0)
        await until(lambda: bool(link._receipts._sent))
        async with unit(broker) as client:
            await client.publish(RECEIPT, b"", qos=1, retain=True)  # the broker forgets it
        broker.stop()
        await until(lambda: not link.connected)
        broker.start()
        await until(lambda: link.connected)
        assert [content["seq"] for _, content, _ in await received(broker, 1)] == [7]


async def test_without_a_broker_receipts_are_kept_and_the_error_is_told(broker: Broker) -> None:
    broker.stop()
    async with control(broker, Heard()) as link:
        for seq in range(10_000):
            link.receipt("gres1", "ams-1", "a", seq, 0)
        await until(lambda: "refused" in link.last_error)
        broker.start()
        assert [content["seq"] for _, content, _ in await received(broker, 1)] == [9_999]


async def test_it_is_left_though_a_cancellation_was_swallowed(
    mosquitto: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.11 does when the broker acknowledges a receipt in the moment of leaving."""
    publishing = asyncio.Event()

    async def publish(*_: Any, **__: Any) -> None:
        publishing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(Client, "publish", publish)
    async with asyncio.timeout(60):
        async with control(mosquitto, Heard()) as link:
            link.receipt("gres1", "ams-1", "b1", 7, 1_700_000_000_000_000)
            await publishing.wait()
