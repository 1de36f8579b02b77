"""The server's HTTP API as a client sees it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Item = dict[str, Any]
OUTCOMES = {
    "messages": ("stored", "duplicate", "quarantined"),
    "readings": ("stored", "duplicate", "revised", "quarantined"),
}


def instant(text: str) -> datetime:
    """An answer's time."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


@dataclass
class Api:
    """One server's API."""

    session: aiohttp.ClientSession

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str) -> AsyncIterator[Api]:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(url, timeout=timeout) as session:
            yield cls(session)

    async def status(self, path: str) -> int:
        async with self.session.get(path) as answer:
            await answer.read()
            return answer.status

    async def get(self, route: str, **parameters: str | int) -> Any:
        async with self.session.get(f"/api/v1/{route}", params=parameters) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, route: str, body: Item | None = None) -> Any:
        async with self.session.post(f"/api/v1/{route}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def items(self, route: str, **parameters: str | int) -> list[Item]:
        """All items of a list, page after page."""
        found: list[Item] = []
        page = await self.get(route, **{"limit": 10_000, **parameters})
        found += page["items"]
        while page["next"] is not None:
            page = await self.get(route, **{"limit": 10_000, **parameters, "cursor": page["next"]})
            found += page["items"]
        return found

    async def alerts(self, **parameters: str) -> list[Item]:
        return await self.items("alerts", **parameters)

    async def ledger(self, **parameters: str) -> dict[str | None, Item]:
        """The ledger's entries by unit; each of them balances."""
        entries = await self.items("ledger", **parameters)
        for entry in entries:
            for kind, outcomes in OUTCOMES.items():
                counts = entry[kind]
                assert counts["received"] == sum(counts[one] for one in outcomes), entry
        return {entry["unit"]: entry for entry in entries}

    async def received(self, unit: str | None = "ams-1") -> int:
        """How many messages of a unit the ledger counts."""
        entry = (await self.ledger()).get(unit)
        return 0 if entry is None else int(entry["messages"]["received"])
