"""/api/v1/invalidations: asked for, listed, taken back; the server itself is another's test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from console import invalidation_routes
from console.invalidation_models import Invalidation, Invalidations
from storage.invalidating import next_piece
from storage.times import to_micros
from tests.console.world import MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
Json = dict[str, Any]
BODY: Json = {
    "channels": ["gres1/stack-1/so2"],
    "start": "2026-11-22T08:00:00+05:00",
    "end": "2026-11-22T03:10:00Z",
    "reason": " zero check failed ",
    "by": "shift 2",
}
BACK = {"by": "shift 3", "reason": "the check gas was wrong"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs here: nobody waits for it."""
    monkeypatch.setattr(invalidation_routes, "_PATIENCE", 0.0)


async def work(world: World) -> None:
    """Do what the running server would."""
    while done := await next_piece(world.db, next(world.numbers), to_micros(at("12:00"))):
        assert done


async def measured(world: World, made: Made) -> None:
    for key in ("so2", "nox"):
        await world.readings(made[key], [(at("03:00") + n * MINUTE, 1.0) for n in range(20)])


@pytest.mark.usefixtures("impatient")
async def test_what_nobody_has_done_yet_is_noted(server: Server, world: World, made: Made) -> None:
    await measured(world, made)
    answer = await server.post("invalidations", 202, json=BODY)
    Invalidations.model_validate(answer)
    (item,) = answer["items"]
    requested_at = item.pop("requested_at")
    assert requested_at.endswith("Z")
    assert item == {
        "id": 1,
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "start": "2026-11-22T03:00:00Z",
        "end": "2026-11-22T03:10:00Z",
        "status": "malfunction",
        "reason": "zero check failed",
        "by": "shift 2",
        "state": "waiting",
        "done_until": "2026-11-22T03:00:00Z",
        "readings": 0,
        "restored": None,
        "readings_from": None,
    }


async def test_the_answer_waits_for_the_server(server: Server, world: World, made: Made) -> None:
    await measured(world, made)
    body = {**BODY, "channels": ["gres1/stack-1/so2", "gres1/stack-1/nox"], "status": "calibration"}

    async def later() -> None:
        while not await world.db.fetchval("select count(*) from invalidations"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await work(world)

    answer, _ = await asyncio.gather(server.post("invalidations", json=body), later())
    assert [(i["channel"], i["state"], i["readings"]) for i in answer["items"]] == [
        ("so2", "done", 10),
        ("nox", "done", 10),
    ]
    readings = await server.items("readings", channel="so2", end="2026-11-22T03:11:00Z")
    assert [one["status"] for one in readings] == ["calibration"] * 10 + ["valid"]
    assert readings[0]["flags"] == ["revised"]


async def test_one_is_taken_back_once(server: Server, world: World, made: Made) -> None:
    await measured(world, made)

    async def done(answer: Any) -> Any:
        task = asyncio.create_task(answer)
        while not task.done():
            await asyncio.sleep(0.05)
            await work(world)
        return await task

    await done(server.post("invalidations", json=BODY))
    item = await done(server.post("invalidations/1/restore", json=BACK))
    Invalidation.model_validate(item)
    assert item["state"] == "restored"
    restored = item["restored"]
    assert (restored["by"], restored["readings"]) == ("shift 3", 10)
    assert {one["status"] for one in await server.items("readings")} == {"valid"}
    problem = await server.post("invalidations/1/restore", 409, json=BACK)
    assert "Invalidation 1 was taken back at" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"channels": []}, "channels"),
        ({"channels": ["so2"]}, "channels/0"),
        ({"channels": ["gres1/stack-9/so2"]}, "no channel gres1/stack-9/so2"),
        ({"end": "2026-11-22T03:00:00Z"}, "end"),
        ({"end": "2999-01-01T00:00:00Z"}, "still to come"),
        ({"start": "yesterday"}, "start"),
        ({"start": 5}, "start"),
        ({"reason": "  "}, "reason"),
        ({"by": ""}, "by"),
        ({"status": "valid"}, "status"),
        ({"value": 5}, "value"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    server: Server, made: Made, change: Json, word: str
) -> None:
    assert made
    problem = await server.post("invalidations", 400, json={**BODY, **change})
    assert word in problem["detail"]
    assert await server.items("invalidations") == []


async def test_what_was_dropped_is_said(server: Server, world: World, made: Made) -> None:
    assert made
    await world.db.execute("update installation set readings_from = $1", at("03:30"))
    problem = await server.post("invalidations", 400, json=BODY)
    assert "2026-11-22T03:30:00Z" in problem["detail"]


@pytest.mark.usefixtures("impatient", "made")
async def test_they_are_listed_by_where_they_start(server: Server, world: World) -> None:
    await world.db.execute("update installation set readings_from = $1", at("02:30"))
    made_of: list[tuple[str, str]] = [("03:00", "so2"), ("02:00", "nox"), ("03:00", "nox")]
    for start, channel in made_of:
        body = {**BODY, "start": at(start).isoformat(), "channels": [f"gres1/stack-1/{channel}"]}
        await server.post("invalidations", 202, json=body)

    async def ids(**asked: str) -> list[int]:
        return [item["id"] for item in await server.items("invalidations", **asked)]

    assert await ids() == [2, 1, 3]
    assert await ids(channel="nox") == [2, 3]
    assert await ids(start="2026-11-22T02:30:00Z") == [1, 3]
    assert await ids(state="done") == []
    whole = await server.items("invalidations")
    assert await server.joined("invalidations", 1) == whole
    assert [item["readings_from"] for item in whole] == ["2026-11-22T02:30:00Z", None, None]
    for item in whole:
        Invalidation.model_validate(item)
    await server.post("invalidations/3/restore", 202, json=BACK)
    assert await ids(state="restoring") == [3]


@pytest.mark.parametrize("number", ["99", "x", str(2**63), "-1"])
async def test_there_is_no_such(server: Server, number: str) -> None:
    problem = await server.post(f"invalidations/{number}/restore", 404, json=BACK)
    assert "/api/v1/invalidations" in problem["detail"]


async def test_both_methods_are_described(bare: Server) -> None:
    document = await bare.get("openapi.json")
    assert set(document["paths"]["/api/v1/invalidations"]) == {"get", "post"}
