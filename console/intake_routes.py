"""Routes of what was received: the ledger and the quarantine."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from console import models, questions
from console.answers import json_answer
from console.keys import RETRY, SESSIONS
from console.parameters import Query, parse_query
from console.problems import Problem
from console.routes import Route, listing
from storage.queries.ledger import BEFORE_ALL as LEDGER_BEGIN
from storage.queries.ledger import ledger
from storage.queries.quarantine import BEFORE_ALL as QUARANTINE_BEGIN
from storage.queries.quarantine import quarantine, quarantine_item
from storage.retries import mark_for_retry

if TYPE_CHECKING:
    from aiohttp import web

    from storage.queries.page import Item, Page, Part
    from storage.queries.session import Connection, Sessions

_PATIENCE = 10.0  # seconds that a retry may take before the answer says that it still waits
_LOOK_AGAIN = 0.1  # seconds
_BIGINT = 2**63


async def _ledger(
    conn: Connection, asked: questions.LedgerQuery, part: Part, _: web.Request
) -> Page:
    return await ledger(conn, asked.scope, asked.span, part)


async def _quarantine(
    conn: Connection, asked: questions.QuarantineQuery, part: Part, _: web.Request
) -> Page:
    return await quarantine(conn, asked.scope, asked.span, part, state=asked.state)


async def _retry(request: web.Request) -> web.StreamResponse:
    parse_query(Query, request.query)
    number = _number(request.match_info["id"])
    async with request.app[SESSIONS].writing() as conn:
        await mark_for_retry(conn, [number])
        item = await _found(conn, number)
    if item["state"] == "retrying":
        await request.app[RETRY]([number])
        item = await _settled(request.app[SESSIONS], number)
    waits = item["state"] == "retrying"
    return json_answer(item, status=HTTPStatus.ACCEPTED if waits else HTTPStatus.OK)


async def _settled(sessions: Sessions, number: int) -> Item:
    """Return the item when it was processed again, or as it is when patience ends."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        async with sessions.reading() as conn:
            item = await _found(conn, number)
        if item["state"] != "retrying" or asyncio.get_running_loop().time() > deadline:
            return item
        await asyncio.sleep(_LOOK_AGAIN)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < _BIGINT):
        raise _no_item(text)
    return int(text)


async def _found(conn: Connection, number: int) -> Item:
    item = await quarantine_item(conn, number)
    if item is None:
        raise _no_item(number)
    return item


def _no_item(number: object) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND, f"There is no item {number}; /api/v1/quarantine lists them."
    )


INTAKE_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/ledger",
        "What became of each unit's deliveries, by the UTC hour of receipt",
        models.LedgerEntry,
        questions.LedgerQuery,
        LEDGER_BEGIN,
        _ledger,
    ),
    listing(
        "/api/v1/quarantine",
        "Messages and values set aside, by the time of their last receipt",
        models.QuarantineItem,
        questions.QuarantineQuery,
        QUARANTINE_BEGIN,
        _quarantine,
    ),
    Route(
        "POST",
        "/api/v1/quarantine/{id}/retry",
        "Process an item again under the registry of now",
        _retry,
        models.QuarantineItem,
        also={202: "It still waits for its turn."},
    ),
)
