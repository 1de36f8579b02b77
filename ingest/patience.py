"""What to do while the database is away: the same again, later and later, until it is back."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeVar

import structlog

from storage.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ingest.metrics import Metrics

T = TypeVar("T")

log = structlog.get_logger(__name__)

FIRST_DELAY = 0.1  # seconds
MAX_DELAY = 5.0


class GivenUp(Exception):  # noqa: N818 - not an error: the server stops
    """The server stops while the database is away; nothing more is acknowledged."""


class Patience:
    """Repeats what the database was too far away for; ``error`` says why it waits, "" if not."""

    def __init__(self, metrics: Metrics) -> None:
        self.error = ""
        self._metrics = metrics
        self._given_up = asyncio.Event()

    def give_up(self) -> None:
        """Wait no longer for a database that is away: raise GivenUp where it is waited for."""
        self._given_up.set()

    async def until_done(self, doing: str, action: Callable[[], Awaitable[T]]) -> T:
        """Return what ``action`` returns, as soon as it does not raise Unavailable."""
        attempt = 0
        while True:
            try:
                result = await action()
            except Unavailable as error:
                self._note(doing, str(error), attempt)
            else:
                self._note(doing, "", attempt)
                return result
            await self._pause(attempt)
            attempt += 1

    def _note(self, doing: str, error: str, attempt: int) -> None:
        if error:
            self._metrics.commit_failures.inc()
            log.warning("database away", doing=doing, error=error, attempt=attempt + 1)
        elif attempt:
            log.info("database back", doing=doing, attempts=attempt + 1)
        self.error = error
        self._metrics.database_up.set(not error)

    async def _pause(self, attempt: int) -> None:
        delay = min(MAX_DELAY, FIRST_DELAY * 2 ** min(attempt, 10))
        try:
            async with asyncio.timeout(delay * random.uniform(0.5, 1)):  # noqa: S311 - spreads attempts
                await self._given_up.wait()
        except TimeoutError:
            return
        raise GivenUp
