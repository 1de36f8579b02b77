"""A publish-only MQTT 3.1.1 client that costs next to nothing: whole blocks out, PUBACKs in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from simulators.load_messages import remaining_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.broker import Broker

CONNACK, PUBACK = 0x20, 0x40
CLEAN, USERNAME, PASSWORD = 0x02, 0x80, 0x40


def connect_packet(client_id: str, username: str | None, password: str | None) -> bytes:
    """Return a CONNECT packet: clean session, no keep-alive."""
    flags = CLEAN | (USERNAME if username is not None else 0)
    flags |= PASSWORD if password is not None else 0
    fields = [text for text in (client_id, username, password) if text is not None]
    body = b"\x00\x04MQTT\x04" + bytes([flags, 0, 0])
    body += b"".join(_text(field) for field in fields)
    return bytes([0x10]) + remaining_length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


class PublishConnection(asyncio.Protocol):
    """One connection. ``acknowledged`` gets the packet ids of each block of PUBACKs.

    ``ready`` is set when the broker has accepted the client, or fails: with
    PermissionError when the broker refuses it, else ConnectionError.
    ``lost`` is set when the connection is gone. ``writable`` is False while the transport's buffer
    is full; ``writable_again`` is called when it no longer is.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        acknowledged: Callable[[list[int]], None],
        writable_again: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.writable = True
        self.transport: asyncio.Transport | None = None
        self._connect = connect_packet(client_id, broker.username, broker.password)
        self._acknowledged, self._writable_again = acknowledged, writable_again
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the client."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._connect)

    def data_received(self, data: bytes) -> None:
        """Take in acknowledgements; all packets that a broker sends here are four bytes long."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        if not self.ready.done() and whole:
            self._answer(data[:4])
            data = data[4:]
            whole -= 4
        kinds = data[0:whole:4]
        if kinds.count(PUBACK) != len(kinds):
            self._fail(f"an unexpected packet: {data[:whole].hex()[:40]}")
            return
        if kinds:
            high, low = data[2:whole:4], data[3:whole:4]
            self._acknowledged([a << 8 | b for a, b in zip(high, low, strict=True)])

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(str(exc or "closed by the broker")))
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Stop sending while the transport's buffer is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on sending."""
        self.writable = True
        self._writable_again()

    def _answer(self, packet: bytes) -> None:
        if packet[0] != CONNACK:
            self._fail(f"no CONNACK but {packet.hex()}")
        elif packet[3]:
            self._fail(f"refused with code {packet[3]}; check user and password")
        else:
            self.ready.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(PermissionError(reason))
        if self.transport is not None:
            self.transport.abort()
