"""`ams-server registry what-if`, with a server running and stopped."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import plants
from tests.acceptance.publishing import minutes, plant
from tests.acceptance.server import AmsServer, serving, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
RECENT = NOW - timedelta(hours=5)
SPAN = ("--start", (RECENT - timedelta(days=1)).isoformat(), "--end", NOW.isoformat())


def tighter(factor: float) -> dict[str, Any]:
    """The plant's registry with every limit's value times ``factor``."""
    document = plants.registry()
    for permit in document["permits"]:
        for limit in permit["limits"]:
            limit["value"] *= factor
    return document


async def versions(server: AmsServer) -> list[tuple[Any, ...]]:
    async with server.sql() as conn:
        return [
            tuple(row)
            for table in ("registry_versions", "limit_versions", "channel_versions", "limits")
            for row in await conn.fetch(f"select * from {table}")  # noqa: S608 - our own names
        ]


async def test_a_running_server_is_asked_and_not_disturbed(here: Path) -> None:
    registry = plants.write(here, plants.registry())
    lower = plants.write(here, tighter(0.5), "lower.json")
    async with serving(here, registry=registry) as server, server.api() as api:
        async with plant(server.mqtt) as unit:
            await unit.send(*minutes(RECENT, [70.0] * 120))

        async def judged() -> bool:
            return len(await api.items("judgements", window="20min")) >= 5

        await until(judged, "the blocks to be judged")
        await server.all_judged()
        before = await versions(server), await api.alerts(), await api.items("judgements")
        said = await server.command("registry", "what-if", lower, *SPAN)
        assert said.code == 0, said.all
        assert "compliant (mean 70" in said.out
        assert "-> exceeded (mean 70" in said.out
        assert "the registry: changed 1 limits" in said.out
        machine = await server.command("registry", "what-if", lower, *SPAN, "--json")
        items = [json.loads(line) for line in machine.out.splitlines()]
        assert {item["kind"] for item in items} == {"judgement", "alert", "summary"}
        assert {(item["source"], item["channel"]) for item in items[:-1]} == {("stack-1", "so2")}
        after = await versions(server), await api.alerts(), await api.items("judgements")
        assert after == before
        assert server.log.count('"event": "registry in use"') == 0

        await server.stop()
        again = await AmsServer(here).command("registry", "what-if", lower, *SPAN, "--json")
        assert (again.code, again.out) == (0, machine.out)


async def test_the_same_registry_makes_no_difference(here: Path) -> None:
    registry = plants.write(here, plants.registry())
    server = AmsServer(here)
    assert (await server.command("registry", "apply", registry)).code == 0
    said = await server.command("registry", "what-if", registry, *SPAN)
    assert (said.code, said.out.strip()) == (0, "no difference: the registry says the same")


async def test_errors_are_named_with_their_place_and_nothing_is_judged(here: Path) -> None:
    document = plants.registry()
    document["permits"][0]["limits"][0]["unit"] = "kg"
    wrong = here / "wrong.json"
    wrong.write_text(json.dumps(document, indent=1))
    server = AmsServer(here)
    said = await server.command("registry", "what-if", wrong, *SPAN)
    assert (said.code, said.out) == (2, "")
    [line] = said.err.splitlines()
    number = int(line.removeprefix(f"{wrong}:").split(":")[0])
    assert '"kg"' in wrong.read_text().splitlines()[number - 1]


async def test_it_wants_a_span(here: Path) -> None:
    registry = plants.write(here, plants.registry())
    words = ("--start", "2026-01-02T00:00:00Z", "--end", "2026-01-01T00:00:00Z")
    said = await AmsServer(here).command("registry", "what-if", registry, *words)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
