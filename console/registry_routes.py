"""Routes that show the registry and the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import models, questions
from console.keys import CLOCK
from console.parameters import UnitQuery
from console.routes import Route, listing
from storage.queries.channels import BEFORE_ALL as CHANNELS_BEGIN
from storage.queries.channels import channels
from storage.queries.enterprises import BEFORE_ALL as ENTERPRISES_BEGIN
from storage.queries.enterprises import enterprises
from storage.queries.limits import BEFORE_ALL as LIMITS_BEGIN
from storage.queries.limits import limits
from storage.queries.scope import channel_ids
from storage.queries.sources import BEFORE_ALL as SOURCES_BEGIN
from storage.queries.sources import sources
from storage.queries.units import BEFORE_ALL as UNITS_BEGIN
from storage.queries.units import units

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from storage.queries.page import Page, Part
    from storage.queries.session import Connection


def _at(asked: questions.RegistryQuery, request: web.Request) -> datetime:
    return asked.at or request.app[CLOCK]()


async def _enterprises(
    conn: Connection, asked: questions.EnterprisesQuery, part: Part, request: web.Request
) -> Page:
    at = _at(asked, request)
    return await enterprises(conn, asked.scope, at, part)


async def _sources(
    conn: Connection, asked: questions.SourcesQuery, part: Part, request: web.Request
) -> Page:
    at = _at(asked, request)
    return await sources(conn, asked.scope, at, part)


async def _channels(
    conn: Connection, asked: questions.ChannelsQuery, part: Part, request: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    return await channels(conn, ids, _at(asked, request), part)


async def _limits(
    conn: Connection, asked: questions.ChannelsQuery, part: Part, request: web.Request
) -> Page:
    ids = await channel_ids(conn, asked.scope)
    return await limits(conn, ids, _at(asked, request), part)


async def _units(conn: Connection, asked: UnitQuery, part: Part, _: web.Request) -> Page:
    return await units(conn, asked.scope, part)


REGISTRY_ROUTES: tuple[Route, ...] = (
    listing(
        "/api/v1/enterprises",
        "Enterprises of the registry, as now or at a time",
        models.Enterprise,
        questions.EnterprisesQuery,
        ENTERPRISES_BEGIN,
        _enterprises,
    ),
    listing(
        "/api/v1/sources",
        "Sources of the registry, as now or at a time",
        models.Source,
        questions.SourcesQuery,
        SOURCES_BEGIN,
        _sources,
    ),
    listing(
        "/api/v1/channels",
        "Channels of the registry, as now or at a time",
        models.Channel,
        questions.ChannelsQuery,
        CHANNELS_BEGIN,
        _channels,
    ),
    listing(
        "/api/v1/limits",
        "Limits of the registry's permits, as now or at a time",
        models.Limit,
        questions.ChannelsQuery,
        LIMITS_BEGIN,
        _limits,
    ),
    listing(
        "/api/v1/units",
        "Units: state, current start, messages not yet received",
        models.Unit,
        UnitQuery,
        UNITS_BEGIN,
        _units,
    ),
)
