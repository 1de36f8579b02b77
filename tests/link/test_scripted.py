"""What the link does when a broker says what it should not, or seldom does."""

import structlog

from ingest.broker_url import parse_broker_url
from ingest.link import Link
from tests.link.publisher import publish_packet
from tests.link.scripted import (
    CONNACK_5,
    CONNACK_311,
    SUBACK_5,
    SUBACK_311,
    Scripted,
)
from tests.link.waiting import acknowledge, payloads, quiet, take, until

TOPIC = b"ams/v1/gres1/ams-1/readings"
AGAIN = 0x3A  # first byte of PUBLISH, QoS 1, sent before


def link_to(broker: Scripted, *, mqtt5: bool = False) -> Link:
    return Link(parse_broker_url(broker.url), "ams-server", mqtt5=mqtt5)


def publish(payload: bytes, packet_id: int, first: int = 0x32) -> bytes:
    return publish_packet(TOPIC, payload, packet_id, first=first)


async def test_a_broker_that_hangs_up_on_mqtt_5_is_asked_for_3_1_1() -> None:
    async with Scripted([b""], [CONNACK_311, SUBACK_311]) as broker:
        async with link_to(broker, mqtt5=True) as link:
            await until(lambda: link.connected)
        assert broker.levels[-1] == 4


async def test_mqtt_5_is_asked_for_first() -> None:
    async with Scripted([CONNACK_5, SUBACK_5]) as broker:
        async with link_to(broker, mqtt5=True) as link:
            await until(lambda: link.connected)
        assert broker.levels == [5]


async def test_a_malformed_packet_ends_the_connection_and_the_next_one_goes_on() -> None:
    good, bad = publish(b"good", 1), b"\x34\x05\x00\x01a\x00\x01"
    async with (
        Scripted([CONNACK_311, SUBACK_311 + bad], [CONNACK_311, SUBACK_311 + good]) as broker,
        link_to(broker) as link,
    ):
        assert payloads(await take(link, 1)) == [b"good"]


async def test_the_reason_of_a_malformed_packet_is_told() -> None:
    async with Scripted([CONNACK_311, b"\xf0\x00"]) as broker, link_to(broker) as link:
        await until(lambda: "a packet of type 0xf0 with 0 bytes" in link.last_error)


async def test_a_refused_subscription_is_told_in_mqtt_5_too() -> None:
    async with (
        Scripted([CONNACK_5, b"\x90\x04\x00\x01\x00\x87"]) as broker,
        link_to(broker, mqtt5=True) as link,
    ):
        refusal = "the broker refuses the subscription to ams/v1/+/+/readings: not authorized"
        await until(lambda: link.last_error == f"{broker.url}: {refusal}")
        assert not link.connected


async def test_a_broker_that_does_not_keep_everything_is_warned_of() -> None:
    limits = b"\x20\x0d\x00\x00\x0a\x11\x00\x00\x0e\x10\x27\x00\x10\x00\x00"
    async with (
        Scripted([CONNACK_5, SUBACK_5], [limits, SUBACK_5]) as broker,
        link_to(broker, mqtt5=True) as link,
    ):
        with structlog.testing.capture_logs() as logs:
            await until(lambda: link.connected)
            assert not [line for line in logs if "warning" in line]
            broker.hang_up()
            await until(lambda: len(broker.levels) == 2 and link.connected)
    assert [line["warning"] for line in logs if "warning" in line] == [
        "it had forgotten our session; what units sent since it last had it may be lost",
        "it forgets what waits for us when we are away for 3600 s",
        "it takes no message above 1048576 bytes; units may send 4 MiB",
    ]


async def test_why_a_broker_of_mqtt_5_hangs_up_is_told() -> None:
    goodbye = b"\xe0\x02\x8e\x00"
    async with (
        Scripted([CONNACK_5, SUBACK_5 + goodbye, b""]) as broker,
        link_to(broker, mqtt5=True) as link,
    ):
        await until(lambda: link.connected)
        broker.hang_up()
        await until(lambda: link.last_error.endswith("ended the connection: session taken over"))


async def test_a_topic_that_is_no_utf8_holds_nothing_up() -> None:
    poison = publish_packet(b"ams/v1/gres1/ams-\xff/readings", b"poison", 1)
    stream = poison + publish(b"good", 2)
    async with Scripted([CONNACK_311, SUBACK_311 + stream]) as broker, link_to(broker) as link:
        deliveries = await take(link, 2)
        assert payloads(deliveries) == [b"poison", b"good"]
        assert deliveries[0].topics[0] == "ams/v1/gres1/ams-�/readings"
        acknowledge(link, deliveries)
        await until(lambda: broker.acknowledged == [1, 2])


async def test_acknowledgements_go_out_in_order_and_once() -> None:
    stream = b"".join(publish(b"%d" % number, number) for number in range(1, 301))
    async with Scripted([CONNACK_311, SUBACK_311 + stream]) as broker, link_to(broker) as link:
        deliveries = await take(link, 300)
        assert broker.acknowledged == []
        acknowledge(link, deliveries)
        acknowledge(link, deliveries)
        await until(lambda: len(broker.acknowledged) >= 300)
        assert broker.acknowledged == list(range(1, 301))
        assert link.unacked == 0


async def test_a_repeated_message_that_crossed_its_acknowledgement_is_ignored() -> None:
    # By the time of a second acknowledgement its id may be that of another message.
    stream = publish(b"once", 5)
    async with Scripted([CONNACK_311, SUBACK_311 + stream]) as broker, link_to(broker) as link:
        acknowledge(link, await take(link, 1))
        await until(lambda: broker.acknowledged == [5])
        broker.send(publish(b"once", 5, AGAIN) + publish(b"other", 5) + publish(b"next", 6))
        deliveries = await take(link, 2)
        assert payloads(deliveries) == [b"other", b"next"]
        broker.send(publish(b"other", 5, AGAIN))
        assert await quiet(link, 0.2)
        assert broker.acknowledged == [5]
        acknowledge(link, deliveries)
        await until(lambda: broker.acknowledged == [5, 5, 6])


async def test_ids_of_a_long_repeated_queue_begin_again_and_are_other_messages() -> None:
    # Mosquitto's way with more than 65,535 unacknowledged messages and a new connection.
    stream = b"".join(publish(b"x", number % 65_535 + 1, AGAIN) for number in range(70_000))
    async with Scripted([CONNACK_311, SUBACK_311 + stream]) as broker, link_to(broker) as link:
        got = 0
        while got < 70_000:
            delivery = await link.receive(10_000, 0.1)
            got += len(delivery.payloads)
            link.acknowledge(delivery)
        assert got == 70_000
        await until(lambda: len(broker.acknowledged) == 70_000)
