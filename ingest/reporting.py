"""Units' own means in the server: their connection, their intake, their comparison with ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ingest.averages import Averages
from ingest.disagreement import Disagreements
from ingest.link import Link, wall_clock
from ingest.wire import AVERAGES_FILTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.broker_url import BrokerUrl
    from ingest.judging import JudgingStore
    from ingest.metrics import Metrics
    from storage.registry import Registry

MAX_MESSAGES = 2_000  # unacknowledged
MAX_BYTES = 16 * 1024 * 1024  # of unacknowledged payload


class Reporting:
    """Receives and compares while its context is open and ``run`` runs."""

    def __init__(  # noqa: PLR0913 - what the server has opened before it
        self,
        broker: BrokerUrl,
        client_id: str,
        store: JudgingStore,
        registry: Registry,
        metrics: Metrics,
        *,
        mqtt5: bool,
        accept_from: int | None,
        paused: Callable[[], str],
    ) -> None:
        self.link = Link(
            broker,
            f"{client_id}-averages",
            topic_filter=AVERAGES_FILTER,
            mqtt5=mqtt5,
            max_messages=MAX_MESSAGES,
            max_bytes=MAX_BYTES,
        )
        self._comparing = Disagreements(store)
        store.on_blocks = self._comparing.blocks_written
        self._intake = Averages(
            store.pool,
            registry,
            metrics,
            receive=self.link.receive,
            acknowledge=self.link.acknowledge,
            clock=wall_clock,
            accept_from=accept_from,
            paused=paused,
            on_stored=self._comparing.reported,
        )
        self.use = self._intake.use
        self.retry = self._intake.retry
        self.stop = self._intake.stop
        self._received = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.link.__aexit__(*exc_info)

    @property
    def away(self) -> str:
        """Why reported means do not get on, "" if they do."""
        if self._intake.patience.error:
            return f"the database is away: {self._intake.patience.error}"
        if not self.link.connected:
            return f"the broker gives no averages: {self.link.last_error}"
        return ""

    async def run(self) -> None:
        """Receive until ``stop``, compare until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._comparing.run(), name="comparing")
            await self._intake.run()
            self._received.set()

    async def finish(self) -> None:
        """After ``stop``: wait until what was received is committed, and compare it."""
        await self._received.wait()
        await self._comparing.finish()
