"""Delivery as a whole: a lane for each recipient, expiry, and the database's absences."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import TYPE_CHECKING, TypeVar

import structlog

from alerts.delivery.lane import Lane
from alerts.delivery.outbox import Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from alerts.delivery.outbox import Outbox
    from alerts.recipients import Recipient

_log = structlog.get_logger(__name__)

_SECOND = 1_000_000  # microseconds

T = TypeVar("T")


class Delivery:
    """Runs until ``stop``; recipients are served side by side, none waits for another.

    ``recipients`` are by id. ``clock`` gives microseconds since 1970. ``count`` is told
    ``delivered`` or ``failed`` for each attempt and ``expired`` for what is given up.
    """

    def __init__(
        self,
        outbox: Outbox,
        recipients: Mapping[str, Recipient],
        *,
        clock: Callable[[], int],
        count: Callable[[str, int], None],
        policy: Policy | None = None,
    ) -> None:
        self.outbox = outbox
        self.recipients = recipients
        self.clock = clock
        self.count = count
        self.policy = policy or Policy()
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._lanes: dict[str, Lane] = {}

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stop.is_set()

    async def run(self) -> None:
        """Deliver what waits and what comes; returns after ``stop`` when nothing is under way."""
        await self._expire()  # before the first sending: it is too late for those
        async with asyncio.TaskGroup() as group:
            group.create_task(self._expire_regularly(), name="notices: expiry")
            while not self.stopping:
                self._changed.clear()
                for name in self.recipients.keys() - self._lanes.keys():
                    self._lanes[name] = lane = Lane(self, name)
                    group.create_task(self._serve(lane), name=f"notices: {name}")
                await self._changed.wait()

    def wake(self) -> None:
        """Say that there may be new notices."""
        for lane in self._lanes.values():
            lane.wake.set()

    def use(self, recipients: Mapping[str, Recipient]) -> None:
        """Deliver to these from now on; notices to others stay in the outbox, waiting."""
        self.recipients = recipients
        self._changed.set()
        self.wake()

    def stop(self) -> None:
        """Send nothing more; what is under way is finished and recorded."""
        self._stop.set()
        self._changed.set()
        self.wake()

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do ``work`` on the database, again and again while that is away.

        Raises the outbox's ``unavailable`` only when it is away and delivery is to stop.
        """
        delays = self.policy.database_delays
        for attempt in itertools.count():
            try:
                return await work()
            except self.outbox.unavailable as error:
                if self.stopping:
                    raise
                if attempt == 0:
                    _log.warning("database away, notices wait", error=str(error))
                delay = delays[min(attempt, len(delays) - 1)]
                await self.pause(delay * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        raise AssertionError  # the loop above has no end

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond a stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _serve(self, lane: Lane) -> None:
        try:
            await lane.serve()
        finally:
            del self._lanes[lane.name]
            self._changed.set()  # registered again meanwhile: it gets a new lane

    async def _expire_regularly(self) -> None:
        while not self.stopping:
            await self.pause(self.policy.expire_every)
            await self._expire()

    async def _expire(self) -> None:
        before = self.clock() - int(self.policy.keep * _SECOND)
        try:
            expired = await self.patiently(lambda: self.outbox.expire(before))
        except self.outbox.unavailable:
            return
        if expired:
            self.count("expired", expired)
            _log.error("notices given up", expired=expired, days=self.policy.keep / 86_400)
