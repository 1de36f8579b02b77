"""A witness on the wire between broker and server: what the server acknowledges is looked up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from tests.link.proxy import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.brokers import Broker
    from tests.link.proxy import Look

CONNECT, PUBLISH, PUBACK = 1, 3, 4
MQTT5 = 5

Message = tuple[str, int]  # unit and seq; each unit of a test has one boot
Stored = Callable[[list[Message]], Awaitable[set[Message]]]


def packets(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take whole MQTT packets off the buffer: the first byte and the body of each."""
    while (head := _head(buffer)) and len(buffer) >= sum(head):
        begin, length = head
        yield buffer[0], bytes(buffer[begin : begin + length])
        del buffer[: begin + length]


def _head(buffer: bytearray) -> tuple[int, int] | None:
    """How long the first packet's head and its body are, None while that is not known."""
    length = 0
    for place, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return place + 2, length
    return None


def delivered(first: int, body: bytes, version: int) -> tuple[int, Message] | None:
    """The packet id and the message of a PUBLISH with readings at QoS 1; None for any other."""
    end = 2 + int.from_bytes(body[:2])
    _, _, _, unit, kind = body[2:end].decode().split("/")
    if kind != "readings" or not first & 2:
        return None
    payload = end + 2
    if version == MQTT5:
        assert body[payload] < 0x80, "properties longer than any broker adds here"
        payload += 1 + body[payload]
    return int.from_bytes(body[end : end + 2]), (unit, json.loads(body[payload:])["seq"])


@dataclass
class Talk:
    """One connection of the server; ``ids``: what it was given there and did not acknowledge."""

    version: int = 0
    ids: dict[int, Message] = field(default_factory=dict)
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class Witness(Wire):
    """Holds each PUBACK of the server back until the database has said what is stored by then.

    ``acknowledged`` are the messages that the server acknowledged, ``premature`` those of them
    that were not stored at that moment. A database that is away just then is no lie of the
    server's, so what it acknowledged must be looked for again when it is back.
    """

    def __init__(self, broker: Broker, stored: Stored) -> None:
        super().__init__(broker)
        self._stored = stored
        self.acknowledged: set[Message] = set()
        self.premature: set[Message] = set()
        self.asked = 0
        self.talks: list[Talk] = []

    def looks(self) -> tuple[Look, Look]:
        talk = Talk()
        self.talks.append(talk)

        async def up(data: bytes) -> None:
            talk.up += data
            said = [(first >> 4, body) for first, body in packets(talk.up)]
            talk.version = next((b[6] for kind, b in said if kind == CONNECT), talk.version)
            ids = [int.from_bytes(body[:2]) for kind, body in said if kind == PUBACK]
            await self._acknowledged([talk.ids.pop(number) for number in ids if number in talk.ids])

        async def down(data: bytes) -> None:
            talk.down += data
            for first, body in packets(talk.down):
                if first >> 4 == PUBLISH and (found := delivered(first, body, talk.version)):
                    talk.ids[found[0]] = found[1]

        return up, down

    async def _acknowledged(self, messages: list[Message]) -> None:
        if not messages:
            return
        self.acknowledged.update(messages)
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.premature |= set(messages) - await self._stored(messages)
            self.asked += len(messages)
