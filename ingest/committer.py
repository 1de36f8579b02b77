"""Commits what is prepared, one delivery after another, and finds out what the database refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import Status
from ingest.aside import aside_value
from ingest.careful import Aside
from ingest.columns import select
from ingest.instants import format_time
from ingest.reasons import Reason
from ingest.strict_json import Token, write
from storage.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ingest.metrics import Metrics
    from ingest.patience import Patience
    from ingest.prepare import Prepared
    from storage.invalidating import Revised
    from storage.received import Committed, Received
    from storage.retries import Retry

MAX_ROWS_ASIDE = 20  # culprits taken out of a batch one by one before it is halved


class Committer:
    """Numbers batches and commits them for as long as it takes; ``last`` is the last one done."""

    def __init__(  # noqa: PLR0913 - three of them are what it calls
        self,
        commit: Callable[[Received], Awaitable[Committed]],
        settle: Callable[[Received, Sequence[Retry]], Awaitable[Committed]],
        revise: Callable[[int], Awaitable[Revised | None]],
        patience: Patience,
        metrics: Metrics,
        *,
        next_batch: int,
    ) -> None:
        self.last = next_batch - 1
        self._commit = commit
        self._settle = settle
        self._revise = revise
        self._patience = patience
        self._metrics = metrics

    async def commit(self, prepared: Prepared) -> list[tuple[Received, Committed]]:
        """Store a delivery; return it with what became of it, in parts if it had to be halved.

        What the database refuses is set aside, the rest stored. Raises GivenUp.
        """
        for _ in range(MAX_ROWS_ASIDE):
            try:
                return [await self._store(prepared)]
            except DataError as error:
                several = len(error.rows) > 1 and len(prepared.topics) > 1
                if several or not error.rows:
                    break
                prepared = _without(prepared, error)
        if len(prepared.topics) <= 1:
            return [await self._store(prepared)]
        middle = len(prepared.topics) // 2
        first = await self.commit(_part(prepared, 0, middle))
        return first + await self.commit(_part(prepared, middle, len(prepared.topics)))

    async def revise(self) -> Revised | None:
        """Do the next piece of what is to be invalidated; None: all is done. Raises GivenUp."""
        number = self.last + 1
        done = await self._patience.until_done("invalidate", lambda: self._revise(number))
        if done is not None and done.batch is not None:
            self.last = number
        return done

    async def _store(self, prepared: Prepared) -> tuple[Received, Committed]:
        received = prepared.received
        received.batch = self.last + 1

        async def attempt() -> Committed:
            with self._metrics.commit_seconds.time():
                if prepared.retries:
                    return await self._settle(received, prepared.retries)
                return await self._commit(received)

        committed = await self._patience.until_done("commit", attempt)
        self.last = received.batch
        if not prepared.retries:  # what is retried was counted when it was delivered
            self._metrics.observe(received, committed)
        return received, committed


def _without(prepared: Prepared, error: DataError) -> Prepared:
    """Return the delivery with the rows that the database refuses set aside."""
    received = prepared.received
    kept = np.ones(len(received.readings.channel), np.bool_)
    kept[error.rows] = False
    asides = list(received.aside_values)
    for row in error.rows:
        number = int(received.readings.message[row])
        unit = prepared.units[number]
        if unit is not None:
            asides.append(
                aside_value(
                    number,
                    prepared.topics[number],
                    unit,
                    _aside(received, row, unit.channels, str(error)),
                )
            )
    asides.sort(key=lambda aside: aside.message)
    changed = replace(
        received,
        readings=select(received.readings, kept),
        fresh=received.fresh[kept],
        aside_values=asides,
    )
    return replace(prepared, received=changed)


def _aside(received: Received, row: int, channels: dict[str, int], why: str) -> Aside:
    rows = received.readings
    value, status = float(rows.value[row]), Status(int(rows.status[row]))
    key = next(key for key, channel in channels.items() if channel == rows.channel[row])
    alone: dict[str, object] = {"time": format_time(int(rows.time[row]))}
    alone["values"] = {key: None if np.isnan(value) else Token(repr(value))}
    if status != Status.VALID:
        alone["status"] = {key: status.label}
    payload = write({"samples": [alone]}).encode()
    return Aside(key, Reason.REFUSED_BY_DATABASE, why, payload)


def _part(prepared: Prepared, start: int, stop: int) -> Prepared:
    """Return messages ``start`` to ``stop`` (excluded) of a delivery."""
    received = prepared.received
    rows = (received.readings.message >= start) & (received.readings.message < stop)
    readings = select(received.readings, rows)
    readings.message -= np.int32(start)
    part = replace(
        received,
        unit=received.unit[start:stop],
        boot=received.boot[start:stop],
        seq=received.seq[start:stop],
        seen=received.seen[start:stop],
        readings=readings,
        fresh=received.fresh[rows],
        aside_messages=[
            replace(aside, message=aside.message - start)
            for aside in received.aside_messages
            if start <= aside.message < stop
        ],
        aside_values=[
            replace(aside, message=aside.message - start)
            for aside in received.aside_values
            if start <= aside.message < stop
        ],
    )
    return replace(
        prepared,
        received=part,
        topics=prepared.topics[start:stop],
        units=prepared.units[start:stop],
        retries=prepared.retries[start:stop],
        receipts=[],
    )
