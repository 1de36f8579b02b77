"""The commands beside `serve`, each as its row of the contract says, server running or stopped."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres
from tests.acceptance import plants
from tests.acceptance.json_schema import satisfies
from tests.acceptance.publishing import minutes, plant, sample
from tests.acceptance.server import AmsServer, run, serving, until
from tests.acceptance.waiting import become

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.api import Api, Item

pytestmark = pytest.mark.timeout(240)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
RECENT = NOW - timedelta(hours=5)


# ---------------------------------------------------------------- migrate


async def test_migrate_says_what_it_applied(empty_database_url: str) -> None:
    first = await run("ams-server", "migrate", "--database", empty_database_url)
    assert first.code == 0
    assert "applied 0001_schema" in first.out.splitlines()
    second = await run("ams-server", "migrate", "--database", empty_database_url)
    assert (second.code, second.out.strip()) == (0, "the schema is up to date")


# ---------------------------------------------------------------- registry


def spoiled() -> dict[str, Any]:
    """A registry with three errors in three places."""
    document = plants.registry()
    document["enterprises"][0]["sources"][0]["channels"][0]["period"] = "1 fortnight"
    document["enterprises"][0]["units"][0]["channels"]["nox"] = "stack-9/nox"
    document["permits"][0]["limits"][0]["unit"] = "kg"
    return document


async def test_registry_check_reports_every_error_with_its_place(here: Path) -> None:
    good = plants.write(here, plants.registry(), "good.json")
    said = await run("ams-server", "registry", "check", good)
    assert said.code == 0
    bad = here / "bad.yaml"
    bad.write_text(json.dumps(spoiled(), indent=1))
    said = await run("ams-server", "registry", "check", bad)
    assert said.code == 2
    lines = said.err.splitlines()
    assert len(lines) == 3, said.err
    texts = bad.read_text().splitlines()
    for line, word in zip(lines, ("1 fortnight", "stack-9/nox", '"kg"'), strict=True):
        assert line.startswith(f"{bad}:")
        number = int(line.removeprefix(f"{bad}:").split(":")[0])
        assert word in texts[number - 1], f"{line!r} does not name the line of {word}"


async def channels_known(server: AmsServer) -> int:
    async with server.sql() as conn:
        found: int = await conn.fetchval("select count(*) from channels")
        return found


async def test_registry_apply_changes_nothing_unless_all_is_valid(here: Path) -> None:
    """Exit 2 with every error, and what the database holds stays."""
    good = plants.write(here, plants.registry(["so2"]), "good.json")
    bad = plants.write(here, spoiled(), "bad.json")
    async with serving(here, registry=good) as server, server.api() as api:
        before = await api.items("channels")
        said = await server.command("registry", "apply", bad)
        assert said.code == 2
        assert len(said.err.splitlines()) == 3
        assert await api.items("channels") == before
        assert await channels_known(server) == 1


async def test_a_running_server_takes_note_of_an_applied_registry(here: Path) -> None:
    """No restart: a key that was unknown is stored from now on."""
    first = plants.write(here, plants.registry(["so2"]), "first.json")
    second = plants.write(here, plants.registry(["so2", "nox"]), "second.json")
    async with serving(here, registry=first) as server, server.api() as api:
        said = await server.command("registry", "apply", second)
        assert said.code == 0, said.all
        assert "1 channels" in said.out

        async with plant(server.mqtt) as unit:
            turn = iter(range(1, 1000))

            async def stored() -> bool:
                await unit.send(sample(RECENT + timedelta(minutes=next(turn)), {"nox": 7.0}))
                return bool(await api.items("readings", channel="nox"))

            await until(stored, "nox to be known to the server")
        assert len(await api.items("channels")) == 2


async def test_a_registry_applied_to_a_stopped_server_is_there_at_its_start(here: Path) -> None:
    registry = plants.write(here, plants.registry())
    server = AmsServer(here)
    said = await server.command("registry", "apply", registry)
    assert said.code == 0, said.all
    async with serving(here) as server, server.api() as api:
        assert len(await api.items("channels")) == 2
        assert len(await api.items("limits")) == 1


# ---------------------------------------------------------------- quarantine


async def waiting(api: Api, count: int) -> list[Item]:
    """The quarantine's items, once there are as many."""
    return await become(api, "quarantine", lambda items: len(items) == count)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
