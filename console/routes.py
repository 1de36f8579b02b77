"""The shape of a route: what it may be asked, what it answers, and who answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from console.answers import page_answer
from console.cursors import decode_cursor
from console.keys import SESSIONS
from console.parameters import ListQuery, Query, parse_query
from storage.queries.page import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web
    from pydantic import BaseModel

    from storage.queries.page import Key, Page
    from storage.queries.session import Connection

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Asked = TypeVar("Asked", bound=ListQuery)


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the API: the router and the OpenAPI description are made of these.

    ``answer`` is the model of the answer, or of each item where ``listed``; None for answers that
    are not described by a model, whose media type ``media_type`` is. ``also`` are the statuses
    beside 400, 404 and 503 that a caller must expect.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel] | None = None
    listed: bool = False
    query: type[Query] = Query
    body: type[BaseModel] | None = None
    media_type: str = "application/json"
    also: dict[int, str] = field(default_factory=dict)


def listing(  # noqa: PLR0913, PLR0917 - read as a line of the route table
    path: str,
    summary: str,
    answer: type[BaseModel],
    query: type[Asked],
    first: Key,
    fetch: Callable[[Connection, Asked, Part, web.Request], Awaitable[Page]],
) -> Route:
    """Return the route of a list in pages.

    ``fetch`` gets a connection, the question, which part of the list is wanted (``first``: the key
    before all) and the request.
    """
    kinds = [type(part) for part in first]

    async def handler(request: web.Request) -> web.StreamResponse:
        asked = parse_query(query, request.query)
        after = first if asked.cursor is None else decode_cursor(asked.cursor, kinds)
        async with request.app[SESSIONS].reading() as conn:
            page = await fetch(conn, asked, Part(after, asked.limit), request)
        return await page_answer(page)

    return Route("GET", path, summary, handler, answer, listed=True, query=query)
