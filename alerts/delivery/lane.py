"""One recipient's notices on their way: several alerts side by side, each alert's in order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from alerts.delivery.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from alerts.delivery.delivery import Delivery
    from alerts.delivery.outbox import Waiting
    from alerts.delivery.webhook import Answer

_log = structlog.get_logger(__name__)

_SECOND = 1_000_000  # microseconds


class Lane:
    """Serves the recipient ``name`` while it is registered and delivery runs.

    Shares nothing with other lanes but the outbox: its connections and its slots are its own.
    """

    def __init__(self, delivery: Delivery, name: str) -> None:
        self.name = name
        self.wake = asyncio.Event()
        self._delivery = delivery
        self._slots = asyncio.Semaphore(delivery.policy.side_by_side)
        self._under_way: set[UUID] = set()  # alerts
        self._failures = 0  # since the last success

    def _is_open(self) -> bool:
        return not self._delivery.stopping and self.name in self._delivery.recipients

    async def serve(self) -> None:
        """Send what is due until the recipient is gone; returns when all answers are recorded."""
        policy = self._delivery.policy
        async with Webhook(policy.answer_within) as webhook, asyncio.TaskGroup() as posts:
            while self._is_open():
                await self._breathe()
                self.wake.clear()
                due, later = await self._page()
                for notice in due:
                    await self._slots.acquire()
                    await self._breathe()
                    if not self._is_open():
                        return
                    self._under_way.add(notice.alert)
                    posts.create_task(self._attempt(webhook, notice))
                if not due:
                    await self._rest(later)

    async def _breathe(self) -> None:
        """Slow down while nothing at all is taken: a recipient that is gone costs little."""
        policy = self._delivery.policy
        too_many = self._failures - policy.side_by_side
        if too_many > 0:
            await self._delivery.pause(min(0.1 * 1.5 ** min(too_many, 99), policy.breath))

    async def _page(self) -> tuple[Sequence[Waiting], int | None]:
        delivery = self._delivery
        policy = delivery.policy
        busy = frozenset(self._under_way)  # before the question: what ends meanwhile looks waiting
        try:
            found, later = await delivery.patiently(
                lambda: delivery.outbox.heads(
                    self.name, policy.page, delivery.clock(), policy.delays
                )
            )
        except delivery.outbox.unavailable:
            return [], None
        return [notice for notice in found if notice.alert not in busy], later

    async def _rest(self, until: int | None) -> None:
        """Wait for a word of new notices, an answer, or the time when one is due again."""
        seconds = self._delivery.policy.look_again
        if until is not None:
            seconds = min(seconds, (until - self._delivery.clock()) / _SECOND + 0.001)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()

    async def _attempt(self, webhook: Webhook, notice: Waiting) -> None:
        try:
            recipient = self._delivery.recipients.get(self.name)
            if recipient is not None:
                answer = await webhook.post(recipient, notice.body)
                await self._keep(notice, answer)
        finally:
            self._under_way.discard(notice.alert)
            self._slots.release()
            self.wake.set()

    async def _keep(self, notice: Waiting, answer: Answer) -> None:
        """Record an answer; where delivery stops before it can, the notice is sent again."""
        delivery = self._delivery
        at = delivery.clock()
        with contextlib.suppress(delivery.outbox.unavailable):
            await delivery.patiently(
                lambda: delivery.outbox.record(
                    notice.number, at, answer.words, delivered=answer.delivered
                )
            )
            delivery.count("delivered" if answer.delivered else "failed", 1)
        self._tell(notice, answer)

    def _tell(self, notice: Waiting, answer: Answer) -> None:
        """Log a recipient's change between well and failing, not each of a thousand attempts."""
        if answer.delivered and self._failures:
            _log.info("recipient takes notices again", recipient=self.name)
        elif not answer.delivered and not self._failures:
            _log.warning(
                "notice not delivered, will be tried again",
                recipient=self.name,
                notice=str(notice.id),
                attempts=notice.attempts + 1,
                outcome=answer.words,
            )
        self._failures = 0 if answer.delivered else self._failures + 1
