"""Errors as RFC 9457 problem documents, whatever raised them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from storage.errors import Unavailable
from storage.queries.extents import TooManySeries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER = "5"  # seconds
_LOG = structlog.get_logger()


class Problem(Exception):  # noqa: N818 - the standard's word
    """An answer that is not what was asked for; ``members`` are extensions of the standard's."""

    def __init__(self, status: int, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = members


def bad_parameter(parameter: str, detail: str) -> Problem:
    """Return the problem of a query parameter that is unknown or has a wrong value."""
    return Problem(HTTPStatus.BAD_REQUEST, detail, parameter=parameter)


def problem_response(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """Return a problem document; its title is the status code's own."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(members or {}),
    }
    return web.Response(
        body=json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        status=status,
        content_type=MEDIA_TYPE,
        headers=headers,
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong in a handler into a problem document, never into a traceback."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem.status, problem.detail, members=problem.members)
    except TooManySeries as error:
        return problem_response(
            HTTPStatus.BAD_REQUEST, f"{error}.", members={"parameter": "enterprise"}
        )
    except Unavailable as error:
        _LOG.warning("no answer from the database", path=request.path, error=str(error))
        return problem_response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer, or too many are asking it: try again soon.",
            headers={"Retry-After": _RETRY_AFTER},
        )
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _http_problem(request, error)
    except Exception:  # noqa: BLE001 - a client gets an answer, the operator the traceback in the log
        _LOG.exception("request failed", method=request.method, path=request.path)
        return problem_response(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The server made a mistake; its log says more.",
        )


def _http_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    headers: dict[str, str] = {}
    detail = error.text or error.reason
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        detail = f"{request.path} takes {headers['Allow']}."
    elif error.status == HTTPStatus.NOT_FOUND:
        detail = f"There is no {request.path}; /api/v1/openapi.json lists what there is."
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        detail = "The body is larger than this route takes."
    return problem_response(error.status, detail, headers=headers)
