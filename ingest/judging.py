"""The engine's database: transactions made of storage's functions, repeated until they hold."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import numpy as np
import structlog

from alerts.core.records import Readings, Series
from alerts.core.vocabulary import Flag, Status
from alerts.notice import event, event_type
from ingest.checkpoint import Mark
from storage.alerts import has_alerts, read_alerts_since, write_alerts, write_history
from storage.blocks import write_changed, write_new
from storage.comparisons import note_changed
from storage.due import NOTHING, Watched, note_blocks
from storage.judging import read_series, write_progress
from storage.notices import NewNotice, insert_notices
from storage.pool import unavailable
from storage.queries.alerts import alert_items
from storage.received import Outcome
from storage.tail import batch_received_at, history_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from alerts.core.records import Alert, BlockRows, JudgementRows
    from alerts.journal import Journal
    from ingest.patience import Patience
    from storage.received import Committed, Received

_log = structlog.get_logger(__name__)

T = TypeVar("T")


def readings_of(received: Received, committed: Committed) -> Readings:
    """Return what a committed batch stored or revised, as the engine takes it."""
    rows = received.readings
    kept = np.flatnonzero(
        (committed.readings == Outcome.STORED) | (committed.readings == Outcome.REVISED)
    )
    valid = (
        (rows.status == Status.VALID)
        & (rows.flags & np.int16(Flag.RANGE) == 0)
        & ~np.isnan(rows.value)
    )
    fresh = received.fresh & (committed.readings == Outcome.STORED)
    return Readings(
        batch=received.batch,
        received_at=received.received_at,
        channel=rows.channel[kept],
        time=rows.time[kept],
        value=rows.value[kept],
        valid=valid[kept],
        fresh=fresh[kept],
        status=rows.status[kept].astype(np.int8),
    )


def series_of(rows: NDArray[np.void], channels: Sequence[int]) -> dict[int, Series]:
    """Return the series of each channel from what ``read_series`` returned."""
    edges = np.searchsorted(rows["channel"], np.reshape([[c, c + 1] for c in channels], (-1, 2)))
    return {
        channel: Series(
            rows["time"][low:high].copy(),
            rows["value"][low:high].copy(),
            rows["valid"][low:high] == 1,
            rows["status"][low:high].astype(np.int8),
        )
        for channel, (low, high) in zip(channels, edges.tolist(), strict=True)
    }


@dataclass(slots=True)
class JudgingStore:
    """Implements the engine's ``Store``; ``recipients`` are the registry's entries in force.

    ``source`` names this installation in notices; ``wake`` is called after notices were stored,
    ``on_blocks`` after block means were, with the channels whose reported means are due for it.
    ``watched`` are the blocks that compliance by rule sets rests on.
    """

    pool: asyncpg.Pool
    patience: Patience
    source: str
    recipients: list[dict[str, Any]] = field(default_factory=list)
    wake: Callable[[], None] = lambda: None
    watched: Watched = NOTHING
    on_alerts: Callable[[Sequence[UUID]], None] = lambda _: None
    on_blocks: Callable[[BlockRows, set[int]], None] = lambda _, __: None

    async def save_alerts(self, journal: Journal, batch: int) -> None:
        """Store alerts, history and notices in one transaction."""

        async def save(conn: asyncpg.Connection) -> None:
            if await has_alerts(conn, list(journal.after.values())):
                return  # a commit whose answer was lost
            await self.write_journal(conn, journal)

        await self._transact("save alerts", save)
        self.announce(journal, batch=batch)

    async def write_journal(self, conn: asyncpg.Connection, journal: Journal) -> None:
        """Store alerts of any kind, their history and notices, in the caller's transaction."""
        await write_alerts(conn, list(journal.after.values()))
        await write_history(conn, journal.history)
        await insert_notices(conn, await self._notices(conn, journal))

    def announce(self, journal: Journal, **found_in: object) -> None:
        """Tell of what was stored, once it is committed; ``found_in`` goes into the log."""
        self.on_alerts(list(journal.after))
        self.wake()
        for alert in journal.after.values():
            _log.info(
                "alert",
                id=str(alert.id),
                kind=alert.kind,
                state=alert.state,
                severity=alert.severity,
                **found_in,
            )

    async def _notices(self, conn: asyncpg.Connection, journal: Journal) -> list[NewNotice]:
        due = dict(journal.notices())
        evidence = {entry.alert: entry.evidence for entry in journal.history}
        now = time.time_ns() // 1000
        notices = []
        for item in await alert_items(conn, list(due)):
            alert = UUID(item["id"])
            for recipient in self.recipients:
                if not {"*", item["enterprise"]} & set(recipient["enterprises"]):
                    continue
                notice = uuid4()
                body = event(
                    id=notice,
                    source=self.source,
                    change=due[alert],
                    time=now,
                    alert=item,
                    evidence=evidence.get(alert),
                )
                kind = event_type(due[alert])
                notices.append(NewNotice(notice, alert, recipient["id"], kind, body, now))
        return notices

    async def save_blocks(
        self, blocks: BlockRows, judgements: JudgementRows, batch: int | None, *, compare: bool
    ) -> None:
        """Store block means and judgements, and that every batch up to ``batch`` is judged."""

        async def save(conn: asyncpg.Connection) -> set[int]:
            beside: set[int] = set()
            if compare:
                await write_changed(conn, blocks, judgements)
            if compare or not await write_new(conn, blocks, judgements):
                beside = await note_changed(conn, blocks)
            await note_blocks(conn, blocks, self.watched)
            if batch is not None:
                await write_progress(conn, "alerts", batch)
            return beside

        self.on_blocks(blocks, await self._transact("save block means", save))

    async def touch_alerts(self, alerts: Sequence[Alert]) -> None:
        """Store peaks, values and silence."""
        await self._transact("touch alerts", lambda conn: write_alerts(conn, alerts))

    async def read_series(
        self, channels: Sequence[int], start: int, end: int, batch: int
    ) -> Mapping[int, Series]:
        """Return the readings of channels in [start, end] as of a batch."""
        rows = await self._transact(
            "read readings", lambda conn: read_series(conn, list(channels), start, end, batch)
        )
        return series_of(rows, channels)

    async def read_alerts(self, limits: Sequence[int], since: int) -> list[Alert]:
        """Return the limits' alerts that were not over before ``since``, oldest first."""
        return await self._transact(
            "read alerts", lambda conn: read_alerts_since(conn, limits, since)
        )

    async def read_mark(self, batch: int) -> Mark | None:
        """Return where a board stands that has taken everything up to a batch; None: nowhere."""

        async def read(conn: asyncpg.Connection) -> Mark | None:
            received_at = await batch_received_at(conn, batch)
            if received_at is None:
                return None
            return Mark(batch, received_at, await history_end(conn))

        return await self._transact("mark the judging", read)

    async def note_registry(self, version: int) -> None:
        """Store that every registry version up to this one has been judged by."""
        await self._transact(
            "note the registry", lambda conn: write_progress(conn, "registry", version)
        )

    async def _transact(self, doing: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Do ``work`` in a transaction, again and again while the database is away."""

        async def once() -> T:
            async with unavailable(doing), self.pool.acquire() as conn, conn.transaction():
                return await work(conn)

        return await self.patience.until_done(doing, once)
