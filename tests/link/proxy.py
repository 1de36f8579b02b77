"""A wire between a client and a broker that a test can cut."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self

from tests.fixtures.brokers import Broker

Look = Callable[[bytes], Awaitable[None]]


class Wire:
    """Passes bytes both ways; `cut` resets every connection at once, without a goodbye."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._broker.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, back]
        up, down = self.looks()
        await asyncio.gather(_pass(reader, back, up), _pass(there, writer, down))

    def looks(self) -> tuple[Look, Look]:
        """What is done with the bytes of a new connection before they go on: up, and down."""
        return _nothing, _nothing


async def _nothing(data: bytes) -> None:
    """Let it pass."""


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Look) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            await look(data)
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
