"""The pipeline on a real database, fed by hand: what a broker would send, in the test's order."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from ingest.inbox import Delivery
from ingest.metrics import Metrics
from ingest.pipeline import Pipeline, Ports
from ingest.restore import DatabasePorts, restore
from storage.received import Outcome
from tests.pipeline.example import NOW, TOPIC, registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from storage.received import Committed, Received
    from storage.registry import Registry

_NO_CONNECTION: Any = None


@dataclass
class ByHand:
    """A link without a broker: hands over what it is given, and notes what is acknowledged."""

    waiting: asyncio.Queue[Delivery] = field(default_factory=asyncio.Queue)
    acknowledged: list[Delivery] = field(default_factory=list)
    received: int = 0

    async def receive(self, _max_messages: int, _max_wait: float) -> Delivery:
        delivery = await self.waiting.get()
        self.received += 1
        return delivery

    def acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery)


class Plant:
    """A running pipeline; the registry is that of the examples unless another is used."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.link = ByHand()
        self.prometheus = CollectorRegistry()
        self.metrics = Metrics(self.prometheus, version="test")
        self.receipts: list[tuple[str, str, str, int]] = []
        self.events: list[str] = []  # commits, acknowledgements and judgements as they happen
        self.judged: list[tuple[Received, Committed]] = []
        self.registries: list[int] = []
        self.now = NOW

    async def make_units(self) -> None:
        """Make the units of the examples, and one more."""
        await self.pool.execute(
            "insert into units (id, enterprise, unit) overriding system value"
            " values (1, 'gres1', 'ams-1'), (2, 'gres1', 'ams-2'), (3, 'gres1', 'ams-3')"
        )

    def ports(self) -> Ports:
        database = DatabasePorts(self.pool, lambda: self.now)
        return Ports(
            receive=self.link.receive,
            acknowledge=self._acknowledge,
            commit=database.commit,
            look_up_boots=database.look_up_boots,
            take_retries=database.take_retries,
            settle=database.settle,
            revise=database.revise,
            receipt=lambda e, u, boot, seq, _: self.receipts.append((e, u, boot, seq)),
            judge=self._judge,
            follow=self._follow,
            clock=lambda: self.now,
        )

    async def start(self, known: Registry | None = None, **changed: Any) -> None:
        async with self.pool.acquire() as conn:
            preparer, batch, _ = await restore(conn, known or registry(), accept_from=None, since=0)
        ports = replace(self.ports(), **changed)
        self.pipeline = Pipeline(ports, preparer, self.metrics, next_batch=batch)
        self.task = asyncio.create_task(self.pipeline.run())

    async def stop(self) -> None:
        self.pipeline.stop()
        await self.task

    def send(self, *payloads: bytes, topic: str = TOPIC, at: int | None = None) -> Delivery:
        """Put one delivery of these payloads into the link."""
        numbers = list(range(1, len(payloads) + 1))
        topics = [topic] * len(payloads)
        at = self.now if at is None else at
        delivery = Delivery(_NO_CONNECTION, numbers, topics, list(payloads), at)
        self.link.waiting.put_nowait(delivery)
        return delivery

    async def deliver(
        self, *payloads: bytes, topic: str = TOPIC, at: int | None = None
    ) -> list[str]:
        """Send the payloads and return their outcomes once they are judged."""
        before = len(self.judged)
        delivery = self.send(*payloads, topic=topic, at=at)
        await self.until(lambda: len(self.judged) > before)
        assert delivery in self.link.acknowledged
        codes = self.judged[-1][1].messages.tolist()
        return [Outcome(code).name.lower() for code in codes]

    async def until(self, condition: Any) -> None:
        """Wait for a condition, or for the pipeline's failure.

        What a broker had sent when it was killed it may send again only after half a minute.
        """
        async with asyncio.timeout(90):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.005)

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(query, *values)]

    async def readings(self) -> list[tuple[Any, ...]]:
        """Current readings: (channel, value, status, flags, revision)."""
        return await self.rows(
            "select channel, value, status_name(status), flag_names(flags), revision::int"
            " from current_readings order by time, channel"
        )

    async def quarantine(self) -> list[tuple[Any, ...]]:
        """Items: (unit, key, reason, count)."""
        return await self.rows(
            "select unit, key, reason, count::int from quarantine order by reason, key"
        )

    async def counts(self) -> dict[str, int]:
        """The ledger's sums that are not zero, from the rows of the batches."""
        names = [
            *(f"messages_{name}" for name in ("stored", "duplicate", "quarantined")),
            *(f"readings_{name}" for name in ("stored", "duplicate", "revised", "quarantined")),
        ]
        sums = ", ".join(f"(select sum(n) from batches, unnest({n}) n)::int" for n in names)  # noqa: S608
        [row] = await self.rows(f"select {sums}")
        return {name: count for name, count in zip(names, row, strict=True) if count}

    def _acknowledge(self, delivery: Delivery) -> None:
        self.events.append("acknowledged")
        self.link.acknowledge(delivery)

    async def _judge(self, received: Received, committed: Committed) -> None:
        self.events.append("judged")
        self.judged.append((received, committed))

    async def _follow(self, known: Registry) -> None:
        self.registries.append(known.version)


@contextlib.asynccontextmanager
async def plant(pool: asyncpg.Pool) -> AsyncIterator[Plant]:
    """A plant on a database that has the units of the examples; it is stopped at the end."""
    made = Plant(pool)
    await made.make_units()
    try:
        yield made
    finally:
        if hasattr(made, "task"):
            await made.stop()
