"""`ams-server invalidate` and its API: back to the last good check, and the way back."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from console.invalidation_models import Invalidate, Restore
from ingest.cli import cli
from tests.acceptance import plants
from tests.acceptance.publishing import minutes, plant, rfc3339, sample
from tests.acceptance.recipient import SECRET, recipient
from tests.acceptance.server import ENVIRONMENT, AmsServer, run, serving, until
from tests.test_docs import ROOT, unknown_word

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from tests.acceptance.api import Api, Item

pytestmark = pytest.mark.timeout(400)
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
START = NOW - 5 * HOUR
PATH = "gres1/stack-1/so2"
WHY = ("--reason", "zero check failed", "--by", "shift 2")


def span(first: datetime, last: datetime) -> tuple[str, ...]:
    return ("--start", rfc3339(first), "--end", rfc3339(last))


async def states(api: Api, **asked: str) -> Counter[str]:
    bounds = {"start": rfc3339(START), "end": rfc3339(START + 3 * HOUR)}
    items = await api.items("judgements", **bounds, **asked)
    return Counter(item["state"] for item in items)


async def alerts_are(api: Api, *wanted: str) -> None:
    async def met() -> bool:
        return sorted(item["state"] for item in await api.alerts()) == sorted(wanted)

    await until(met, f"the alerts to be {wanted}")


async def measured(server: AmsServer, api: Api) -> None:
    """Three hours, the middle one over the limit, and the reading that ends the last block."""
    async with plant(server.mqtt) as unit:
        await unit.send(*minutes(START, [50.0] * 60 + [150.0] * 60 + [50.0] * 61))
    await alerts_are(api, "resolved")
    await server.all_judged()


async def test_an_exceedance_is_taken_back_by_command_and_brought_back_by_the_api(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, plants.SECRET_VARIABLE, SECRET)
    async with recipient() as hook:
        registry = plants.write(here, plants.registry(hook=hook.url))
        async with serving(here, registry=registry) as server, server.api() as api:
            await measured(server, api)
            assert await states(api) == {"compliant": 6, "exceeded": 3}
            ledger = await api.ledger()
            published = rfc3339(datetime.now(UTC))

            dry = await server.command(
                "invalidate", PATH, *span(START + HOUR, START + 2 * HOUR), *WHY, "--dry-run"
            )
            assert dry.out.strip() == f"{PATH}: 60 valid readings would be invalidated"
            said = await server.command(
                "invalidate", PATH, *span(START + HOUR, START + 2 * HOUR), *WHY
            )
            assert said.code == 0, said.all
            assert "60 readings invalidated" in said.out
            assert "1 alerts" in said.out
            await alerts_are(api, "withdrawn")
            assert await states(api) == {"compliant": 6, "not_assessable": 3}
            assert await states(api, as_known_at=published) == {"compliant": 6, "exceeded": 3}
            every = await states(api, revisions="all")
            assert every == {"compliant": 6, "exceeded": 3, "not_assessable": 3}
            readings = await api.items("readings", as_known_at=published)
            assert {item["status"] for item in readings} == {"valid"}
            assert await api.ledger() == ledger
            (alert,) = await api.alerts()

            async def told() -> bool:
                return hook.of(alert["id"])[-1:] == ["withdrawn"]

            await until(told, "the recipient to be told")
            (item,) = await api.items("invalidations")
            assert (item["state"], item["readings"], item["by"]) == ("done", 60, "shift 2")
            await audit(server)

            restored = await api.post(
                f"invalidations/{item['id']}/restore",
                {"by": "shift 3", "reason": "the check gas was wrong"},
            )
            assert restored["state"] == "restored"
            assert restored["restored"]["readings"] == 60
            await alerts_are(api, "withdrawn", "resolved")
            await server.all_judged()
            assert await states(api) == {"compliant": 6, "exceeded": 3}
            assert await api.ledger() == ledger
            await audit(server)


async def audit(server: AmsServer) -> None:
    said = await server.command("replay", *span(START - 24 * HOUR, NOW))
    assert (said.code, said.all.strip()) == (0, "no difference from what is stored")


async def test_the_next_start_does_what_was_asked_of_a_stopped_server(here: Path) -> None:
    registry = plants.write(here, plants.registry())
    async with serving(here, registry=registry) as server:
        async with server.api() as api:
            await measured(server, api)
        await server.stop()
        said = await server.command("invalidate", PATH, *span(START, NOW), *WHY)
        assert said.code == 0, said.all
        assert "its next start does it" in said.out
        await server.start()
        async with server.api() as api:

            async def done() -> bool:
                return [item["state"] for item in await api.items("invalidations")] == ["done"]

            await until(done, "the invalidation to be done")
            await server.all_judged()
            await alerts_are(api, "withdrawn")
            said = await server.command(
                "invalidate", "--restore", "1", "--reason", "a mistake", "--by", "shift 3"
            )
            assert "181 readings restored" in said.out, said.all
            assert await states(api) == {"compliant": 6, "exceeded": 3}
            await audit(server)


async def test_killed_amid_a_long_span_it_goes_on_until_all_is_done(here: Path) -> None:
    """300 days of hourly readings; kill -9 while they are invalidated, and while restored."""
    registry = plants.write(here, plants.registry())
    first = NOW - timedelta(days=300)
    async with serving(here, registry=registry) as server:
        async with plant(server.mqtt) as unit:
            await unit.send(*[sample(first + n * HOUR, {"so2": 50.0}) for n in range(7200)])
        async with server.api() as api:

            async def stored() -> bool:
                return await api.received() == 1

            await until(stored, "the readings to be stored")
        await server.all_judged()
        asked = {"channels": [PATH], "start": rfc3339(first), "end": rfc3339(NOW)}
        said = {"reason": "no check since", "by": "shift 2"}
        kills, number = 0, 0
        while kills < 3:  # a quick machine may be done with it before some of them
            number += 1
            for route, body, end, revision in (
                ("invalidations", {**asked, **said}, "done", 2 * number - 1),
                (f"invalidations/{number}/restore", said, "restored", 2 * number),
            ):
                async with server.api() as api:
                    request = asyncio.create_task(api.post(route, body))
                    kills += await kill_amid(server, number, end)
                    await asyncio.gather(request, return_exceptions=True)
                for _ in range(2):
                    await server.start()
                    kills += await kill_amid(server, number, end)
                await server.start()
                async with server.api() as api:
                    await until(partial(finished, api, end), f"it to be {end}")
                    await server.all_judged()
                    assert (await api.items("invalidations"))[-1]["readings"] == 7200
                    await revised_once(server, revision)
                    await api.ledger()
        async with server.api() as api:
            assert {item["status"] for item in await api.items("readings")} == {"valid"}
        replayed = await server.command("replay", *span(first, NOW))
        assert replayed.code == 0, replayed.all


async def kill_amid(server: AmsServer, number: int, end: str) -> int:
    """Kill the server while it is at it; return whether it still was."""
    async with server.sql() as conn:
        before: Any = None
        while True:
            row = await conn.fetchrow(
                "select state, done_until from invalidations where id = $1", number
            )
            moved = row is not None and before is not None and row["done_until"] != before
            if row is not None and (moved or row["state"] == end):
                break
            before = None if row is None else row["done_until"]
            await asyncio.sleep(0.005)
    await server.kill()
    return int(row["state"] != end)


async def finished(api: Api, end: str) -> bool:
    items: list[Item] = await api.items("invalidations")
    return bool(items[-1]["state"] == end)


async def revised_once(server: AmsServer, revision: int) -> None:
    """Every reading has revisions 1 … n, one each."""
    async with server.sql() as conn:
        rows = await conn.fetch("select revision, count(*) from revisions group by 1 order by 1")
        assert [tuple(row) for row in rows] == [(n, 7200) for n in range(1, revision + 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((PATH, *span(NOW, START), *WHY), "a time after --start"),
        ((*span(START, NOW), *WHY), "CHANNEL, --start and --end expected"),
        ((PATH, "--start", "2026-01-01", "--end", rfc3339(NOW), *WHY), "--start"),
        ((PATH, *span(START, NOW), "--reason", " ", "--by", "shift 2"), "--reason"),
        ((PATH, *span(START, NOW), "--reason", "x"), "--by"),
        ((PATH, *span(START, NOW), *WHY, "--status", "valid"), "malfunction"),
        ((PATH, "--restore", "1", *WHY), "--restore"),
    ],
)
async def test_what_the_user_can_mend_is_one_line(
    here: Path, words: tuple[str, ...], said: str
) -> None:
    told = await run("ams-server", "invalidate", *words, "--data-dir", here / "data")
    assert told.code == 2, told.all
    assert said in told.err
    assert len(told.err.splitlines()) == 1, told.err
    assert not (here / "data").exists()


async def test_an_unknown_channel_and_number_are_named(here: Path) -> None:
    server = AmsServer(here)
    told = await server.command("invalidate", "gres1/stack-9/so2", *span(START, NOW), *WHY)
    assert told.code == 2
    assert "there is no channel gres1/stack-9/so2" in told.err
    told = await server.command("invalidate", "--restore", "7", *WHY)
    assert told.code == 2
    assert "there is no invalidation 7" in told.err


def test_the_commands_and_bodies_of_the_page_are_understood() -> None:
    page = (ROOT / "docs" / "invalidation.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        _, *words = shlex.split(command.replace("\\\n", " "))
        assert unknown_word(cli, words) is None
    bodies = re.findall(r"^```http\nPOST (\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    models: dict[str, type[BaseModel]] = {
        "/api/v1/invalidations": Invalidate,
        "/api/v1/invalidations/17/restore": Restore,
    }
    assert [route for route, _ in bodies] == list(models)
    for route, body in bodies:
        models[route].model_validate(json.loads(body), strict=True)
