"""The API's description (OpenAPI 3.1), made of the route table and the models."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from console.models import Problem
from console.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from console.routes import Route

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}}
_DESCRIPTION = """\
Times are RFC 3339 in UTC. Lists come in pages, ascending by time and then id: pass `next` back as
`cursor` until it is null. Filters take ids, or full paths such as `gres1/stack-1/so2`; an id that
matches nothing gives an empty list. Errors are problem documents (RFC 9457)."""


def openapi(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Return the description of the routes."""
    listed = list(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AMS server", "version": version, "description": _DESCRIPTION},
        "paths": paths,
        "components": {"schemas": _schemas(listed)},
    }


def _schemas(routes: list[Route]) -> dict[str, Any]:
    answers = {route.answer for route in routes if route.answer} | {Problem}
    bodies = {route.body for route in routes if route.body}
    _, document = models_json_schema(
        [(model, "serialization") for model in sorted(answers, key=_name)]
        + [(model, "validation") for model in sorted(bodies, key=_name)],
        ref_template=_REFERENCE,
    )
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": _reference(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", route.path.removeprefix("/api/v1").replace("{id}", ""))
    return "_".join([route.method.lower(), *words, *(["one"] if route.path[-1] == "}" else [])])


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    described = route.query.model_json_schema()
    required = described.get("required", ())
    parameters = []
    for name, schema in described.get("properties", {}).items():
        known = {key: value for key, value in schema.items() if key not in ("title", "default")}
        parameter = {"name": name, "in": "query", "required": name in required}
        if "description" in known:
            parameter["description"] = known.pop("description")
        parameters.append({**parameter, "schema": _not_null(known)})
    return parameters


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that is given: null stands for one that is not."""
    given = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return given[0] if len(given) == 1 else schema


def _responses(route: Route) -> dict[str, Any]:
    good = str(HTTPStatus.OK.value)
    responses: dict[str, Any] = {
        good: {"description": "As asked.", "content": {route.media_type: {"schema": _good(route)}}}
    }
    problems = {
        400: "The question is wrong: see `parameter`.",
        503: "The database does not answer.",
    }
    if "{" in route.path:
        problems[404] = "There is no such thing."
    if route.body is not None:
        problems |= {413: "The body is too large.", 415: "The body is not JSON."}
    for status, text in sorted((problems | route.also).items()):
        content = responses[good]["content"] if status < HTTPStatus.BAD_REQUEST else _PROBLEM
        responses[str(status)] = {"description": text, "content": content}
    return responses


def _good(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"type": "object"} if route.media_type == "application/json" else {"type": "string"}
    if not route.listed:
        return _reference(route.answer)
    return {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": _reference(route.answer)},
            "next": {"type": ["string", "null"], "description": "The cursor of what follows."},
        },
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=_name(model))}


def _name(model: type[BaseModel]) -> str:
    return model.__name__