async def test_what_was_set_aside_is_stored_by_a_retry(here: Path, *, running: bool) -> None:
    """An unknown unit and an unknown key: apply the registry, retry, and both are stored.

    The ledger's counts move within the hour in which they were received.
    """
    narrow = plants.registry(["so2"])
    wide = plants.registry(["so2", "nox"])
    other = deepcopy(wide["enterprises"][0]["sources"][0])
    wide["enterprises"][0]["sources"].append({**other, "id": "stack-2"})
    wide["enterprises"][0]["units"].append({"id": "ams-2", "channels": {"so2": "stack-2/so2"}})
    registry = plants.write(here, narrow, "narrow.json")
    async with serving(here, registry=registry) as server:
        async with plant(server.mqtt) as one, plant(server.mqtt, unit="ams-2") as two:
            await one.send(sample(RECENT, {"so2": 1.0, "nox": 2.0}))
            await two.send(sample(RECENT, {"so2": 3.0}))
        async with server.api() as api:
            items = await waiting(api, 2)
            assert {item["reason"] for item in items} == {"unknown_channel", "unknown_unit"}
            ledger = await api.ledger()
            assert ledger["ams-1"]["readings"]["quarantined"] == 1
            assert ledger[None]["messages"]["quarantined"] == 1
        await backdate(server)
        if not running:
            await server.stop()
        listed = await server.command("quarantine", "list")
        assert listed.code == 0
        assert "unknown_unit" in listed.out
        assert "ams-2" in listed.out
        said = await server.command("registry", "apply", plants.write(here, wide, "wide.json"))
        assert said.code == 0, said.all
        if running:
            await in_use(server)
        said = await server.command("quarantine", "retry")
        assert said.code == 0, said.all
        if not running:
            server.options.pop("--registry")
            await server.start()
        async with server.api() as api:

            async def stored() -> bool:
                states = {item["state"] for item in await api.items("quarantine")}
                return states <= {"stored"}

            await until(stored, "both items to be stored")
            readings = await api.items("readings")
            assert {(item["source"], item["channel"], item["value"]) for item in readings} == {
                ("stack-1", "so2", 1.0),
                ("stack-1", "nox", 2.0),
                ("stack-2", "so2", 3.0),
            }
            hour = NOW.replace(minute=0) - timedelta(hours=2)
            later = await api.ledger(start=hour.isoformat())
            assert not any(entry["messages"]["received"] for entry in later.values())
            ledger = await api.ledger()
            for unit, readings_ in (("ams-1", 2), ("ams-2", 1)):
                assert ledger[unit]["messages"]["stored"] == 1
                assert ledger[unit]["readings"]["stored"] == readings_
                assert ledger[unit]["readings"]["quarantined"] == 0
            assert ledger.get(None, {"messages": {"received": 0}})["messages"]["received"] == 0


async def backdate(server: AmsServer) -> None:
    """Make what was received, received five hours before."""
    async with server.sql() as conn:
        await conn.execute("""
            update batches set received_at = received_at - interval '5 h';
            update quarantine_values set received_at = received_at - interval '5 h';
            update quarantine set first_at = first_at - interval '5 h',
                                  last_at = last_at - interval '5 h';
            update ledger set hour = hour - interval '5 h'""")


async def in_use(server: AmsServer) -> None:
    """Wait until the server has taken note of the registry that was applied last."""

    async def noted() -> bool:
        return server.log.count('"event": "registry in use"') >= 1

    await until(noted, "the registry to be in use")


async def test_a_retry_by_number_leaves_the_others(here: Path) -> None:
    registry = plants.write(here, plants.registry(["so2"]))
    async with serving(here, registry=registry) as server, server.api() as api:
        async with plant(server.mqtt) as unit:
            await unit.raw(b"not json")
            await unit.raw(b"{}")
        items = await waiting(api, 2)
        said = await server.command("quarantine", "retry", str(items[0]["id"]), "999999")
        assert said.code == 0
        assert "999999" in said.all
        assert [item["state"] for item in await api.items("quarantine")] == ["waiting"] * 2


# ---------------------------------------------------------------- replay


