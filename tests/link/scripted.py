"""A broker that says what a test tells it to: for what real brokers say too seldom."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Self

CONNACK_311 = b"\x20\x02\x00\x00"
CONNACK_5 = b"\x20\x03\x00\x00\x00"
SUBACK_311 = b"\x90\x03\x00\x01\x01"
SUBACK_5 = b"\x90\x04\x00\x01\x00\x01"
PUBACK, PINGREQ, DISCONNECT = 0x40, 0xC0, 0xE0


class Scripted:
    """Sends the next chunk of its script after each packet that it gets; PINGREQ has its answer.

    Each connection has its script, all further ones the last. An empty chunk hangs up.
    `acknowledged` are the packet ids of the PUBACKs it got, `levels` the protocol levels (4: 3.1.1,
    5: 5) of the logins.
    """

    def __init__(self, *connections: Sequence[bytes]) -> None:
        self._scripts = list(connections)
        self._writers: list[asyncio.StreamWriter] = []
        self.acknowledged: list[int] = []
        self.levels: list[int] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    def send(self, data: bytes) -> None:
        """Say something unasked on the present connection."""
        self._writers[-1].write(data)

    def hang_up(self) -> None:
        """Close the present connection."""
        self._writers[-1].close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        script = list(self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0])
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                if head == PUBACK:
                    self.acknowledged.append(int.from_bytes(body[:2], "big"))
                elif head == PINGREQ:
                    writer.write(b"\xd0\x00")
                elif head == DISCONNECT or (script and not self._say(writer, script.pop(0))):
                    break
                if head >> 4 == 1:
                    self.levels.append(body[6])
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _say(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
        writer.write(data)
        return bool(data)
