"""One POST to a webhook, and what came of it in words without secrets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from alerts.notice import CONTENT_TYPE, SIGNATURE_HEADER, signature

if TYPE_CHECKING:
    from types import TracebackType

    from alerts.recipients import Recipient

_KEEP_ALIVE = 2.0  # seconds: long enough for a burst, shorter than any server waits


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST; ``words`` name no URL and no secret."""

    delivered: bool
    words: str


class Webhook:
    """A recipient's connections, shared with nobody, for use in ``async with``.

    ``answer_within`` seconds is the time that a recipient has for its whole answer's head.
    """

    def __init__(self, answer_within: float) -> None:
        self._answer_within = answer_within

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEP_ALIVE, resolver=_ThreadResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "ams-server", "Content-Type": CONTENT_TYPE},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(self, recipient: Recipient, body: bytes) -> Answer:
        """Send a signed event; nothing is sent to a recipient in trouble."""
        if recipient.trouble is not None:
            return Answer(delivered=False, words=recipient.trouble)
        headers = {}
        if recipient.secret is not None:
            headers[SIGNATURE_HEADER] = signature(recipient.secret, body)
        try:
            async with (
                asyncio.timeout(self._answer_within),
                self._session.post(
                    recipient.url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return _judged(response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(delivered=False, words=self._reason(error))

    def _reason(self, error: Exception) -> str:
        """Say what went wrong without the error's own text, which may hold the whole URL."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._answer_within:g} s"
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"no connection: {_system_words(error)}"
        if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
            return "the recipient's url is not a web address"
        if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
            return "connection closed without an answer"
        return f"no valid answer ({type(error).__name__})"


def _judged(status: int) -> Answer:
    words = f"HTTP {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        words += ", redirects are not followed"
    return Answer(HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES, words)


def _system_words(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "TLS failed"
    number = error.os_error.errno
    if number is not None and number > 0:
        return os.strerror(number)
    return error.os_error.strerror or type(error).__name__


class _ThreadResolver(AbstractResolver):
    """Looks names up in threads of its own.

    Those that the event loop offers are few and shared: some recipients whose name servers do not
    answer would occupy them all and keep every other recipient waiting.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def settle(found: list[ResolveResult] | OSError) -> None:
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            try:
                found: list[ResolveResult] | OSError = _addresses(host, port, family)
            except OSError as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=work, name="name look-up", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """Leave what is being looked up to its threads, which end with the process."""


def _addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]
