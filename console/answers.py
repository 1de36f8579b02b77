"""Answers as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aiohttp import web

from console.cursors import encode_cursor

if TYPE_CHECKING:
    from storage.queries.page import Page

_AT_ONCE = 500  # items: about a millisecond of work


def json_answer(value: object, *, status: int = 200) -> web.Response:
    """Return a value as JSON, never to be kept by caches: it is as of now."""
    return _response(_dumps(value), status)


async def page_answer(page: Page) -> web.Response:
    """Return part of a list; receipt of readings goes on while a long one is encoded."""
    parts = []
    for first in range(0, len(page.items), _AT_ONCE):
        parts.append(_dumps(page.items[first : first + _AT_ONCE])[1:-1])
        await asyncio.sleep(0)
    following = None if page.next is None else encode_cursor(page.next)
    return _response(f'{{"items": [{", ".join(parts)}], "next": {_dumps(following)}}}', 200)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _response(text: str, status: int) -> web.Response:
    return web.Response(
        text=text,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
