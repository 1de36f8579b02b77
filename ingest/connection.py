"""One connection to the broker, from CONNECT to its end."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from ingest.packets import (
    DISCONNECT,
    MAX_PACKET_ID,
    PINGREQ,
    Arrived,
    Codec,
    ConnAck,
    Goodbye,
    Hello,
    MalformedPacket,
    SubAck,
    WrongVersion,
    pubacks,
)

UNANSWERED = 3  # pings, one each half keepalive; then the broker counts as dead
SUBSCRIBE_ID = 1


class Refused(Exception):  # noqa: N818 - what the broker did
    """The broker refuses the login or the subscription; the message repeats its reason."""


class Connection(asyncio.Protocol):
    """Logs in, subscribes, and hands on what arrives; an acknowledgement is good only here.

    `granted` is done when the subscription is live and fails with Refused, WrongVersion or
    an OSError; `closed` gives the reason of the end. `on_arrival` gets the messages of a chunk.
    """

    def __init__(
        self,
        codec: Codec,
        hello: Hello,
        topic_filter: str,
        on_arrival: Callable[["Connection", Arrived], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.granted: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.welcome: ConnAck | None = None  # what the broker said when it took the login
        self.paused = False
        self._leaving = False
        self._codec = codec
        self._hello = hello
        self._filter = topic_filter
        self._on_arrival = on_arrival
        self._transport: asyncio.Transport | None = None
        self._reason: Exception | None = None
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._arrived = 0  # messages so far
        self._seen: dict[int, int] = {}  # packet id → number of the last message that had it

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Write the PUBACKs as one block; without effect when the connection is gone.

        The ids mean nothing to a later connection: a broker that starts numbering anew would take
        them for other messages, and forget those before they are committed.
        """
        if self._transport is None or self.closed.done():
            return
        if 0 in packet_ids:
            packet_ids = [packet_id for packet_id in packet_ids if packet_id]
        if packet_ids:
            self._transport.write(pubacks(packet_ids))

    def pause(self) -> None:
        """Stop reading; the broker keeps what it cannot send."""
        if not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._unanswered = 0
            self._transport.resume_reading()

    def disconnect(self) -> None:
        """Say goodbye; the session stays. The broker hangs up when it has read all we wrote.

        To hang up first, and perhaps log in anew, would make it forget acknowledgements that it
        has not read yet.
        """
        if self._transport is not None and not self.closed.done():
            self._leaving = True
            self._transport.write(DISCONNECT)
            self.resume()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    # ---- what asyncio calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._codec.connect(self._hello))
        self._every(self._hello.keepalive)
        peer = self._transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # While we do not read, a dead peer shows only in that it takes nothing from us.
            limit = UNANSWERED * self._hello.keepalive * 500  # milliseconds
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)

    def data_received(self, data: bytes) -> None:
        """Take a chunk apart and hand its messages on."""
        self._unanswered = 0
        if self._leaving:
            return
        try:
            arrived = self._codec.feed(data)
            for answer in arrived.answers:
                self._answered(answer)
        except (MalformedPacket, WrongVersion, Refused) as error:
            self._fail(error)
            return
        if arrived.again:
            self._drop_repeated(arrived)
        if arrived.packet_ids:
            numbers = range(self._arrived, self._arrived + len(arrived.packet_ids))
            self._seen.update(zip(arrived.packet_ids, numbers, strict=True))
            self._arrived = numbers.stop
            self._grant()  # nothing would arrive without a subscription
            self._on_arrival(self, arrived)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's wish."""
        if self._timer is not None:
            self._timer.cancel()
        error = self._reason or exc or ConnectionError("the broker closed the connection")
        if not self.granted.done():
            self.granted.set_exception(error)
            self.granted.exception()  # seen: whoever waits for it hears it, or nobody does
        if not self.closed.done():
            self.closed.set_result(str(error) or type(error).__name__)

    # ---- own steps ----

    def _answered(self, answer: ConnAck | SubAck | Goodbye) -> None:
        match answer:
            case ConnAck(refused=str(reason)):
                raise Refused(f"the broker refuses the login: {reason}")
            case ConnAck(keepalive=keepalive):
                self.welcome = answer
                if keepalive:
                    self._every(keepalive)
                # Also when the session is there: that shows whether we may still have it.
                self._write(self._codec.subscribe(SUBSCRIBE_ID, self._filter))
            case SubAck(refused=str(reason)):
                raise Refused(f"the broker refuses the subscription to {self._filter}: {reason}")
            case SubAck():
                self._grant()
            case Goodbye(reason=reason):
                self._reason = ConnectionError(f"the broker ended the connection: {reason}")

    def _drop_repeated(self, arrived: Arrived) -> None:
        """Take out what this connection has delivered already.

        NATS sends a message again on the same connection when it was not acknowledged in time. To
        handle it twice is needless, and to acknowledge it twice would be wrong: its id may belong
        to another message by then. Mosquitto never does this, but after 65,535 messages its ids
        begin again, and in a queue that it repeats to a new connection those are other messages.
        """
        again = set(arrived.again)
        seen, number = dict[int, int](), self._arrived
        kept = []
        for position, packet_id in enumerate(arrived.packet_ids):
            last = seen.get(packet_id, self._seen.get(packet_id))
            if position in again and last is not None and number - last < MAX_PACKET_ID:
                continue
            seen[packet_id] = number
            number += 1
            kept.append(position)
        arrived.packet_ids = [arrived.packet_ids[position] for position in kept]
        arrived.topics = [arrived.topics[position] for position in kept]
        arrived.payloads = [arrived.payloads[position] for position in kept]

    def _grant(self) -> None:
        if not self.granted.done():
            self.granted.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._reason = error
        self.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _every(self, keepalive: int) -> None:
        """Ping twice in `keepalive` seconds from now on."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(keepalive / 2, self._ping, keepalive)

    def _ping(self, keepalive: int) -> None:
        # Counted and not timed: after the whole process was held up, what the broker said
        # meanwhile is still to be read. While we do not read, nothing can be heard.
        if self._unanswered >= UNANSWERED and not self.paused:
            self._fail(ConnectionError(f"the broker is silent for {keepalive * 1.5:.0f} s"))
            return
        self._unanswered += 1
        self._write(PINGREQ)
        self._every(keepalive)
