"""The pipeline's memory, restored from the database, and its ports onto the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.held import MAX_HELD, Held
from ingest.newest import Newest
from ingest.prepare import Preparer, Receipt
from ingest.reasons import Reason
from ingest.sequences import MAX_BOOTS, Sequences
from storage import batches, boots, followers, retries
from storage.held import load_held
from storage.invalidating import Revised, next_piece
from storage.pool import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import asyncpg

    from storage.received import Committed, Received
    from storage.registry import Registry
    from storage.retries import Retry


async def restore(
    conn: asyncpg.Connection, registry: Registry, *, accept_from: int | None, since: int
) -> tuple[Preparer, int, list[Receipt]]:
    """Return what deliveries are held against, the next batch's number, and receipts to be sent.

    Only boots heard of after ``since`` (us), and each unit's latest, are kept in memory; the
    others are looked up when they are heard of again. Raises Unavailable.
    """
    newest = Newest(await followers.load_newest(conn, len(registry.channels.active)))
    sequences = Sequences()
    known = await boots.load_sequences(conn, since=since)
    for boot in sorted(known, key=lambda boot: boot.is_latest)[-MAX_BOOTS:]:
        sequences.remember(boot.unit, boot.boot, boot.id, boot.ranges)
    held = Held(await load_held(conn, Reason.IN_THE_FUTURE, MAX_HELD))
    preparer = Preparer(registry, newest, sequences, held=held, accept_from=accept_from)
    return preparer, await batches.next_batch(conn), _receipts(known, registry)


def _receipts(known: Sequence[boots.Boot], registry: Registry) -> list[Receipt]:
    """Return each unit's receipt as of what is committed: the last one may never have been sent."""
    units = {unit.id: unit for unit in registry.units.values()}
    return [
        Receipt(units[boot.unit].enterprise, units[boot.unit].unit, boot.boot, boot.ranges[0][1])
        for boot in known
        if boot.is_latest and boot.ranges and boot.unit in units
    ]


@dataclass(frozen=True, slots=True)
class DatabasePorts:
    """The ports of the pipeline that ask the database, over ``pool``; all raise Unavailable."""

    pool: asyncpg.Pool
    clock: Callable[[], int]

    async def commit(self, received: Received) -> Committed:
        """Store a batch in one transaction; raises DataError too."""
        async with unavailable("commit a batch"), self.pool.acquire() as conn:
            return await batches.commit(conn, received)

    async def settle(self, received: Received, again: Sequence[Retry]) -> Committed:
        """Store what retries have become; raises DataError too."""
        async with unavailable("settle a retry"), self.pool.acquire() as conn:
            return await retries.settle(conn, received, again, self.clock())

    async def take_retries(self) -> list[Retry]:
        """Return what is marked to be processed again, some of it."""
        async with unavailable("take the retries"), self.pool.acquire() as conn:
            return await retries.take_retries(conn)

    async def revise(self, batch: int) -> Revised | None:
        """Do the next piece of what is to be invalidated or restored; None: all is done."""
        async with unavailable("invalidate"), self.pool.acquire() as conn:
            return await next_piece(conn, batch, self.clock())

    async def look_up_boots(
        self, pairs: Sequence[tuple[int, str]], received_at: int
    ) -> list[boots.Boot]:
        """Return the boots of (unit number, boot), made where they are new."""
        async with unavailable("number the boots"), self.pool.acquire() as conn:
            return await boots.look_up_boots(conn, pairs, received_at)
