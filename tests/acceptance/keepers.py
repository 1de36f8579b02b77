"""Units that keep each reading until a receipt names it, and remember what the broker took."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ingest.mqtt_client import Client, MqttError
from simulators.broker import parse_broker
from simulators.publisher import Counts, Parcel, Publisher, deliver
from tests.acceptance.publishing import sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

BOOT = "b1"
START = (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
AT_ONCE, PAUSE = 10, 0.05  # messages, seconds: 200 a second


def instant_of(seq: int) -> datetime:
    return START + timedelta(seconds=seq)


def value_of(seq: int) -> float:
    return float(seq % 50)


@dataclass
class Keeper:
    """A unit with one channel, called ``key``: message ``seq`` holds the value of its own instant.

    ``taken`` is when the broker acknowledged a message, each time; ``receipt`` the highest
    number that the server's receipts named, -1 for none.
    """

    unit: str
    key: str
    url: str
    next: int = 0
    kept: dict[int, Parcel] = field(default_factory=dict)
    taken: dict[int, list[float]] = field(default_factory=dict)
    receipt: int = -1
    speaking: bool = True

    def __post_init__(self) -> None:
        self.topic = f"ams/v1/gres1/{self.unit}"
        self.publisher = Publisher(
            parse_broker(self.url), f"keeper-{self.unit}", Counts(), acknowledged=self._took
        )

    def _took(self, parcel: Parcel) -> None:
        self.taken.setdefault(json.loads(parcel.payload)["seq"], []).append(time.time())

    async def speak(self) -> None:
        """Publish until ``speaking`` ends.

        The first message goes alone until a receipt names it: the server cannot know the first
        number of a boot, so if the broker lost that one, a receipt for a later one would say
        nothing of it.
        """
        await self._publish_next()
        while self.receipt < 0:  # noqa: ASYNC110 - set by the listener
            await asyncio.sleep(PAUSE)
        while self.speaking:
            for _ in range(AT_ONCE):
                await self._publish_next()
            await asyncio.sleep(PAUSE)

    async def repeat(self) -> None:
        """Publish again what no receipt covers, and wait until the broker has nearly all of it."""
        for parcel in list(self.kept.values()):
            await self.publisher.put(parcel)
        while self.publisher.counts.waiting > 2 * AT_ONCE:  # noqa: ASYNC110 - has no event
            await asyncio.sleep(PAUSE)

    async def listen(self) -> None:
        """Hear receipts for ever, through broken connections."""
        broker = self.publisher.broker
        while True:
            try:
                name = f"listener-{self.unit}"
                async with Client(broker.host, broker.port, identifier=name) as client:
                    await client.subscribe(f"{self.topic}/receipt", qos=1)
                    async for message in client.messages:
                        assert isinstance(message.payload, bytes)
                        self._hear(json.loads(message.payload)["seq"])
            except MqttError:
                await asyncio.sleep(PAUSE)

    def _hear(self, seq: int) -> None:
        self.receipt = max(self.receipt, seq)
        for covered in [each for each in self.kept if each <= seq]:
            del self.kept[covered]

    async def _publish_next(self) -> None:
        seq, self.next = self.next, self.next + 1
        said = [sample(instant_of(seq), {self.key: value_of(seq)})]
        payload = json.dumps({"boot": BOOT, "seq": seq, "samples": said}).encode()
        self.kept[seq] = Parcel(f"{self.topic}/readings", payload)
        await self.publisher.put(self.kept[seq])


@asynccontextmanager
async def speaking(keepers: Sequence[Keeper]) -> AsyncIterator[None]:
    """Let the units publish and listen; at the end all that they published is acknowledged."""
    done = asyncio.Event()

    async def feed() -> None:
        await asyncio.gather(*(keeper.speak() for keeper in keepers))
        await done.wait()

    async with asyncio.TaskGroup() as group:
        listeners = [group.create_task(keeper.listen()) for keeper in keepers]
        publishers = [keeper.publisher for keeper in keepers]
        delivery = group.create_task(deliver(publishers, feed, asyncio.Event()))
        yield
        done.set()
        await delivery
        for listener in listeners:
            listener.cancel()
