"""What a broker loses of what it acknowledged: killed and stopped under load, with some settings.

  python -m tests.bench.brokers --rounds 5

In each round a broker begins with empty data and one persistent subscription that it has saved. Its
subscriber is away while a publisher sends with QoS 1 at the highest rate. Then the broker is killed
with signal 9 (in the last round stopped with SIGTERM), started again with its data, and the
subscriber takes what is left. Lost is what the publisher has an acknowledgement for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import structlog

from ingest.broker_url import parse_broker_url
from ingest.link import Link
from simulators.broker import parse_broker
from simulators.puback import PublishConnection
from tests.bench.core import machine_name
from tests.bench.running import command_line, folder, tell
from tests.fixtures.brokers import Broker, mosquitto_broker, nats_broker
from tests.link.publisher import TOPIC, publish_packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOW, BLOCK = 1000, 100  # messages on their way, and written at once
PAYLOAD = 200  # bytes
QUIET = 4.0  # seconds without a message: then the rest is lost
NEEDED = {"listener", "user", "persistence_location", "allow_anonymous"}


def bare(directory: Path, *lines: str) -> Broker:
    """Mosquitto with its own defaults but for where it listens and keeps data, and ``lines``."""
    broker = mosquitto_broker(directory)
    config = directory / "mosquitto.conf"
    kept = [line for line in config.read_text().splitlines() if line.split()[0] in NEEDED]
    config.write_text("\n".join([*kept, *lines]) + "\n")
    return broker


SETTINGS: dict[str, Callable[[Path], Broker]] = {
    "Mosquitto, its defaults": bare,
    "Mosquitto, `persistence true`, else its defaults": lambda d: bare(d, "persistence true"),
    "Mosquitto, deploy/mosquitto.conf (`autosave_interval 1`)": mosquitto_broker,
    "the same with `autosave_on_changes true`": lambda d: mosquitto_broker(
        d, autosave_on_changes="true"
    ),
    "embedded (NATS JetStream)": nats_broker,
}


@dataclass
class Load:
    """A publisher; ``taken`` is when message n was acknowledged, in seconds of `perf_counter`."""

    connection: PublishConnection | None = None
    sent: int = 0
    taken: list[float] = field(default_factory=list)

    def settle(self, packet_ids: list[int]) -> None:
        """Take note of acknowledgements, which come in the order of the messages."""
        assert packet_ids[0] == _packet_id(len(self.taken)), "acknowledged out of order"
        self.taken.extend([time.perf_counter()] * len(packet_ids))
        self.pump()

    def pump(self) -> None:
        """Send as much as may be on its way."""
        connection = self.connection
        while (
            connection is not None
            and connection.transport is not None
            and connection.writable
            and not connection.transport.is_closing()
            and self.sent - len(self.taken) <= WINDOW - BLOCK
        ):
            numbers = range(self.sent, self.sent + BLOCK)
            self.sent += BLOCK
            connection.transport.write(b"".join(map(_packet, numbers)))


def _packet_id(number: int) -> int:
    return number % 0xFFFF + 1


def _packet(number: int) -> bytes:
    return publish_packet(TOPIC.encode(), b"%0*d" % (PAYLOAD, number), _packet_id(number))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one or more rounds; ``oldest`` in seconds before the end of the broker, NaN for none."""

    acknowledged: int
    lost: int
    oldest: float
    seconds: float

    @property
    def rate(self) -> float:
        """Acknowledged messages a second."""
        return self.acknowledged / self.seconds


def together(outcomes: list[Outcome]) -> Outcome:
    """Return the sums, and the oldest of all that was lost."""
    return Outcome(
        sum(one.acknowledged for one in outcomes),
        sum(one.lost for one in outcomes),
        float(np.fmax.reduce([one.oldest for one in outcomes])),
        sum(one.seconds for one in outcomes),
    )


def link(broker: Broker) -> Link:
    """Return the server's own subscription."""
    return Link(parse_broker_url(broker.url), "ams-server", mqtt5=broker.name == "mosquitto")


async def connected(subscriber: Link) -> None:
    """Wait until the subscription is live."""
    while not subscriber.connected:  # noqa: ASYNC110 - has no event
        await asyncio.sleep(0.01)


async def send_until(broker: Broker, end: Callable[[], None], seconds: float) -> Outcome:
    """Load a broker for some seconds, end it, start it again, and see what is left."""
    load = Load()
    loop = asyncio.get_running_loop()
    _, load.connection = await loop.create_connection(
        lambda: PublishConnection(parse_broker(broker.url), "load", load.settle, load.pump),
        "127.0.0.1",
        broker.port,
    )
    await load.connection.ready
    began = time.perf_counter()
    load.pump()
    await asyncio.sleep(seconds)
    ended = time.perf_counter()
    end()
    await load.connection.lost
    broker.start()
    left = await rest(broker)
    taken = np.asarray(load.taken)
    lost = np.setdiff1d(np.arange(len(taken)), left)
    oldest = ended - taken[lost].min() if len(lost) else math.nan
    return Outcome(len(taken), len(lost), oldest, ended - began)


async def rest(broker: Broker) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers of all messages that the broker still has."""
    found: list[int] = []
    async with link(broker) as subscriber:
        await connected(subscriber)
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    delivery = await subscriber.receive(10_000, 0.02)
            except TimeoutError:
                return np.asarray(found, np.int64)
            found += map(int, delivery.payloads)
            subscriber.acknowledge(delivery)


async def one_round(make: Callable[[Path], Broker], way: str, seconds: float) -> Outcome:
    """Return what came of one broker; ``way`` is "kill" or "stop"."""
    with folder() as place:
        broker = make(place)
        broker.start()
        try:
            async with link(broker) as subscriber:
                await connected(subscriber)
            broker.stop()  # a clean stop saves the subscription
            broker.start()
            return await send_until(broker, getattr(broker, way), seconds)
        finally:
            broker.kill()


async def measure(name: str, rounds: int, seconds: float) -> str:
    """Return the table's row for one setting."""
    killed: list[Outcome] = []
    for number in range(rounds):
        tell(f"{name}: kill {number + 1} of {rounds}")
        killed.append(await one_round(SETTINGS[name], "kill", seconds + random.uniform(0, 1)))
    tell(f"{name}: clean stop")
    stopped = await one_round(SETTINGS[name], "stop", seconds)
    whole = together(killed)
    cells = [name, f"{whole.rate:,.0f}", *shown(whole), *shown(stopped)]
    return "| " + " | ".join(cells) + " |"


def shown(outcome: Outcome) -> list[str]:
    """Return what was acknowledged, what was lost, and how old the oldest of that was."""
    age = "–" if math.isnan(outcome.oldest) else f"{outcome.oldest:.2f} s"
    return [f"{outcome.acknowledged:,}", f"{outcome.lost:,}", age]


async def run(rounds: int, seconds: float) -> None:
    """Print a row for each setting."""
    heads = [
        "broker", "messages/s", "acknowledged", "lost at kill -9", "oldest, before the kill",
        "acknowledged", "lost at SIGTERM", "oldest, before the stop",
    ]  # fmt: skip
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name in SETTINGS:
        print(await measure(name, rounds, seconds), flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = command_line(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="kills for each setting")
    parser.add_argument("--seconds", type=float, default=3.0, help="load before each kill")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"brokers under QoS 1 load, {PAYLOAD} bytes a message; {machine_name()}\n")
    asyncio.run(run(options.rounds, options.seconds))


if __name__ == "__main__":
    main()
