"""What the link promises when connections break and brokers die."""

import asyncio
import shutil

from ingest.broker_url import parse_broker_url
from ingest.link import Link
from tests.fixtures.brokers import Broker
from tests.link.proxy import Wire
from tests.link.publisher import publish
from tests.link.waiting import acknowledge, link_to, numbered, payloads, quiet, take, until


def link_over(wire: Wire, broker: Broker) -> Link:
    return Link(parse_broker_url(wire.url), "ams-server", mqtt5=broker.name == "mosquitto")


async def test_a_cut_connection_is_made_again_and_nothing_is_missing(prompt: Broker) -> None:
    async with Wire(prompt) as wire, link_over(wire, prompt) as link:
        await until(lambda: link.connected)
        await publish(prompt, numbered(100))
        before = await take(link, 100)
        wire.cut()
        await until(lambda: not link.connected)
        await until(lambda: link.connected)
        again = await take(link, 100)
        assert payloads(again) == payloads(before) == numbered(100)
        acknowledge(link, before + again)
        assert link.unacked == 0
        assert await quiet(link, 1.5)


async def test_an_acknowledgement_ends_with_its_connection(prompt: Broker) -> None:
    async with Wire(prompt) as wire, link_over(wire, prompt) as link:
        await until(lambda: link.connected)
        await publish(prompt, numbered(100))
        before = await take(link, 100)
        wire.cut()
        await until(lambda: not link.connected)
        await until(lambda: link.connected)
        acknowledge(link, before)
        assert payloads(await take(link, 100)) == numbered(100)
    async with link_to(prompt) as link:
        assert payloads(await take(link, 100)) == numbered(100)


async def test_ids_that_begin_again_after_a_restart_acknowledge_nobody_else(
    impatient_nats: Broker,
) -> None:
    # A slow commit of ids 1 to 10, the broker dies meanwhile, and ids 1 to 10 are new messages:
    # a late acknowledgement once made those disappear before they were committed.
    broker = impatient_nats
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        await publish(broker, (b"old %d" % number for number in range(10)))
        slow = await take(link, 10)
        broker.kill()
        await until(lambda: not link.connected)
        broker.start()
        await until(lambda: link.connected)
        await publish(broker, (b"new %d" % number for number in range(10)))
        fresh = await take(link, 10)
        assert set(fresh[0].packet_ids) & set(slow[0].packet_ids)
        acknowledge(link, slow)
    async with link_to(broker) as link:
        everything = set(payloads(await take(link, 20)))
    assert everything >= {b"new %d" % number for number in range(10)}


async def test_ids_that_begin_again_with_the_session_acknowledge_nobody_else(
    forgetful_mosquitto: Broker,
) -> None:
    broker = forgetful_mosquitto
    async with Wire(broker) as wire, link_over(wire, broker) as link:
        await until(lambda: link.connected)
        await publish(broker, (b"old %d" % number for number in range(10)))
        slow = await take(link, 10)
        broker.kill()
        await until(lambda: not link.connected)
        broker.start()
        await until(lambda: link.connected)
        await publish(broker, (b"new %d" % number for number in range(10)))
        fresh = await take(link, 10)
        assert set(fresh[0].packet_ids) & set(slow[0].packet_ids)
        acknowledge(link, slow)
        wire.cut()
        assert payloads(await take(link, 10)) == payloads(fresh)


async def test_a_killed_broker_is_found_again(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        broker.kill()
        await until(lambda: not link.connected)
        await until(lambda: bool(link.last_error))
        broker.start()
        await until(lambda: link.connected)
        assert not link.last_error
        await publish(broker, [b"back"])
        assert b"back" in payloads(await take(link, 1))


async def test_the_link_waits_for_a_broker_that_starts_later(broker: Broker) -> None:
    broker.stop()
    async with link_to(broker) as link:
        await until(lambda: "Connection refused" in link.last_error)
        broker.start()
        await until(lambda: link.connected)


async def test_a_lost_session_is_subscribed_again(broker: Broker) -> None:
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        broker.stop()
        await until(lambda: not link.connected)
        data = broker.log.parent
        for path in [data / "mosquitto.db", data / "jetstream"]:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        broker.start()
        await until(lambda: link.connected)
        await publish(broker, [b"heard"])
        assert payloads(await take(link, 1)) == [b"heard"]


async def test_a_broker_that_falls_silent_is_left(broker: Broker) -> None:
    async with link_to(broker, keepalive=1) as link:
        await until(lambda: link.connected)
        broker.pause()
        await until(lambda: not link.connected)
        await until(lambda: bool(link.last_error))
        assert link.last_error == f"{broker.url}: the broker is silent for 2 s"
        broker.resume()
        await until(lambda: link.connected)


async def test_a_full_link_stays_connected_and_goes_on(broker: Broker) -> None:
    # Not reading, it cannot hear the broker: that must not count as silence.
    async with link_to(broker, keepalive=1, max_messages=1_000) as link:
        await until(lambda: link.connected)
        await publish(broker, (b"%01000d" % number for number in range(20_000)))
        await until(lambda: link.unacked >= 1_000)
        held = link.unacked
        await asyncio.sleep(4)  # longer than the broker and the link allow for silence
        assert link.connected
        assert link.unacked == held
        got = 0
        async with asyncio.timeout(60):
            while got < 20_000:
                delivery = await link.receive(5_000, 0.01)
                assert delivery.payloads[0] == b"%01000d" % got
                got += len(delivery.payloads)
                link.acknowledge(delivery)


async def test_what_arrived_before_a_cut_is_delivered_although_it_comes_again(
    mosquitto: Broker,
) -> None:
    # Whether the broker still has it is not ours to know: the copy in hand is sure.
    async with Wire(mosquitto) as wire, link_over(wire, mosquitto) as link:
        await until(lambda: link.connected)
        await publish(mosquitto, numbered(5))
        await until(lambda: link.unacked == 5)
        wire.cut()
        await until(lambda: link.unacked == 10)
        deliveries = await take(link, 10)
        assert [len(delivery.payloads) for delivery in deliveries] == [5, 5]
        acknowledge(link, deliveries)
        assert await quiet(link)
