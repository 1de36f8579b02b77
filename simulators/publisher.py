"""One MQTT client that keeps each message until the broker acknowledged it."""

from __future__ import annotations

import asyncio
import math
import random
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.mqtt_client import Client, MqttCodeError, MqttError, Will
from simulators.errors import BrokerUnreachableError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from simulators.broker import Broker

WINDOW = 20  # messages in flight: the most that brokers take by default
CAPACITY = 10_000  # messages a unit keeps; whoever brings more waits
FIRST_RETRY = 0.2  # seconds
LONGEST_RETRY = 5.0  # seconds
REFUSALS = {4, 5, 134, 135}  # bad credentials, not authorised; MQTT 3.1.1 and 5 (as paho says it)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way; ``retain`` marks the state of a unit, which no count includes."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(slots=True)
class Counts:
    """What became of the messages: ``sent`` counts each attempt, so it may exceed ``put``."""

    put: int = 0
    sent: int = 0
    acknowledged: int = 0

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return self.put - self.acknowledged


@dataclass(slots=True, eq=False)
class Publisher:
    """Publishes parcels in order at QoS 1, through broken connections and broker restarts.

    ``states`` is published at each connection before anything else and ``farewell`` before an
    orderly end, both retained; ``will`` is what the broker says when the client vanishes.
    ``acknowledged`` hears of each parcel when the broker has acknowledged it.
    """

    broker: Broker
    client_id: str
    counts: Counts
    states: dict[str, bytes] = field(default_factory=dict)
    farewell: dict[str, bytes] = field(default_factory=dict)
    will: Parcel | None = None  # retained
    acknowledged: Callable[[Parcel], None] = lambda _: None
    connections: int = 0
    _waiting: deque[Parcel] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _space: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: bool = False
    _kept: int = 0

    async def put(self, parcel: Parcel) -> None:
        """Accept ``parcel`` for delivery; waits while ``CAPACITY`` parcels are not acknowledged."""
        while self._kept >= CAPACITY:
            self._space.clear()
            await self._space.wait()
        self._waiting.append(parcel)
        self._kept += 1
        self.counts.put += not parcel.retain
        self._changed.set()

    def close(self) -> None:
        """Let `run` end once everything that was put is acknowledged."""
        self._closing = True
        self._changed.set()

    async def run(self) -> None:
        """Deliver until closed and empty, reconnecting for ever after the first connection.

        Raises BrokerUnreachableError when the broker refuses the client, or when the first
        connection does not succeed in time.
        """
        give_up = asyncio.get_running_loop().time() + self.broker.patience
        failures = 0
        while True:
            connections = self.connections
            try:
                await self._connection()
            except MqttError as error:
                self._judge(error, give_up)
            except asyncio.CancelledError:
                # aiomqtt cancels its own futures when a connection breaks at an awkward moment:
                # only a cancellation of this very task is one.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            else:
                if not self._kept:
                    return
            failures = 0 if self.connections > connections else failures + 1
            delay = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures, 10))
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))

    async def _connection(self) -> None:
        async with Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.username,
            password=self.broker.password,
            tls_context=self.broker.tls,
            identifier=self.client_id,
            will=_will(self.will),
            clean_session=True,
            keepalive=30,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as client:
            client.pending_calls_threshold = WINDOW
            self.connections += 1
            await _while_connected(client, self._deliver(client))

    def _judge(self, error: MqttError, give_up: float) -> None:
        """Raise unless another attempt makes sense."""
        if self.connections:
            return
        reason = error.rc if isinstance(error, MqttCodeError) else None
        if getattr(reason, "value", reason) in REFUSALS:
            raise BrokerUnreachableError(
                f"{self.broker} refuses {self.client_id}: {reason}; check user and password"
            ) from None
        if asyncio.get_running_loop().time() > give_up:
            raise BrokerUnreachableError(f"no broker at {self.broker}: {error}") from None

    async def _deliver(self, client: Client) -> None:
        for topic, payload in list(self.states.items()):
            await client.publish(topic, payload, qos=1, retain=True, timeout=math.inf)
        await self._deliver_parcels(client)
        for topic, payload in self.farewell.items():
            await client.publish(topic, payload, qos=1, retain=True, timeout=math.inf)

    async def _deliver_parcels(self, client: Client) -> None:
        """Keep up to WINDOW parcels in flight; whatever ends this, none is forgotten."""
        flying: deque[tuple[Parcel, asyncio.Task[None]]] = deque()
        try:
            while flying or self._waiting or not self._closing:
                while self._waiting and len(flying) < WINDOW:
                    parcel = self._waiting.popleft()
                    flying.append((parcel, asyncio.create_task(_publish(client, parcel))))
                    self.counts.sent += not parcel.retain
                if not flying:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                await asyncio.wait({flying[0][1]})  # brokers acknowledge in order
                flying[0][1].result()
                self._settle(*flying.popleft())
        finally:
            # without waiting: a cancellation in the middle of it would forget them
            for parcel, task in reversed(flying):
                self._settle(parcel, task)

    def _settle(self, parcel: Parcel, task: asyncio.Task[None]) -> None:
        """Count a parcel that is acknowledged; keep any other, before those behind it."""
        if not task.done():
            task.cancel()
            task.add_done_callback(_heard)
        if not _succeeded(task):
            self._waiting.appendleft(parcel)
            return
        self.counts.acknowledged += not parcel.retain
        self.acknowledged(parcel)
        self._kept -= 1
        self._space.set()


