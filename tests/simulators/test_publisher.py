"""Publishing to real brokers: what is acknowledged arrives, what is not is sent again, in order."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.mqtt_client import MqttError
from simulators.broker import parse_broker
from simulators.errors import BrokerUnreachableError
from simulators.fault_list import parse_faults
from simulators.fleet import merged, run_fleet
from simulators.load import Sender, Totals, run_load
from simulators.plants import fleet_plants
from simulators.publisher import CAPACITY, Counts, Parcel, Publisher, deliver
from tests.fixtures.brokers import Broker, free_port, mosquitto_broker, running
from tests.simulators.collector import STATUS, collect, retained, subscribe
from tests.simulators.common import course

TOPIC = "ams/v1/plant/unit/readings"


def parcels(count: int) -> list[Parcel]:
    return [Parcel(TOPIC, f"{number:08d}".encode()) for number in range(count)]


def firsts(payloads: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(payloads))


async def test_every_message_of_a_fleet_that_is_acknowledged_arrives(broker: Broker) -> None:
    await subscribe(broker)
    plants = list(fleet_plants(4, seed=1))
    day = course(0.25, speed=float("inf"), faults=parse_faults("all"))
    counts = Counts()
    await run_fleet(plants, day, parse_broker(broker.url), counts, stop=asyncio.Event())
    sent = [
        (f"ams/v1/{plant.enterprise}/ams-1/readings", message.payload())
        for plant, message in merged(plants, day)
    ]
    assert counts.acknowledged == counts.put == len(sent)
    got = await collect(broker, lambda got: len(got) >= len(sent))
    for plant in plants:
        topic = f"ams/v1/{plant.enterprise}/ams-1/readings"
        assert [p for t, p in got if t == topic] == [p for t, p in sent if t == topic]


async def test_more_units_than_connections_share_them(nats: Broker) -> None:
    await subscribe(nats)
    plants = list(fleet_plants(205, seed=1))
    counts = Counts()
    await run_fleet(
        plants, course(2 / 1440, speed=float("inf")), parse_broker(nats.url), counts,
        stop=asyncio.Event(),
    )  # fmt: skip
    assert counts.acknowledged == 2 * 205
    assert len(await collect(nats, lambda got: len(got) >= 2 * 205)) == 2 * 205
    states = await retained(nats, STATUS, 205)
    assert {json.loads(state)["state"] for state in states.values()} == {"offline"}


async def test_a_broker_that_dies_in_mid_run_costs_nothing(nats: Broker) -> None:
    await subscribe(nats)
    sent = parcels(6_000)
    got = await publish_through(nats, sent, interrupt=nats.kill)
    assert firsts(got) == [parcel.payload for parcel in sent]


async def test_a_broker_that_restarts_in_mid_run_costs_nothing(mosquitto: Broker) -> None:
    await subscribe(mosquitto)
    sent = parcels(6_000)
    got = await publish_through(mosquitto, sent, interrupt=mosquitto.stop)
    assert firsts(got) == [parcel.payload for parcel in sent]


async def publish_through(broker: Broker, sent: list[Parcel], interrupt: object) -> list[bytes]:
    """Publish with the broker away for a while in the middle; returns what a subscriber got."""
    assert callable(interrupt)
    counts = Counts()
    interrupted = asyncio.Event()

    def acknowledged(_: Parcel) -> None:
        if counts.acknowledged == len(sent) // 3:
            interrupt()
            interrupted.set()

    async def restart() -> None:
        await interrupted.wait()
        await asyncio.to_thread(broker.start)

    publisher = Publisher(
        parse_broker(broker.url), "unit", counts, acknowledged=acknowledged
    )  # fmt: skip

    async def feed() -> None:
        for parcel in sent:
            await publisher.put(parcel)

    restarting = asyncio.create_task(restart())
    await deliver([publisher], feed, asyncio.Event())
    await restarting
    assert counts.acknowledged == len(sent)
    assert counts.sent > len(sent)
    assert publisher.connections == 2
    got = await collect(broker, lambda got: len({p for _, p in got}) >= len(sent))
    return [payload for _, payload in got]


async def test_state_is_online_then_offline_and_offline_by_the_will(broker: Broker) -> None:
    states = {"ams/v1/a/u/status": b"online"}
    will = Parcel("ams/v1/a/u/status", b"gone", retain=True)
    publisher = Publisher(parse_broker(broker.url), "u", Counts(), states=states, will=will)
    running = asyncio.create_task(publisher.run())
    assert await retained(broker, STATUS, 1) == states
    running.cancel()
    await asyncio.wait({running})
    orderly = Publisher(
        parse_broker(broker.url), "u", Counts(), states=states, farewell={will.topic: b"offline"}
    )
    orderly.close()
    await orderly.run()
    assert await retained(broker, STATUS, 1) == {will.topic: b"offline"}


async def test_a_full_buffer_makes_whoever_brings_more_wait() -> None:
    publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{free_port()}"), "unit", Counts())
    for parcel in parcels(CAPACITY):
        await publisher.put(parcel)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await publisher.put(parcels(1)[0])


class BreakingClient:
    """A connection that fails its first publish and is slow to let go of the others."""

    def __init__(self) -> None:
        self.failing = asyncio.Event()

    async def publish(self, _topic: str, payload: bytes, **_: object) -> None:
        if payload.endswith(b"0"):
            await self.failing.wait()
            raise MqttError("broken")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)


async def test_a_connection_that_breaks_twice_over_forgets_no_message() -> None:
    # The publish fails, and while that is dealt with the loss of the connection is noticed too.
    publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{free_port()}"), "unit", Counts())
    for parcel in parcels(5):
        await publisher.put(parcel)
    client = BreakingClient()
    working = asyncio.create_task(publisher._deliver_parcels(client))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    client.failing.set()
    for _ in range(3):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait({working})
    assert list(publisher._waiting) == parcels(5)
    await asyncio.sleep(0.02)


async def test_no_broker_is_said_once_patience_is_over() -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    broker = replace(parse_broker(url), patience=0.5)
    publisher = Publisher(broker, "unit", Counts())
    began = time.monotonic()
    with pytest.raises(BrokerUnreachableError, match=f"no broker at {url}"):
        await deliver([publisher], nothing, asyncio.Event())
    assert time.monotonic() - began < 5


async def test_a_broker_that_refuses_the_user_is_said_at_once(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    secured = mosquitto_broker(tmp_path, allow_anonymous="false", password_file=str(passwords))
    for broker in running(secured):
        url = broker.url.replace("//", "//me:secret@")
        publisher = Publisher(parse_broker(url), "unit", Counts())
        with pytest.raises(BrokerUnreachableError, match=r"refuses unit: .*; check user") as error:
            await deliver([publisher], nothing, asyncio.Event())
        assert "secret" not in str(error.value)
        totals = Totals()
        with pytest.raises(BrokerUnreachableError, match="refused with code 5; check user"):
            await run_load(
                [Sender(parse_broker(url), "load", None, totals, window=1, rate=1)],  # type: ignore[arg-type]
                totals, 5.0, lambda _: None, asyncio.Event(),
            )  # fmt: skip


async def nothing() -> None:
    """Bring no parcels."""


async def test_stopping_leaves_what_no_broker_took_and_counts_it() -> None:
    publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{free_port()}"), "u", Counts())
    stop = asyncio.Event()

    async def feed() -> None:
        await publisher.put(parcels(1)[0])
        stop.set()
        await asyncio.Event().wait()

    await deliver([publisher], feed, stop, grace=0.1)
    assert publisher.counts.waiting == 1
