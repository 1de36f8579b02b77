"""aiomqtt's client, for what is neither readings nor in a hurry. The one door to aiomqtt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import aiomqtt
from aiomqtt import Message, MqttCodeError, MqttError, Will

if TYPE_CHECKING:
    import asyncio

__all__ = ["Client", "Message", "MqttCodeError", "MqttError", "Will"]


class Client(aiomqtt.Client):
    """A client that tells of a lost connection once: by an MqttError to whoever waits for it.

    aiomqtt 2.5.1 keeps the loss in a future besides. Whoever iterates over messages looks at it;
    when nobody does just then (a subscription waits, the connection is being left), asyncio logs
    "Future exception was never retrieved". And it has the loop watch a socket for writing in the
    loop's next turn: a descriptor that is closed by then, or another connection's.
    """

    async def __aenter__(self) -> Self:
        self._disconnected.add_done_callback(_heard)
        return await super().__aenter__()

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ANN401, ARG002 - paho's
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 - whatever it is, the connection is lost
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def watch() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(watch)  # paho connects in a thread of its own


def _heard(lost: asyncio.Future[None]) -> None:
    if not lost.cancelled():
        lost.exception()
