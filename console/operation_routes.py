"""Routes for operators and their tools: alive, ready, metrics."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from console import models
from console.answers import json_answer
from console.keys import HEALTH, RENDER_METRICS
from console.problems import problem_response
from console.routes import Route

_METRICS_TYPE = "text/plain"


async def _healthz(_: web.Request) -> web.StreamResponse:
    return json_answer({"status": "ok"})


async def _readyz(request: web.Request) -> web.StreamResponse:
    reasons = request.app[HEALTH]().reasons
    if not reasons:
        return json_answer({"status": "ready"})
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "; ".join(reasons),
        headers={"Cache-Control": "no-store"},
        members={"reasons": list(reasons)},
    )


async def _metrics(request: web.Request) -> web.StreamResponse:
    body, content_type = request.app[RENDER_METRICS]()
    return web.Response(
        body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"}
    )


OPERATION_ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", "The process is alive", _healthz, models.Status),
    Route(
        "GET",
        "/readyz",
        "Ready: database and subscription are live",
        _readyz,
        models.Status,
        also={503: "Not ready, with the reasons."},
    ),
    Route("GET", "/metrics", "Prometheus metrics", _metrics, media_type=_METRICS_TYPE),
)
