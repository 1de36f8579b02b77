"""A webhook recipient on loopback that keeps what it gets and checks who sent it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "the committee's secret"  # noqa: S105 - of a recipient that lives for a test


@dataclass
class Recipient:
    """``events`` are in order of arrival, each with a right signature; ``refuse`` answers 503."""

    url: str = ""
    refuse: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers.get("X-AMS-Signature", ""), expected):
            return web.Response(status=401)
        if self.refuse:
            return web.Response(status=503)
        self.events.append(json.loads(body))
        return web.Response(status=204)

    def of(self, alert: str) -> list[str]:
        """The kinds of the notices of one alert, repeated deliveries left out."""
        seen: dict[str, str] = {}
        for event in self.events:
            if event["subject"] == alert:
                seen.setdefault(event["id"], event["type"].removeprefix("kz.ams.alert."))
        return list(seen.values())

    def announced(self) -> Counter[tuple[str, ...]]:
        """How many different notices said the same of an alert's course."""
        told = {event["id"]: event for event in self.events}
        names = ("opened_at", "resolved_at", "severity", "peak", "peak_at")
        return Counter(
            (one["subject"], one["type"], *(str(one["data"][name]) for name in names))
            for one in told.values()
        )


@asynccontextmanager
async def recipient() -> AsyncIterator[Recipient]:
    made = Recipient()
    app = web.Application()
    app.router.add_post("/hook", made.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield made
    finally:
        await runner.cleanup()
