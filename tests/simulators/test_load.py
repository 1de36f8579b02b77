"""The load: valid messages, never twice the same, at the rate told, counted exactly."""

import asyncio
import json
import time
from collections import Counter

import pytest

from ingest.wire import Readings
from simulators.broker import parse_broker
from simulators.load import Sender, Totals, run_load
from simulators.load_messages import Messages, Shape, load_enterprises, load_permits
from tests.fixtures.brokers import Broker
from tests.simulators.collector import collect, subscribe
from tests.simulators.common import START

SHAPE = Shape(units=7, channels=6, values=3, limits=1, period=10_000_000)


def unpacked(packet: bytes) -> tuple[str, int, bytes]:
    """(topic, packet id, payload) of a PUBLISH packet with QoS 1 of 128 to 16,383 bytes."""
    assert packet[0] == 0x32
    assert (packet[1] & 127) + (packet[2] << 7) == len(packet) - 3
    end = 5 + int.from_bytes(packet[3:5], "big")
    return packet[5:end].decode(), int.from_bytes(packet[end : end + 2], "big"), packet[end + 2 :]


def test_packets_hold_messages_that_keep_the_contract() -> None:
    messages = Messages(SHAPE, "boot", lambda: START)
    seen: Counter[tuple[str, str, str]] = Counter()
    for packet_id in range(1, 15):
        topic, identifier, payload = unpacked(messages.next(packet_id))
        assert identifier == packet_id
        readings = Readings.model_validate_json(payload)
        assert readings.seq == (packet_id - 1) // 7
        (sample,) = readings.samples
        seen.update((topic, key, sample.time) for key in sample.values)
    assert max(seen.values()) == 1
    assert len({(topic, key) for topic, key, _ in seen}) == 7 * 6


def test_times_of_a_standing_clock_still_advance() -> None:
    messages = Messages(SHAPE, "boot", lambda: START)
    times = [json.loads(unpacked(messages.next(1))[2])["samples"][0]["time"] for _ in range(20)]
    assert len(set(times)) == 20
    assert times == sorted(times)


def test_simulated_time_advances_when_all_units_have_sent_everything() -> None:
    messages = Messages(SHAPE, "boot", lambda: 0, start=START)
    times = [json.loads(unpacked(messages.next(1))[2])["samples"][0]["time"] for _ in range(42)]
    assert (
        times
        == ["2026-03-02T00:00:00.000000Z"] * 14
        + ["2026-03-02T00:00:10.000000Z"] * 14
        + ["2026-03-02T00:00:20.000000Z"] * 14
    )


def test_connections_divide_the_units() -> None:
    topics = [
        {unpacked(messages.next(1))[0] for _ in range(7)}
        for messages in (
            Messages(SHAPE, "boot", lambda: START, first=first, stride=2) for first in range(2)
        )
    ]
    assert len(topics[0]) + len(topics[1]) == 7
    assert not topics[0] & topics[1]


def test_the_registry_has_all_that_is_sent() -> None:
    big = Shape(units=1_001, channels=2, values=2, limits=1, period=10_000_000)
    enterprises, permits = list(load_enterprises(big)), list(load_permits(big))
    assert [entry["id"] for entry in enterprises] == ["load-0000", "load-0001"]
    assert [len(entry["units"]) for entry in enterprises] == [1_000, 1]  # type: ignore[arg-type]
    assert [len(entry["limits"]) for entry in permits] == [1_000, 1]  # type: ignore[arg-type]


async def test_a_load_keeps_its_rate_and_counts_every_acknowledgement(broker: Broker) -> None:
    await subscribe(broker)
    totals = Totals()
    began = time.monotonic()
    await run_load(
        senders(broker, totals, rate=1_000), totals, 2.0, lambda _: None, asyncio.Event()
    )
    assert time.monotonic() - began < 20
    assert totals.sent == totals.acknowledged
    assert totals.sent == pytest.approx(2_000, rel=0.2)
    assert 0 < totals.overall(50) <= totals.overall(99)
    got = await collect(broker, lambda got: len(got) >= totals.sent)
    assert len(got) == len(set(got)) == totals.sent


async def test_as_fast_as_possible_keeps_the_window(mosquitto: Broker) -> None:
    totals = Totals()
    running = senders(mosquitto, totals, rate=float("inf"), window=50)
    lines: list[str] = []
    await run_load(running, totals, 1.2, lines.append, asyncio.Event())
    assert totals.sent == totals.acknowledged > 1_000
    assert len(lines) == 1
    assert int(lines[0].split("waiting")[1].split()[0]) <= 100


async def test_a_broker_that_dies_gets_the_rest_again(nats: Broker) -> None:
    await subscribe(nats)
    totals = Totals()

    def interrupt(_: str) -> None:
        if not totals.resent:
            nats.kill()
            nats.start()

    await run_load(senders(nats, totals, rate=3_000), totals, 3.0, interrupt, asyncio.Event())
    assert totals.sent == totals.acknowledged
    assert totals.sent > 3_000
    got = await collect(nats, lambda got: len(set(got)) >= totals.sent)
    assert len(set(got)) == totals.sent


def senders(broker: Broker, totals: Totals, rate: float, window: int = 2_000) -> list[Sender]:
    """Two connections, each with half the units."""
    clock = lambda: time.time_ns() // 1000  # noqa: E731  a clock is a value here
    return [
        Sender(
            parse_broker(broker.url),
            f"load-{first}",
            Messages(SHAPE, "boot", clock, first=first, stride=2),
            totals,
            window=window,
            rate=rate / 2,
        )
        for first in range(2)
    ]
