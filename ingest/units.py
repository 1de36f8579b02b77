"""What units say of themselves on their status topics, kept in the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from ingest.wire import UnitStatus
from storage.boots import UnitState, save_unit_state
from storage.errors import Unavailable
from storage.pool import unavailable

if TYPE_CHECKING:
    import asyncpg

    from storage.registry import Registry

_log = structlog.get_logger(__name__)

RETRY_AFTER = 1.0  # seconds


class UnitStates:
    """The newest word of each unit that is not stored yet: one entry a unit at most."""

    def __init__(self, pool: asyncpg.Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry
        self._waiting: dict[int, UnitState] = {}
        self._news = asyncio.Event()

    def use(self, registry: Registry) -> None:
        """Know the units of another registry from now on."""
        self._registry = registry

    async def note(self, enterprise: str, unit: str, payload: bytes, received_at: int) -> None:
        """Take a status message; what is no status, or of no known unit, is only logged."""
        known = self._registry.units.get(f"{enterprise}/{unit}")
        if not payload or known is None:
            return
        try:
            said = UnitStatus.model_validate_json(payload)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            _log.warning("status not understood", enterprise=enterprise, unit=unit, reason=reason)
            return
        self._waiting[known.id] = UnitState(
            known.id, said.state, said.boot, said.firmware, received_at
        )
        self._news.set()

    async def run(self) -> None:
        """Store what comes until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                async with unavailable("store units' states"), self._pool.acquire() as conn:
                    while self._waiting:
                        number, said = next(iter(self._waiting.items()))
                        await save_unit_state(conn, said)
                        if self._waiting[number] is said:
                            del self._waiting[number]
            except Unavailable as error:
                _log.warning("unit states wait", error=str(error))
                await asyncio.sleep(RETRY_AFTER)
                self._news.set()
