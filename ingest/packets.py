"""What both MQTT codecs share: packets cut out of a stream of bytes, and what they said.

Of MQTT this server needs the receiving half with QoS 1 and nothing else: it sends CONNECT,
SUBSCRIBE, PUBACK, PINGREQ and DISCONNECT, and reads what a broker answers to these and PUBLISH.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

CONNACK, PUBLISH, SUBACK, PINGRESP = 0x20, 0x30, 0x90, 0xD0  # packet types in a first byte
AT_LEAST_ONCE = 1
MAX_PACKET_ID = 65_535

_PUBACK = np.dtype([("header", ">u2"), ("packet_id", ">u2")])
_PUBACK_HEADER = 0x4002


class MalformedPacket(Exception):  # noqa: N818 - named after what it tells, like `InvalidReading`
    """The broker sent what is no MQTT: this connection cannot go on."""


class WrongVersion(Exception):  # noqa: N818 - an answer of the broker, no fault of anybody's
    """The broker does not speak the version of MQTT that it was asked to."""


@dataclass(frozen=True, slots=True)
class ConnAck:
    """Answer to CONNECT; `refused` says why not, None is success.

    MQTT 5 lets a broker change what was asked for, None is "as asked": `keepalive` and
    `session_expiry` in seconds, `max_packet` in bytes that it takes.
    """

    session_present: bool
    refused: str | None = None
    keepalive: int | None = None
    session_expiry: int | None = None
    max_packet: int | None = None


@dataclass(frozen=True, slots=True)
class SubAck:
    """Answer to SUBSCRIBE; `refused` says why not, None when QoS 1 was granted."""

    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The broker ends the connection and says why (MQTT 5 only)."""

    reason: str


Answer = ConnAck | SubAck | Goodbye


@dataclass(slots=True)
class Arrived:
    """The packets of one chunk: messages as parallel lists, answers of the broker apart.

    A packet id of 0 is a message of QoS 0, which nobody waits to see acknowledged. `again` holds
    the positions of those that the broker marked as sent before.
    """

    packet_ids: list[int] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hello:
    """What CONNECT says: a session by this name that outlives the connection."""

    client_id: str
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    keepalive: int = 30  # seconds
    receive_max: int = MAX_PACKET_ID  # MQTT 5 only


class Codec(Protocol):
    """One version of MQTT for the life of one connection."""

    def connect(self, hello: Hello) -> bytes:
        """The CONNECT packet."""

    def subscribe(self, packet_id: int, topic_filter: str) -> bytes:
        """The SUBSCRIBE packet, with QoS 1."""

    def feed(self, data: bytes) -> Arrived:
        """What the chunk completes; raises MalformedPacket or WrongVersion."""


def pubacks(packet_ids: list[int]) -> bytes:
    """PUBACK packets (success) in this order as one block; the same bytes in 3.1.1 and 5."""
    block = np.empty(len(packet_ids), _PUBACK)
    block["header"] = _PUBACK_HEADER
    block["packet_id"] = packet_ids
    return block.tobytes()


class Framer:
    """Cuts a stream into packets, however it was chopped.

    A packet that is not complete yet is kept in pieces, so that a large one costs one copy and not
    one for each chunk.
    """

    __slots__ = ("_have", "_need", "_pieces", "buffer")

    def __init__(self) -> None:
        self.buffer = b""
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Bounds of each complete packet in `buffer`: where it starts, its body starts, it ends.

        Valid until the next call; to be run to its end. Raises MalformedPacket for a length that
        is none.
        """
        self._have += len(data)
        self._pieces.append(data)
        if self._have < self._need:
            return
        buffer = self.buffer = data if len(self._pieces) == 1 else b"".join(self._pieces)
        end = self._have
        start = 0
        need = 2
        while end - start >= 2:  # noqa: PLR2004 - the shortest packet: type and length
            length = buffer[start + 1]
            body = start + 2
            if length > 0x7F:  # noqa: PLR2004 - the length goes on in the next byte
                length, body = _long_length(buffer, start, end)
                if not body:
                    need = end - start + 1
                    break
            stop = body + length
            if stop > end:
                need = stop - start
                break
            yield start, body, stop
            start = stop
        self._keep(buffer[start:], need)

    def _keep(self, rest: bytes, need: int) -> None:
        self._pieces = [rest] if rest else []
        self._have = len(rest)
        self._need = need


def _long_length(buffer: bytes, start: int, end: int) -> tuple[int, int]:
    """A packet's remaining length of several bytes and where its body starts, 0 when cut off."""
    length = shift = 0
    for at in range(start + 1, min(start + 5, end)):
        length |= (buffer[at] & 0x7F) << shift
        if buffer[at] <= 0x7F:  # noqa: PLR2004 - the last byte of a length
            return length, at + 1
        shift += 7
    if end >= start + 5:
        raise MalformedPacket("a packet's length has more than four bytes")
    return 0, 0