async def test_replay_prints_each_difference_and_exits_1(here: Path) -> None:
    """A judgement and an alert that were tampered with are found; untouched history is not."""
    registry = plants.write(here, plants.registry())
    span = ("--start", (RECENT - timedelta(days=1)).isoformat(), "--end", NOW.isoformat())
    async with serving(here, registry=registry) as server, server.api() as api:
        async with plant(server.mqtt) as unit:
            await unit.send(*minutes(RECENT, [50.0] * 60 + [150.0] * 60 + [50.0] * 60))

        async def resolved() -> bool:
            return [item["state"] for item in await api.alerts()] == ["resolved"]

        await until(resolved, "the alert to be resolved")
        await server.all_judged()
        clean = await server.command("replay", *span)
        assert (clean.code, clean.all.strip()) == (0, "no difference from what is stored")
        async with server.sql() as conn:
            await conn.execute(
                "update judgements set state = 1 - state where start ="
                " (select min(start) from judgements where state = 1)"
            )
        judgement = await server.command("replay", *span)
        assert judgement.code == 1
        assert "judgement gres1/stack-1/so2 20 min" in judgement.out
        assert "exceeded" in judgement.out
        await server.stop()
        async with (
            EmbeddedPostgres(server.data_dir / "database") as url,
            tampering(url) as conn,
        ):
            await conn.execute("update alerts set peak = peak + 1")
        both = await server.command("replay", *span)
        assert both.code == 1
        assert "judgement gres1/stack-1/so2" in both.out
        assert "alert gres1/stack-1/so2" in both.out
        assert "2 differences" in both.out


def tampering(url: str) -> Any:
    return asyncpg.create_pool(url, min_size=1, max_size=1, server_settings={"search_path": "ams"})


async def test_replay_wants_a_span(here: Path) -> None:
    data = ("--data-dir", here / "data")
    for words in (
        ("--start", "2026-01-02T00:00:00Z", "--end", "2026-01-01T00:00:00Z"),
        ("--start", "2026-01-01", "--end", "2026-01-02T00:00:00Z"),
        ("--start", "2026-01-01T00:00:00Z"),
    ):
        said = await run("ams-server", "replay", *words, *data)
        assert said.code == 2, said.all
        assert len(said.err.splitlines()) == 1, said.err
    assert not (here / "data").exists()


# ---------------------------------------------------------------- schema

GOOD = {
    "boot": "7f3c9a",
    "seq": 48211,
    "samples": [
        {
            "time": "2026-11-22T03:20:00Z",
            "values": {"so2": 384.2, "nox": 210.0, "o2": None},
            "status": {"nox": "calibration", "o2": "malfunction"},
        }
    ],
}
BAD: dict[str, dict[str, Any]] = {
    "without boot": {name: GOOD[name] for name in ("seq", "samples")},
    "an empty boot": {**GOOD, "boot": ""},
    "a boot of 65": {**GOOD, "boot": "b" * 65},
    "a seq below 0": {**GOOD, "seq": -1},
    "a seq of 2^63": {**GOOD, "seq": 2**63},
    "a seq in words": {**GOOD, "seq": "1"},
    "no samples": {**GOOD, "samples": []},
    "too many samples": {**GOOD, "samples": [{"time": "2026-11-22T03:20:00Z"}] * 10_001},
    "without a time": {**GOOD, "samples": [{"values": {"so2": 1}}]},
    "an unknown status": {
        **GOOD,
        "samples": [{"time": "2026-11-22T03:20:00Z", "status": {"so2": "fine"}}],
    },
    "a value in words": {
        **GOOD,
        "samples": [{"time": "2026-11-22T03:20:00Z", "values": {"so2": "1"}}],
    },
    "a boolean value": {
        **GOOD,
        "samples": [{"time": "2026-11-22T03:20:00Z", "values": {"so2": True}}],
    },
    "above 1e9": {
        **GOOD,
        "samples": [{"time": "2026-11-22T03:20:00Z", "values": {"so2": 2e9}}],
    },
}


async def test_schema_prints_a_schema_that_tells_good_messages_from_bad() -> None:
    said = await run("ams-server", "schema")
    assert said.code == 0
    schema = json.loads(said.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert satisfies(GOOD, schema, schema)
    assert satisfies({"state": "offline", "boot": "7f3c9a", "firmware": "2"}, schema, schema)
    assert satisfies({"boot": "a", "seq": 1, "time": "2026-11-22T03:20:01Z"}, schema, schema)
    for name, message in BAD.items():
        assert not satisfies(message, schema, schema), name


async def test_help_names_every_command() -> None:
    said = await run("ams-server", "--help")
    assert said.code == 0
    for command in ("serve", "migrate", "registry", "quarantine", "replay", "schema"):
        assert command in said.out
