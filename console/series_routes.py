"""Routes of what was measured, and of what it was judged to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import HOUR, MINUTE
from console import models, questions
from console.keys import CLOCK, REPORTING_ZONE
from console.problems import bad_parameter
from console.routes import Route, listing
from storage.queries.averages import averages
from storage.queries.blocks import BEFORE_ALL as BLOCKS_BEGIN
from storage.queries.extents import Calendar
from storage.queries.judgements import judgements
from storage.queries.readings import BEFORE_ALL as READINGS_BEGIN
from storage.queries.readings import readings
from storage.queries.rolling import rolling_averages
from storage.queries.scope import channel_ids

if TYPE_CHECKING:
    from aiohttp import web

    from storage.queries.page import Page, Part
    from storage.queries.session import Connection

_LONG_STEP = 20 * MINUTE


async def _readings(
    conn: Connection, asked: questions.ReadingsQuery, part: Part, _: web.Request
) -> Page:
    return await readings(
        conn,
        await channel_ids(conn, asked.scope),
        asked.span,
        part,
        every_revision=asked.revisions == "all",
        known_at=asked.as_known_at,
    )


async def _averages(
    conn: Connection, asked: questions.AveragesQuery, part: Part, request: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    if asked.kind != "rolling":
        return await averages(conn, ids, asked.window, asked.span, part, _calendar(request))
    if asked.window > HOUR and asked.window % _LONG_STEP:
        raise bad_parameter(
            "window", "window: expected a multiple of 20min where it is longer than 1h."
        )
    now = request.app[CLOCK]()
    return await rolling_averages(conn, ids, asked.window, asked.span, part, now)


async def _judgements(
    conn: Connection, asked: questions.JudgementsQuery, part: Part, request: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    return await judgements(conn, ids, asked.window, asked.span, part, _calendar(request))


def _calendar(request: web.Request) -> Calendar:
    return Calendar(request.app[CLOCK](), request.app[REPORTING_ZONE])


SERIES_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/readings",
        "Readings: current, all revisions, or as known at a time",
        models.Reading,
        questions.ReadingsQuery,
        READINGS_BEGIN,
        _readings,
    ),
    listing(
        "/api/v1/averages",
        "Block means, or rolling means of stored readings",
        models.Average,
        questions.AveragesQuery,
        BLOCKS_BEGIN,
        _averages,
    ),
    listing(
        "/api/v1/judgements",
        "What each block mean was judged to be by each limit",
        models.Judgement,
        questions.JudgementsQuery,
        BLOCKS_BEGIN,
        _judgements,
    ),
)
