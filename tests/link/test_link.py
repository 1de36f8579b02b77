"""Acknowledged means stored: what the link promises, on each broker."""

import asyncio
from collections.abc import Callable

from ingest.broker_url import parse_broker_url
from ingest.link import Delivery, Link
from tests.fixtures.brokers import Broker
from tests.link.publisher import publish


def link_to(broker: Broker, **options: object) -> Link:
    options.setdefault("mqtt5", broker.name == "mosquitto")
    return Link(parse_broker_url(broker.url), "ams-server", **options)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - whatever a test waits for has no event
            await asyncio.sleep(0.01)


async def take(link: Link, count: int) -> list[Delivery]:
    deliveries: list[Delivery] = []
    async with asyncio.timeout(30):
        while sum(len(delivery.payloads) for delivery in deliveries) < count:
            deliveries.append(await link.receive(10_000, 0.05))
    return deliveries


def payloads(deliveries: list[Delivery]) -> list[bytes]:
    return [payload for delivery in deliveries for payload in delivery.payloads]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def test_messages_come_in_order_and_acknowledged_ones_never_again(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, numbered(2_000))
        deliveries = await take(link, 2_000)
        assert payloads(deliveries) == numbered(2_000)
        assert link.unacked == 2_000
        for delivery in deliveries:
            link.acknowledge(delivery)
        assert link.unacked == 0
        assert link.oldest_unacked_at is None
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, [b"last"])
        assert payloads(await take(link, 1)) == [b"last"]


async def test_nothing_is_acknowledged_before_acknowledge(mosquitto: Broker) -> None:
    async with link_to(mosquitto) as link:
        await until(lambda: link.connected)
        await publish(mosquitto, numbered(50))
        first = await take(link, 50)
    async with link_to(mosquitto) as link:
        assert payloads(await take(link, 50)) == payloads(first)
