"""The first page: static files, sent with a policy that lets nothing else in."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_FILES = {
    "/": ("index.html", "text/html"),
    "/static/page.js": ("page.js", "text/javascript"),
    "/static/page.css": ("page.css", "text/css"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> list[web.RouteDef]:
    """Return the routes of the page and its files, which are read once."""
    folder = resources.files("console") / "static"
    return [
        web.get(path, _serve((folder / name).read_bytes(), media_type))
        for path, (name, media_type) in _FILES.items()
    ]


def _serve(body: bytes, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    tag = sha256(body).hexdigest()[:32]

    async def handler(request: web.Request) -> web.StreamResponse:
        known = {each.value for each in request.if_none_match or ()}
        if tag in known:
            return web.Response(status=304, headers={"ETag": f'"{tag}"', **_HEADERS})
        return web.Response(
            body=body,
            content_type=media_type,
            charset="utf-8",
            headers={"ETag": f'"{tag}"', **_HEADERS},
        )

    return handler
