"""What the engine needs of a database, given to it by whoever composes the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.core.records import Alert, BlockRows, JudgementRows, Series
    from alerts.journal import Journal


class Store(Protocol):
    """What the engine needs of a database; each call retries until it has succeeded."""

    async def save_alerts(self, journal: Journal, batch: int) -> None:
        """Store alerts, history and notices in one transaction."""

    async def save_blocks(
        self, blocks: BlockRows, judgements: JudgementRows, batch: int | None, *, compare: bool
    ) -> None:
        """Store block means and judgements, and that every batch up to ``batch`` is judged.

        None: no more batches are than before. ``compare``: some may be stored already, otherwise.
        """

    async def touch_alerts(self, alerts: Sequence[Alert]) -> None:
        """Store what changes without a transition: peak, value, silence."""

    async def read_series(
        self, channels: Sequence[int], start: int, end: int, batch: int
    ) -> Mapping[int, Series]:
        """Return readings in [start, end] as the batches up to ``batch`` left them."""

    async def read_alerts(self, limits: Sequence[int], since: int) -> list[Alert]:
        """Return the limits' alerts that were not over before ``since``, oldest first."""
