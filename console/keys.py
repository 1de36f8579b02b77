"""What the application is built on: handed in by whoever composes the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from datetime import datetime

    from storage.queries.session import Sessions

Retry = Callable[[list[int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Health:
    """Why the server is not ready, a sentence for each cause; none when it is."""

    reasons: tuple[str, ...] = ()


SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions")
HEALTH: web.AppKey[Callable[[], Health]] = web.AppKey("health")
RENDER_METRICS: web.AppKey[Callable[[], tuple[bytes, str]]] = web.AppKey("render_metrics")
RETRY: web.AppKey[Retry] = web.AppKey("retry")
ALERT_CHANGED: web.AppKey[Callable[[str], None]] = web.AppKey("alert_changed")
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
REPORTING_ZONE: web.AppKey[str] = web.AppKey("reporting_zone")
