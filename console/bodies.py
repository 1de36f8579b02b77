"""Bodies of requests: JSON objects, checked against a model."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from console.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web

Body = TypeVar("Body", bound=BaseModel)


async def parse_body(model: type[Body], request: web.Request) -> Body:
    """Return the body; a Problem where it is not JSON (415, 400) or not the model (400)."""
    if request.content_type != "application/json":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON (Content-Type: application/json).",
        )
    try:
        value = json.loads((await request.read()).decode())
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from error
    try:
        body = model.model_validate(value, strict=True)
    except ValidationError as error:
        raise _refusal(model, error) from error
    _check_text(body)
    return body


def _refusal(model: type[BaseModel], error: ValidationError) -> Problem:
    first = error.errors(include_url=False)[0]
    fields = ", ".join(model.model_fields)
    place = "/".join(str(part) for part in first["loc"])
    detail = f"{place}: {first['msg']}" if place else first["msg"]
    return Problem(
        HTTPStatus.BAD_REQUEST, f"{detail}; the body is an object of {fields}.", pointer=f"/{place}"
    )


def _check_text(body: BaseModel) -> None:
    """Refuse what JSON can write and no database can keep: NUL and halves of characters."""
    for name, value in body:
        if isinstance(value, str) and ("\x00" in value or not _encodable(value)):
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"{name}: expected text of whole characters without NUL.",
                pointer=f"/{name}",
            )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
