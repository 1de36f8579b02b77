"""Short ways of saying what a test of the link waits for."""

import asyncio
from collections.abc import Callable

from ingest.broker_url import parse_broker_url
from ingest.link import Delivery, Link
from tests.fixtures.brokers import Broker


def link_to(broker: Broker, **options: object) -> Link:
    """A link as the server makes it: 3.1.1 at once for the embedded broker."""
    options.setdefault("mqtt5", broker.name == "mosquitto")
    return Link(parse_broker_url(broker.url), "ams-server", **options)  # type: ignore[arg-type]


PATIENCE = 90.0  # seconds that a busy machine may take for anything


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - whatever a test waits for has no event
            await asyncio.sleep(0.01)


async def take(link: Link, count: int) -> list[Delivery]:
    """Deliveries until they hold so many messages; for a test that expects them soon."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(payloads(deliveries)) < count:
            deliveries.append(await link.receive(10_000, 0.02))
    return deliveries


async def quiet(link: Link, seconds: float = 0.3) -> bool:
    """Whether nothing arrives for so long."""
    try:
        async with asyncio.timeout(seconds):
            await link.receive(1, 0)
    except TimeoutError:
        return True
    return False


def acknowledge(link: Link, deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        link.acknowledge(delivery)


def payloads(deliveries: list[Delivery]) -> list[bytes]:
    return [payload for delivery in deliveries for payload in delivery.payloads]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]
