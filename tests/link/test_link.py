"""Acknowledged means stored: what the link promises while the connection holds."""

import asyncio

import pytest

from ingest.inbox import HOUR
from ingest.link import wall_clock
from tests.fixtures.brokers import Broker
from tests.link.publisher import publish
from tests.link.waiting import acknowledge, link_to, numbered, payloads, quiet, take, until

FOUR_MIB = 4 * 1024 * 1024


async def test_messages_come_in_order_and_acknowledged_ones_never_again(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, numbered(2_000))
        deliveries = await take(link, 2_000)
        assert payloads(deliveries) == numbered(2_000)
        assert link.unacked == 2_000
        acknowledge(link, deliveries)
        assert link.unacked == 0
        assert link.oldest_unacked_at is None
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, [b"last"])
        assert payloads(await take(link, 1)) == [b"last"]


async def test_nothing_is_acknowledged_before_acknowledge(prompt: Broker) -> None:
    async with link_to(prompt) as link:
        await until(lambda: link.connected)
        await publish(prompt, numbered(50))
        assert payloads(await take(link, 50)) == numbered(50)
    async with link_to(prompt) as link:
        assert payloads(await take(link, 50)) == numbered(50)


async def test_what_is_published_while_the_server_is_away_waits(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
    await publish(broker, numbered(3_000))
    async with link_to(broker) as link:
        assert payloads(await take(link, 3_000)) == numbered(3_000)


async def test_a_delivery_says_when_and_under_which_topic(broker: Broker) -> None:
    before = wall_clock()
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, [b"1"], "ams/v1/gres1/ams-1/readings")
        await publish(broker, [b"2"], "ams/v1/gres-2/ams-1/readings")
        await publish(broker, [b"no reading"], "ams/v1/gres1/ams-1/status")
        first, second = [await link.receive(1, 0.0) for _ in range(2)]
        assert first.topics + second.topics == [
            "ams/v1/gres1/ams-1/readings",
            "ams/v1/gres-2/ams-1/readings",
        ]
        assert before <= first.received_at <= second.received_at <= wall_clock()
        assert link.oldest_unacked_at == first.received_at
        assert await quiet(link)


async def test_receive_ends_at_its_number_of_messages(mosquitto: Broker) -> None:
    async with link_to(mosquitto) as link:
        await until(lambda: link.connected)
        await publish(mosquitto, numbered(25))
        await until(lambda: link.unacked == 25)
        sizes = [len((await link.receive(10, 60.0)).payloads) for _ in range(2)]
        assert sizes == [10, 10]
        assert len((await link.receive(10, 0.05)).payloads) == 5


async def test_a_delivery_never_crosses_a_utc_hour(mosquitto: Broker) -> None:
    now = 500_000 * HOUR - 10
    async with link_to(mosquitto, clock=lambda: now) as link:
        await until(lambda: link.connected)
        await publish(mosquitto, [b"before"])
        await until(lambda: link.unacked == 1)
        now = 500_000 * HOUR
        await publish(mosquitto, [b"after"])
        await until(lambda: link.unacked == 2)
        first, second = [await link.receive(10, 0.0) for _ in range(2)]
        assert (first.payloads, first.received_at) == ([b"before"], 500_000 * HOUR - 10)
        assert (second.payloads, second.received_at) == ([b"after"], 500_000 * HOUR)


async def test_a_message_of_four_mib_passes(broker: Broker) -> None:
    message = b'{"boot":"' + b"x" * (FOUR_MIB - 9)
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, [message, b"next"])
        assert payloads(await take(link, 2)) == [message, b"next"]


async def test_a_message_of_qos_0_is_delivered_too(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, [b"careless"], qos=0)
        await publish(broker, [b"careful"])
        deliveries = await take(link, 2)
        assert payloads(deliveries) == [b"careless", b"careful"]
        acknowledge(link, deliveries)
        assert link.connected
        assert link.unacked == 0


async def test_what_waits_for_acknowledgement_is_bounded_in_messages(broker: Broker) -> None:
    async with link_to(broker, max_messages=2_000) as link:
        await until(lambda: link.connected)
        await publish(broker, (b"%0200d" % number for number in range(50_000)))
        await until(lambda: link.unacked >= 2_000)
        # one chunk of the network's over the bound: 256 kB
        assert link.unacked < 2_000 + 256 * 1024 // 200
        assert link.connected
        got = 0
        async with asyncio.timeout(60):
            while got < 50_000:
                delivery = await link.receive(5_000, 0.01)
                assert delivery.payloads[0] == b"%0200d" % got
                got += len(delivery.payloads)
                assert link.unacked < 2_000 + 256 * 1024 // 200
                link.acknowledge(delivery)


async def test_what_waits_for_acknowledgement_is_bounded_in_bytes(broker: Broker) -> None:
    async with link_to(broker, max_bytes=10_000_000) as link:
        await until(lambda: link.connected)
        await publish(broker, (b"x" * 1_000_000 for _ in range(40)))
        await until(lambda: link.unacked >= 10)
        assert link.unacked == 10
        assert [len(d.payloads) for d in await take(link, 10)] == [4, 4, 2]  # 4 MiB each
        assert await quiet(link)


async def test_a_message_sent_again_too_early_is_not_delivered_twice(
    impatient_nats: Broker,
) -> None:
    async with link_to(impatient_nats) as link:
        await until(lambda: link.connected)
        await publish(impatient_nats, numbered(500))
        deliveries = await take(link, 500)
        assert await quiet(link, 3.5)
        assert link.unacked == 500
        acknowledge(link, deliveries)
        await publish(impatient_nats, [b"next"])
        assert payloads(await take(link, 1)) == [b"next"]


async def test_receive_may_be_cancelled_without_loss(mosquitto: Broker) -> None:
    async with link_to(mosquitto) as link:
        await until(lambda: link.connected)
        waiting = asyncio.create_task(link.receive(10, 60.0))
        await publish(mosquitto, [b"kept"])
        await until(lambda: link.unacked == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await link.receive(10, 0.0)).payloads == [b"kept"]
