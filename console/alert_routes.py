"""Routes of alerts and their notices."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from console import models, questions
from console.answers import json_answer
from console.bodies import parse_body
from console.keys import ALERT_CHANGED, CLOCK, SESSIONS
from console.parameters import Query, parse_query
from console.problems import Problem
from console.routes import Route, listing
from storage.queries.alerts import BEFORE_ALL as ALERTS_BEGIN
from storage.queries.alerts import acknowledge, alert_history, alert_items, alerts
from storage.queries.notices import BEFORE_ALL as NOTICES_BEGIN
from storage.queries.notices import notices
from storage.queries.page import rfc3339
from storage.queries.scope import channel_ids

if TYPE_CHECKING:
    from aiohttp import web

    from storage.queries.page import Item, Page, Part
    from storage.queries.session import Connection


async def _alerts(
    conn: Connection, asked: questions.AlertsQuery, part: Part, _: web.Request
) -> Page:
    return await alerts(
        conn,
        await channel_ids(conn, asked.scope),
        asked.span,
        part,
        state=asked.state,
        severity=asked.severity,
        kind=asked.kind,
    )


async def _alert(request: web.Request) -> web.StreamResponse:
    parse_query(Query, request.query)
    alert = _alert_id(request)
    async with request.app[SESSIONS].reading() as conn:
        item = await _found(conn, alert)
        history = await alert_history(conn, alert)
    return json_answer({**item, "history": history})


async def _acknowledge(request: web.Request) -> web.StreamResponse:
    parse_query(Query, request.query)
    alert = _alert_id(request)
    body = await parse_body(models.Acknowledgement, request)
    note = {**body.model_dump(), "at": rfc3339(request.app[CLOCK]())}
    async with request.app[SESSIONS].writing() as conn:
        done = await acknowledge(conn, alert, note)
        item = await _found(conn, alert)
    if not done:
        first = item["acknowledged"]
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{first['by']} acknowledged this alert at {first['at']}; that stands.",
        )
    if (changed := request.app.get(ALERT_CHANGED)) is not None:
        changed(str(alert))
    return json_answer(item)


def _alert_id(request: web.Request) -> UUID:
    text = request.match_info["id"]
    try:
        return UUID(text)
    except ValueError:
        raise _no_alert(text) from None


async def _found(conn: Connection, alert: UUID) -> Item:
    items = await alert_items(conn, [alert])
    if not items:
        raise _no_alert(alert)
    return items[0]


def _no_alert(alert: object) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no alert {alert}; /api/v1/alerts lists them.")


async def _notices(
    conn: Connection, asked: questions.NoticesQuery, part: Part, _: web.Request
) -> Page:
    return await notices(
        conn,
        await channel_ids(conn, asked.scope),
        asked.span,
        part,
        outcome=asked.outcome,
        recipient=asked.recipient,
        alert=asked.alert,
    )


ALERT_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/alerts",
        "Alerts, by the time they opened",
        models.Alert,
        questions.AlertsQuery,
        ALERTS_BEGIN,
        _alerts,
    ),
    Route(
        "GET",
        "/api/v1/alerts/{id}",
        "An alert with its history",
        _alert,
        models.AlertWithHistory,
    ),
    Route(
        "POST",
        "/api/v1/alerts/{id}/acknowledge",
        "Take note of an alert; the first acknowledgement stands",
        _acknowledge,
        models.Alert,
        body=models.Acknowledgement,
        also={409: "Somebody acknowledged it before."},
    ),
    listing(
        "/api/v1/notices",
        "Notices to recipients, by the time they were made",
        models.Notice,
        questions.NoticesQuery,
        NOTICES_BEGIN,
        _notices,
    ),
)
