"""Routes of what was measured, and of what it was judged to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import HOUR, LONG_STEP
from console import models, questions
from console.keys import CLOCK, REPORTING_ZONE
from console.problems import bad_parameter
from console.routes import Route, listing
from storage.queries.averages import averages
from storage.queries.extents import Calendar
from storage.queries.judgements import judgements
from storage.queries.known import what_was_known
from storage.queries.page import Page, Part
from storage.queries.readings import BEFORE_ALL as READINGS_BEGIN
from storage.queries.readings import readings
from storage.queries.reported import BEFORE_ALL as REPORTED_BEGIN
from storage.queries.reported import reported
from storage.queries.revised import BEFORE_ALL as BLOCKS_BEGIN
from storage.queries.revised import averages_revised, judgements_revised
from storage.queries.rolling import rolling_averages
from storage.queries.scope import channel_ids

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from storage.queries.session import Connection


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
    known = await what_was_known(conn, asked.as_known_at)
    question = (conn, ids, asked.window, asked.span)
    calendar = _calendar(request, asked.as_known_at)
    if asked.kind == "rolling":
        _check_rolling(asked)
        return _whole_keys(await rolling_averages(*question, _blocks(part), calendar, known))
    if asked.revisions == "all":
        return await averages_revised(*question, part, known, basis=asked.basis)
    return _whole_keys(await averages(*question, _blocks(part), calendar, known, basis=asked.basis))


def _check_rolling(asked: questions.AveragesQuery) -> None:
    if asked.basis:
        raise bad_parameter("basis", "basis: there are rolling means of what is measured only.")
    if asked.window > HOUR and asked.window % LONG_STEP:
        raise bad_parameter(
            "window", "window: expected a multiple of 20min where it is longer than 1h."
        )
    if asked.revisions == "all":
        raise bad_parameter(
            "revisions", "revisions: rolling means are not stored; as_known_at shows former ones."
        )


async def _judgements(
    conn: Connection, asked: questions.JudgementsQuery, part: Part, request: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    known = await what_was_known(conn, asked.as_known_at)
    question = (conn, ids, asked.window, asked.span)
    if asked.revisions == "all":
        return await judgements_revised(*question, part, known)
    calendar = _calendar(request, asked.as_known_at)
    return _whole_keys(await judgements(*question, _blocks(part), calendar, known))


async def _reported(
    conn: Connection, asked: questions.ReportedQuery, part: Part, _: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    every = asked.revisions == "all"
    return await reported(conn, ids, asked.window, asked.span, part, every_revision=every)


def _calendar(request: web.Request, known_at: datetime | None) -> Calendar:
    return Calendar(_now(request, known_at), request.app[REPORTING_ZONE])


def _now(request: web.Request, known_at: datetime | None) -> datetime:
    """Return the time that a list is as of."""
    now = request.app[CLOCK]()
    return now if known_at is None else min(now, known_at)


def _blocks(part: Part) -> Part:
    """Return the part by start and id: cursors name a revision too, for lists of them."""
    return Part(part.after[:2], part.limit)


def _whole_keys(page: Page) -> Page:
    return Page(page.items, None if page.next is None else (*page.next, 0))


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
        "Block means: current, all revisions, or as known at a time; or rolling means",
        models.Average,
        questions.AveragesQuery,
        BLOCKS_BEGIN,
        _averages,
    ),
    listing(
        "/api/v1/reported",
        "Means that units report, beside ours",
        models.Reported,
        questions.ReportedQuery,
        REPORTED_BEGIN,
        _reported,
    ),
    listing(
        "/api/v1/judgements",
        "What each block mean was judged to be by each limit, now or as known at a time",
        models.Judgement,
        questions.JudgementsQuery,
        BLOCKS_BEGIN,
        _judgements,
    ),
)