def _succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _will(parcel: Parcel | None) -> Will | None:
    return Will(parcel.topic, parcel.payload, 1, retain=True) if parcel else None


async def _publish(client: Client, parcel: Parcel) -> None:
    # no time limit: a broker may be slow to acknowledge, a dead one fails the keep-alive
    await client.publish(
        parcel.topic, parcel.payload, qos=1, retain=parcel.retain, timeout=math.inf
    )


async def _while_connected(client: Client, work: Coroutine[None, None, None]) -> None:
    """Run ``work``; end it with the MqttError that tells of a lost connection."""

    async def notice_loss() -> None:
        # nothing is subscribed: the iteration ends only with the connection, and at once, while
        # a publish in flight would wait for its time limit
        async for _ in client.messages:
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(notice_loss())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        watching.cancel()
        outcome, lost = await asyncio.gather(working, watching, return_exceptions=True)
    ended = lost if isinstance(outcome, asyncio.CancelledError) else outcome
    if ended is not None:
        raise ended


async def deliver(
    publishers: Iterable[Publisher],
    feed: Callable[[], Coroutine[None, None, None]],
    stop: asyncio.Event,
    grace: float = 10.0,
) -> None:
    """Run the publishers while ``feed`` brings parcels; end when all is acknowledged.

    When ``stop`` is set, nothing more is brought and what is waiting gets ``grace`` seconds.
    Raises BrokerUnreachableError as `Publisher.run` does.
    """
    publishers = list(publishers)
    try:
        await _deliver(publishers, feed, stop, grace)
    except ExceptionGroup as errors:
        mendable, others = errors.split(UserError)
        if mendable is None or others is not None:
            raise
        raise _first(mendable) from None


async def _deliver(
    publishers: Sequence[Publisher],
    feed: Callable[[], Coroutine[None, None, None]],
    stop: asyncio.Event,
    grace: float,
) -> None:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(publisher.run()) for publisher in publishers]
        ended = group.create_task(_all_done(running))
        stopped = group.create_task(_event(stop))
        feeding = group.create_task(feed())
        await asyncio.wait({feeding, stopped}, return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        for publisher in publishers:
            publisher.close()
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({ended}, timeout=grace)
        for task in (*running, stopped):
            task.cancel()


async def _all_done(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _event(event: asyncio.Event) -> None:
    await event.wait()


def _first(group: BaseExceptionGroup[UserError]) -> UserError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
