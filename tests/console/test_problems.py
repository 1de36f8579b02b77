"""Errors as application/problem+json (RFC 9457); unknown parameters are 400."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from console.cursors import encode_cursor
from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.pool import connect, open_pool
from tests.console.conftest import serving
from tests.console.world import World, at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.console.conftest import Server

Made = dict[str, int]
LISTS = (
    "enterprises",
    "sources",
    "channels",
    "limits",
    "units",
    "readings",
    "averages",
    "judgements",
    "reported",
    "compliance",
    "budgets",
    "classes",
    "alerts",
    "notices",
    "ledger",
    "quarantine",
)


@pytest.mark.parametrize("path", [*LISTS, "openapi.json"])
async def test_an_unknown_parameter_is_400_and_named(bare: Server, path: str) -> None:
    problem = await bare.refused(path, 400, colour="red")
    assert problem["parameter"] == "colour"
    assert problem["status"] == 400
    assert problem["title"] == "Bad Request"
    assert problem["type"] == "about:blank"
    assert "unknown" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "parameter", "value"),
    [
        ("readings", "limit", "0"),
        ("readings", "limit", "10001"),
        ("readings", "limit", "ten"),
        ("readings", "limit", ""),
        ("readings", "limit", "٣"),
        ("readings", "start", "yesterday"),
        ("readings", "start", "2026-11-22"),
        ("readings", "start", "2026-11-22T03:20:00"),
        ("readings", "start", "2026-02-30T00:00:00Z"),
        ("readings", "end", "0001-01-01T00:00:00+05:00"),
        ("readings", "as_known_at", "now"),
        ("readings", "revisions", "none"),
        ("readings", "enterprise", ""),
        ("readings", "enterprise", "a/b"),
        ("readings", "enterprise", "a b"),
        ("readings", "enterprise", "a\x00b"),
        ("readings", "source", "a/b/c"),
        ("readings", "channel", "stack-1/so2"),
        ("readings", "channel", "gres1//so2"),
        ("readings", "unit", "a/b/c"),
        ("averages", "window", "20"),
        ("averages", "window", "0min"),
        ("averages", "window", "1month"),
        ("averages", "window", "999999999d"),
        ("averages", "kind", "sliding"),
        ("judgements", "window", "soon"),
        ("alerts", "state", "closed"),
        ("alerts", "severity", "bad"),
        ("notices", "alert", "7"),
        ("quarantine", "state", "gone"),
        ("channels", "at", "tomorrow"),
        ("units", "source", "stack-1"),
    ],
)
async def test_a_bad_value_is_400_and_names_the_parameter(
    bare: Server, path: str, parameter: str, value: str
) -> None:
    problem = await bare.refused(path, 400, **{parameter: value})
    assert problem["parameter"] == parameter
    assert problem["detail"].startswith(parameter)


async def test_a_problem_says_what_was_expected(bare: Server) -> None:
    problem = await bare.refused("readings", 400, limit="0")
    assert problem["detail"] == "limit: expected an integer from 1 to 10000."
    problem = await bare.refused("alerts", 400, state="closed")
    assert problem["detail"] == ("state: expected 'pending', 'open', 'resolved' or 'withdrawn'.")


async def test_a_parameter_given_twice_is_400(bare: Server) -> None:
    problem = await bare.refused("readings?limit=1&limit=2", 400)
    assert problem["parameter"] == "limit"


def _token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "é",
        "A" * 2000,
        _token({}),
        _token(None),
        _token([]),
        _token(["2026-11-22T00:00:00+00:00", 1]),
        _token(["2026-11-22T00:00:00+00:00", 1, "x"]),
        _token(["2026-11-22T00:00:00+00:00", 2**63, 0]),
        _token(["2026-11-22T00:00:00+00:00", True, 0]),
        _token(["then", 1, 0]),
        encode_cursor(("gres1",)),
    ],
)
async def test_an_invalid_cursor_is_400(bare: Server, cursor: str) -> None:
    problem = await bare.refused("readings", 400, cursor=cursor)
    assert problem["parameter"] == "cursor"


async def test_an_empty_list_is_no_error(server: Server) -> None:
    for path in LISTS:
        assert await server.get(path) == {"items": [], "next": None}
        assert await server.get(path, enterprise="nowhere") == {"items": [], "next": None}


async def test_a_plus_that_was_not_encoded_is_understood(
    server: Server, world: World, made: Made
) -> None:
    await world.readings(made["so2"], [(at("03:20"), 1.0)])
    for start, found in (("08:20:00", 1), ("08:20:01", 0)):
        body = await server.get(f"/api/v1/readings?start=2026-11-22T{start}+05:00")
        assert len(body["items"]) == found


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/api/v1/", "/api/v1/readings/"])
async def test_an_unknown_route_is_404(bare: Server, path: str) -> None:
    problem = await bare.refused(path, 404)
    assert problem["status"] == 404


async def test_a_wrong_method_is_405_and_says_what_is_allowed(bare: Server) -> None:
    async with bare.http.delete("/api/v1/readings") as answer:
        assert answer.status == 405
        assert answer.content_type == "application/problem+json"
        assert answer.headers["Allow"] == "GET, HEAD"
    async with bare.http.get(f"/api/v1/quarantine/{1}/retry") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"


async def test_head_answers_like_get_without_a_body(server: Server) -> None:
    for path in ("/healthz", "/api/v1/readings", "/metrics", "/"):
        async with server.http.head(path) as answer:
            assert answer.status == 200
            assert await answer.read() == b""


async def test_without_a_database_the_answer_is_503_and_it_recovers(tmp_path: Path) -> None:
    async with AsyncExitStack() as database:
        url = await database.enter_async_context(EmbeddedPostgres(tmp_path))
        conn = await connect(url)
        await migrate(conn)
        await conn.close()
        pool = await open_pool(url, size=2)
        async with serving(pool) as server:
            await server.get("units")
            await database.aclose()
            for path in ("readings", "units", "ledger", "judgements"):
                problem = await server.refused(path, 503)
                assert "database" in problem["detail"]
            assert await server.get("/healthz") == {"status": "ok"}
            async with EmbeddedPostgres(tmp_path):
                await server.get("units")
                pool.terminate()


async def test_a_mistake_of_ours_is_a_problem_too_and_shows_no_traceback(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("console.registry_routes.units", broken)
    problem = await server.refused("units", 500)
    assert "secret" not in json.dumps(problem)


async def test_pages_of_other_sites_may_neither_read_nor_change(
    server: Server, world: World
) -> None:
    number = await world.aside(at("03:20"))
    headers = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    async with server.http.post(f"/api/v1/quarantine/{number}/retry", headers=headers) as answer:
        assert answer.status == 403
        assert answer.content_type == "application/problem+json"
    assert server.retried == []
    async with server.http.get("/api/v1/units", headers=headers) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_answers_leave_connections_of_the_pool_to_the_intake(database_url: str) -> None:
    """However many ask at once, no more than four connections work for them."""
    pool = await open_pool(database_url, size=6)
    async with serving(pool) as server:
        asked = [asyncio.create_task(server.get("judgements")) for _ in range(20)]
        while not all(task.done() for task in asked):
            assert pool.get_size() - pool.get_idle_size() <= 4
            await asyncio.sleep(0)
        assert all(task.result()["items"] == [] for task in asked)
    await pool.close()
