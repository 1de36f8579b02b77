"""Routes of compliance with rule sets, and of budgets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from alerts.core.periods import duration
from console.compliance_models import Budget, Classes, Compliance
from console.keys import CLOCK, REPORTING_ZONE
from console.parameters import ChannelQuery, Instant, SpanQuery, Text
from console.routes import Route, listing
from storage.queries.budgets import BEFORE_ALL as BUDGETS_BEGIN
from storage.queries.budgets import budgets
from storage.queries.classes import BEFORE_ALL as CLASSES_BEGIN
from storage.queries.classes import classes
from storage.queries.compliance import BEFORE_ALL, Asked, compliance
from storage.queries.extents import Calendar
from storage.queries.scope import channel_ids

if TYPE_CHECKING:
    from aiohttp import web

    from storage.queries.page import Page, Part
    from storage.queries.session import Connection


def _average(text: str) -> str:
    duration(text)
    return text


Average = Annotated[
    str | None, BeforeValidator(_average), WithJsonSchema({"type": "string", "examples": ["1d"]})
]


def _year(text: str) -> int:
    if not re.fullmatch(r"[1-8]\d{3}", text, re.ASCII) or int(text) < 1971:  # noqa: PLR2004
        raise ValueError("expected a year such as 2026")
    return int(text)


Year = Annotated[
    int | None, BeforeValidator(_year), WithJsonSchema({"type": "integer", "minimum": 1971})
]


class ComplianceQuery(ChannelQuery, SpanQuery):
    """Questions to /compliance."""

    rules: Text = Field(None, description="Only this rule set.")
    condition: Text = Field(None, description="Only this condition of it.")
    window: Average = Field(
        None, description="Only conditions on averages of this length: 1h, 1d, 1month, 1year."
    )
    state: Literal["compliant", "exceeded", "not_assessable"] | None = None
    running: Literal["true", "false"] | None = Field(
        None, description="Only periods that are not over, or only those that are."
    )
    as_known_at: Instant = Field(None, description="Only what had been judged by then.")


class BudgetsQuery(ChannelQuery):
    """Questions to /budgets."""


class ClassesQuery(ChannelQuery):
    """Questions to /classes."""

    year: Year = Field(
        None, description="A calendar year of the reporting zone; by default the present one (UTC)."
    )


async def _compliance(conn: Connection, asked: ComplianceQuery, part: Part, _: web.Request) -> Page:
    narrowed = Asked(
        rules=asked.rules,
        condition=asked.condition,
        average=asked.window,
        state=asked.state,
        running=None if asked.running is None else asked.running == "true",
        known_at=asked.as_known_at,
    )
    ids = await channel_ids(conn, asked.scope)
    return await compliance(conn, ids, narrowed, asked.span, part)


async def _budgets(conn: Connection, asked: BudgetsQuery, part: Part, request: web.Request) -> Page:
    calendar = Calendar(request.app[CLOCK](), request.app[REPORTING_ZONE])
    return await budgets(conn, await channel_ids(conn, asked.scope), calendar, part)


async def _classes(conn: Connection, asked: ClassesQuery, part: Part, request: web.Request) -> Page:
    calendar = Calendar(request.app[CLOCK](), request.app[REPORTING_ZONE])
    year = asked.year or calendar.now.year
    return await classes(conn, await channel_ids(conn, asked.scope), year, calendar, part)


COMPLIANCE_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/compliance",
        "What the conditions of rule sets are judged to be, by the start of the period",
        Compliance,
        ComplianceQuery,
        BEFORE_ALL,
        _compliance,
    ),
    listing(
        "/api/v1/budgets",
        "Running means and masses, and what the rest of their periods may average",
        Budget,
        BudgetsQuery,
        BUDGETS_BEGIN,
        _budgets,
    ),
    listing(
        "/api/v1/classes",
        "How often the means of a year lay in each frequency class, of rule sets that have them",
        Classes,
        ClassesQuery,
        CLASSES_BEGIN,
        _classes,
    ),
)
