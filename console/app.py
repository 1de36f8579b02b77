"""The web application: routes and middlewares on what the composition root hands in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web

from console.alert_routes import ALERT_ROUTES
from console.compliance_routes import COMPLIANCE_ROUTES
from console.intake_routes import INTAKE_ROUTES
from console.invalidation_routes import INVALIDATION_ROUTES
from console.keys import (
    ALERT_CHANGED,
    CLOCK,
    HEALTH,
    RENDER_METRICS,
    REPORTING_ZONE,
    RETRY,
    SESSIONS,
    Health,
)
from console.openapi import openapi
from console.operation_routes import OPERATION_ROUTES
from console.page import page_routes
from console.parameters import Query, parse_query
from console.problems import Problem, problems
from console.registry_routes import REGISTRY_ROUTES
from console.routes import Route
from console.series_routes import SERIES_ROUTES
from storage.queries.session import Sessions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from console.keys import Retry
    from storage.queries.session import Pool

__all__ = ["Health", "build_app"]

_LARGEST_BODY = 65_536  # bytes: an acknowledgement is a few hundred
_ROUTES = (
    *REGISTRY_ROUTES,
    *SERIES_ROUTES,
    *COMPLIANCE_ROUTES,
    *ALERT_ROUTES,
    *INTAKE_ROUTES,
    *INVALIDATION_ROUTES,
    *OPERATION_ROUTES,
)


def _now() -> datetime:
    return datetime.now(UTC)


def build_app(  # noqa: PLR0913 - each a part of the server that the application stands on
    pool: Pool,
    *,
    health: Callable[[], Health],
    render_metrics: Callable[[], tuple[bytes, str]],
    retry: Retry,
    alert_changed: Callable[[str], None] | None = None,
    reporting_zone: str = "+05:00",
    clock: Callable[[], datetime] = _now,
) -> web.Application:
    """Return the application; whoever calls runs it and owns the pool.

    ``render_metrics`` returns a body and its content type. ``retry`` is told the numbers of
    quarantine items that are marked for another try. ``alert_changed`` hears the id of each alert
    that somebody acknowledged. ``reporting_zone`` is where the days of enterprises begin that name
    no zone.
    """
    app = web.Application(
        middlewares=[_headers, problems, _same_site], client_max_size=_LARGEST_BODY
    )
    app[SESSIONS] = Sessions(pool)
    app[HEALTH] = health
    app[RENDER_METRICS] = render_metrics
    app[RETRY] = retry
    app[REPORTING_ZONE] = reporting_zone
    app[CLOCK] = clock
    if alert_changed is not None:
        app[ALERT_CHANGED] = alert_changed
    routes = (*_ROUTES, _description_route(_ROUTES))
    for route in routes:
        add = app.router.add_get if route.method == "GET" else app.router.add_post
        add(route.path, route.handler)
    app.add_routes(page_routes())
    return app


def _description_route(others: tuple[Route, ...]) -> Route:
    """Return the route of the OpenAPI description, which describes itself too."""

    async def handler(request: web.Request) -> web.StreamResponse:
        parse_query(Query, request.query)
        return web.Response(text=text, content_type="application/json")

    route = Route("GET", "/api/v1/openapi.json", "The description of all this", handler)
    text = json.dumps(openapi((*others, route), version("ams-server")), ensure_ascii=False)
    return route


@web.middleware
async def _headers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let browsers guess nothing about answers."""
    response = await handler(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@web.middleware
async def _same_site(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse changes that another site's page asks for in a visitor's name."""
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Problem(HTTPStatus.FORBIDDEN, "Pages of other sites may not change anything here.")
    return await handler(request)
