"""Routes of invalidations: readings found to be wrong afterwards, and the way back."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from alerts.core.vocabulary import STATUS_BY_LABEL
from console import invalidation_models as models
from console import questions
from console.answers import json_answer
from console.bodies import parse_body
from console.keys import SESSIONS
from console.parameters import Query, parse_query
from console.problems import Problem
from console.routes import Route, listing
from storage.invalidations import NotAccepted, Request, request, request_restore
from storage.queries.invalidations import BEFORE_ALL, invalidation_items, invalidations
from storage.queries.scope import channel_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from storage.queries.page import Item, Page, Part
    from storage.queries.session import Connection, Sessions

_PATIENCE = 10.0  # seconds that the server may take before the answer says that it goes on
_LOOK_AGAIN = 0.1  # seconds
_BIGINT = 2**63


async def _invalidations(
    conn: Connection, asked: questions.InvalidationsQuery, part: Part, _: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    return await invalidations(conn, ids, asked.span, part, asked.state)


async def _invalidate(http: web.Request) -> web.StreamResponse:
    parse_query(Query, http.query)
    body = await parse_body(models.Invalidate, http)
    if body.start >= body.end:
        raise Problem(HTTPStatus.BAD_REQUEST, "end: expected a time after start.", pointer="/end")
    status = STATUS_BY_LABEL[body.status]
    asked = Request(body.channels, body.start, body.end, status, body.reason, body.by)
    try:
        async with http.app[SESSIONS].writing() as conn:
            ids = await request(conn, asked)
    except NotAccepted as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{_sentence(error)}.") from error
    items = await _settled(http.app[SESSIONS], ids)
    return json_answer({"items": items, "next": None}, status=_status(items))


async def _restore(http: web.Request) -> web.StreamResponse:
    parse_query(Query, http.query)
    number = _number(http.match_info["id"])
    body = await parse_body(models.Restore, http)
    async with http.app[SESSIONS].writing() as conn:
        if not await invalidation_items(conn, [number]):
            raise _unknown(number)
        try:
            await request_restore(conn, number, body.by, body.reason)
        except NotAccepted as error:
            raise Problem(HTTPStatus.CONFLICT, f"{_sentence(error)}.") from error
    items = await _settled(http.app[SESSIONS], [number])
    return json_answer(items[0], status=_status(items))


async def _settled(sessions: Sessions, ids: Sequence[int]) -> list[Item]:
    """Return the items when the server has done them, or as they are when patience ends."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        async with sessions.reading() as conn:
            items = await invalidation_items(conn, ids)
        if not _under_way(items) or asyncio.get_running_loop().time() > deadline:
            return items
        await asyncio.sleep(_LOOK_AGAIN)


def _under_way(items: Sequence[Item]) -> bool:
    return any(item["state"] in {"waiting", "restoring"} for item in items)


def _status(items: Sequence[Item]) -> HTTPStatus:
    return HTTPStatus.ACCEPTED if _under_way(items) else HTTPStatus.OK


def _sentence(error: NotAccepted) -> str:
    text = str(error)
    return text[0].upper() + text[1:]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < _BIGINT):
        raise _unknown(text)
    return int(text)


def _unknown(number: object) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        f"There is no invalidation {number}; /api/v1/invalidations lists them.",
    )


INVALIDATION_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/invalidations",
        "Stretches of channels found to be wrong afterwards, by where they start",
        models.Invalidation,
        questions.InvalidationsQuery,
        BEFORE_ALL,
        _invalidations,
    ),
    Route(
        "POST",
        "/api/v1/invalidations",
        "Take back that readings are valid; all that rests on them is judged again",
        _invalidate,
        models.Invalidations,
        body=models.Invalidate,
        also={202: "Noted; the server is still at it."},
    ),
    Route(
        "POST",
        "/api/v1/invalidations/{id}/restore",
        "Take an invalidation back: its readings are again what they were",
        _restore,
        models.Invalidation,
        body=models.Restore,
        also={202: "Noted; the server is still at it.", 409: "Somebody took it back before."},
    ),
)
