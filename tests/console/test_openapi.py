"""GET /api/v1/openapi.json: the description of all this."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from console.app import build_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.console.conftest import Server

Json = dict[str, Any]
CONTRACT = {
    "/healthz": "get",
    "/readyz": "get",
    "/metrics": "get",
    "/api/v1/enterprises": "get",
    "/api/v1/sources": "get",
    "/api/v1/channels": "get",
    "/api/v1/limits": "get",
    "/api/v1/units": "get",
    "/api/v1/readings": "get",
    "/api/v1/averages": "get",
    "/api/v1/judgements": "get",
    "/api/v1/reported": "get",
    "/api/v1/compliance": "get",
    "/api/v1/budgets": "get",
    "/api/v1/classes": "get",
    "/api/v1/alerts": "get",
    "/api/v1/alerts/{id}": "get",
    "/api/v1/alerts/{id}/acknowledge": "post",
    "/api/v1/notices": "get",
    "/api/v1/ledger": "get",
    "/api/v1/quarantine": "get",
    "/api/v1/quarantine/{id}/retry": "post",
    "/api/v1/invalidations": "get",
    "/api/v1/invalidations/{id}/restore": "post",
    "/api/v1/openapi.json": "get",
}
FIELDS = {
    "Unit": "state boot last_seen seq gaps",
    "Reading": "time value status flags revision received_at",
    "Average": "start end mean count expected coverage",
    "Judgement": "start end mean coverage state limit uom permit limit_version",
    "Alert": "id parameter window limit uom permit limit_version severity state opened_at "
    "resolved_at peak peak_at value silent_since late acknowledged replaced_by",
    "MessageCounts": "received stored duplicate quarantined",
    "ReadingCounts": "received stored duplicate revised quarantined",
    "QuarantineItem": "id topic enterprise unit key reason detail count first_at last_at state "
    "payload",
}


def _every(value: object) -> Iterator[Json]:
    """Yield every object within a document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _every(each)
    elif isinstance(value, list):
        for each in value:
            yield from _every(each)


async def test_the_description_holds_every_route_of_the_contract(bare: Server) -> None:
    document = await bare.get("openapi.json")
    assert document["openapi"].startswith("3.1")
    assert {path: next(iter(each)) for path, each in document["paths"].items()} == CONTRACT


async def test_the_description_holds_every_field_of_the_contract(bare: Server) -> None:
    schemas = (await bare.get("openapi.json"))["components"]["schemas"]
    for name, fields in FIELDS.items():
        assert set(fields.split()) <= set(schemas[name]["properties"]), name
        assert set(fields.split()) <= set(schemas[name]["required"]), name


async def test_the_description_follows_the_rules_of_openapi(bare: Server) -> None:
    document = await bare.get("openapi.json")
    assert set(document) <= {"openapi", "info", "paths", "components"}
    assert {"title", "version"} <= set(document["info"])
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            _check_operation(path, operation)


def _check_operation(path: str, operation: Json) -> None:
    assert set(operation) <= {"summary", "operationId", "parameters", "requestBody", "responses"}
    parameters = operation["parameters"]
    places = [(parameter["in"], parameter["name"]) for parameter in parameters]
    assert len(set(places)) == len(places)
    assert {name for place, name in places if place == "path"} == set(re.findall(r"{(\w+)}", path))
    for parameter in parameters:
        assert set(parameter) <= {"name", "in", "required", "schema", "description"}
        assert parameter["required"] or parameter["in"] == "query"
        assert "type" in parameter["schema"] or "enum" in parameter["schema"]
    for status, response in operation["responses"].items():
        assert re.fullmatch(r"[1-5]\d\d", status)
        assert response["description"]
        for media_type, content in response["content"].items():
            assert (media_type == "application/problem+json") == (int(status) >= 400)
            assert content["schema"]


async def test_every_reference_leads_somewhere(bare: Server) -> None:
    document = await bare.get("openapi.json")
    references = [each["$ref"] for each in _every(document) if "$ref" in each]
    assert references
    for reference in references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


async def test_lists_say_how_long_they_are_and_how_to_go_on(bare: Server) -> None:
    document = await bare.get("openapi.json")
    for path in ("readings", "ledger", "channels"):
        operation = document["paths"][f"/api/v1/{path}"]["get"]
        named = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
        assert named["limit"] == {"type": "integer", "minimum": 1, "maximum": 10000}
        assert named["cursor"] == {"type": "string"}
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["required"] == ["items", "next"]


def test_every_route_of_the_application_is_described_or_part_of_the_page() -> None:
    app = build_app(
        None,
        health=lambda: None,  # type: ignore[arg-type, return-value]  # never called
        render_metrics=lambda: (b"", ""),
        retry=None,  # type: ignore[arg-type]  # never called
    )
    paths = {route.resource.canonical for route in app.router.routes() if route.resource}
    rest = {path for path in paths if path not in CONTRACT}
    assert {path for path in rest if not path.startswith("/static/")} == {"/"}
