"""The link to the broker: messages in, acknowledgements out, for ever."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

import structlog

from ingest.backoff import Backoff
from ingest.broker_url import BrokerUrl
from ingest.codec5 import NEVER_EXPIRES, Codec5
from ingest.codec311 import Codec311
from ingest.connection import Connection, Refused
from ingest.inbox import Delivery, Inbox
from ingest.packets import Arrived, ConnAck, Hello, MalformedPacket, WrongVersion

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "Delivery", "Link"]

log = structlog.get_logger(__name__)

TOPIC_FILTER = "ams/v1/+/+/readings"
MAX_MESSAGES = 30_000  # unacknowledged; well below 65,535, so that their packet ids differ
MAX_BYTES = 64 * 1024 * 1024  # of unacknowledged payload
LARGEST_MESSAGE = 4 * 1024 * 1024  # bytes of payload; its packet is some bytes longer
OPEN_TIMEOUT = 15.0  # seconds, once for the connection and once for login and subscription
CLOSE_TIMEOUT = 2.0  # seconds


def wall_clock() -> int:
    """Now, in µs since 1970 UTC."""
    return time.time_ns() // 1000


class Link:
    """A subscription with QoS 1 and a persistent session, connected again whenever it breaks.

    Nothing is acknowledged before `acknowledge`. When `max_messages` or `max_bytes` of payload
    wait for that, the link stops reading; each bound may be overshot by one chunk of the network's
    (256 kB, or one message). Entering raises BrokerUrlError for TLS files that cannot be used, and
    does not wait for the broker. `last_error` names the broker; it is "" while connected.
    """

    def __init__(  # noqa: PLR0913 - all but two are options with a default
        self,
        broker: BrokerUrl,
        client_id: str,
        *,
        topic_filter: str = TOPIC_FILTER,
        mqtt5: bool = True,
        keepalive: int = 30,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        on_connected: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        password = None if broker.password is None else broker.password.encode()
        self._hello = Hello(client_id, broker.username, password, keepalive, max_messages)
        self._broker = broker
        self._filter = topic_filter
        self._codecs: deque[type[Codec5 | Codec311]] = deque([Codec5, Codec311])
        if not mqtt5:
            self._codecs.popleft()
        self._proven = False  # whether the broker speaks the first of them
        self._on_connected = on_connected
        self._clock = clock
        self._inbox = Inbox(max_messages, max_bytes)
        self._connection: Connection | None = None
        self._tls: ssl.SSLContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = 1  # messages that `receive` waits for
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.last_error = "not connected yet"

    async def __aenter__(self) -> Self:
        self._tls = await asyncio.to_thread(self._broker.ssl_context)
        self._task = asyncio.create_task(self._run(), name="broker link")
        self._task.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            await _close(self._connection)

    # ---- what the pipeline uses ----

    @property
    def connected(self) -> bool:
        """Whether the subscription is live."""
        connection = self._connection
        return connection is not None and _is_live(connection)

    @property
    def unacked(self) -> int:
        """Messages that arrived and are not acknowledged yet."""
        return len(self._inbox)

    @property
    def oldest_unacked_at(self) -> int | None:
        """Receipt of the oldest of them, µs since 1970 UTC."""
        return self._inbox.oldest

    async def receive(self, max_messages: int, max_wait: float) -> Delivery:
        """The next messages: waits for one, then until `max_wait` seconds after its arrival.

        It is given earlier once it has `max_messages` or 4 MiB of payload. One caller at a time.
        """
        await self._waiting_for(1, None)
        first = self._inbox.first_arrived
        if first is not None:
            await self._waiting_for(max_messages, first + max_wait)
        return self._inbox.take(max_messages)

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that it may forget these; not told when their connection is gone."""
        if not self._inbox.remove(delivery):
            return
        delivery.connection.acknowledge(delivery.packet_ids)
        if not self._inbox.full:
            self._room.set()
            if self._connection is not None:
                self._connection.resume()

    # ---- own steps ----

    async def _waiting_for(self, messages: int, until: float | None) -> None:
        self._wanted = messages
        try:
            async with asyncio.timeout_at(until):
                while not self._inbox.has(messages):
                    if self._task is not None and self._task.done():
                        self._task.result()  # a fault of our own is the caller's to see
                        raise RuntimeError("the link has been left")
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return

    def _on_arrival(self, connection: Connection, arrived: Arrived) -> None:
        now = asyncio.get_running_loop().time()
        self._inbox.add(connection, arrived, self._clock(), now)
        if self._inbox.has(self._wanted):
            self._arrived.set()
        if self._inbox.full:
            self._room.clear()
            connection.pause()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            # A new connection brings new messages even before its subscription is confirmed.
            await self._room.wait()
            began = loop.time()
            reason = await self._converse()
            self.last_error = f"{self._broker}: {reason}"
            log.warning("broker link", error=self.last_error)
            await asyncio.sleep(backoff.next(loop.time() - began))

    async def _converse(self) -> str:
        """One connection from beginning to end; why it ended."""
        try:
            connection = await self._open()
        except TimeoutError:
            return f"the broker does not answer within {OPEN_TIMEOUT:.0f} s"
        except (OSError, Refused, WrongVersion, MalformedPacket) as error:
            return str(error)
        for warning in _doubts(connection.welcome, known=self._proven):
            log.warning("broker link", broker=str(self._broker), warning=warning)
        self._proven = True
        log.info("broker link connected", broker=str(self._broker), codec=self._codecs[0].__name__)
        self.last_error = ""
        self._on_connected()
        return await asyncio.shield(connection.closed)

    async def _open(self) -> Connection:
        """A connection whose subscription is live."""
        codec = self._codecs[0]
        async with asyncio.timeout(OPEN_TIMEOUT):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(codec(), self._hello, self._filter, self._on_arrival),
                self._broker.host,
                self._broker.port,
                ssl=self._tls,
            )
        self._connection = connection
        try:
            await asyncio.wait([connection.granted], timeout=OPEN_TIMEOUT)
        finally:
            if not _is_live(connection):
                await _close(connection)
        if not (connection.welcome or self._proven):
            # What a broker does with a version that it does not speak: say so, or just hang up.
            self._codecs.rotate()
        if not connection.granted.done():
            raise TimeoutError
        connection.granted.result()
        return connection


def _doubts(welcome: ConnAck | None, *, known: bool) -> Iterator[str]:
    """What the broker's welcome tells against its keeping everything until we acknowledge it."""
    if welcome is None:
        return
    if known and not welcome.session_present:
        yield "it had forgotten our session; what units sent since it last had it may be lost"
    if welcome.session_expiry not in {None, NEVER_EXPIRES}:
        yield f"it forgets what waits for us when we are away for {welcome.session_expiry} s"
    if welcome.max_packet is not None and welcome.max_packet <= LARGEST_MESSAGE:
        yield f"it takes no message above {welcome.max_packet} bytes; units may send 4 MiB"


def _is_live(connection: Connection) -> bool:
    granted = connection.granted
    return granted.done() and granted.exception() is None and not connection.closed.done()


async def _close(connection: Connection) -> None:
    """End a connection in good form, or at least end it."""
    connection.disconnect()
    await asyncio.wait([connection.closed], timeout=CLOSE_TIMEOUT)
    connection.abort()
