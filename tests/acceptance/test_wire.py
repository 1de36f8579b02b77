"""The way to the database is cut, or nothing passes on it any more."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from ingest.serve import POOL_SIZE
from storage.embedded import EmbeddedPostgres
from tests.acceptance.load import load, says_why
from tests.acceptance.server import AmsServer, run, serving, until
from tests.fixtures.database_wire import Cut, DatabaseWire

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.acceptance.api import Api

VALUES = 10
SHAPE = ("--units", "20", "--values", str(VALUES))
RATE, SECONDS = 100, 20  # messages a second, for so long
STOPS_WITHIN = 100.0  # seconds; the service gives it 120
_SESSIONS = "select count(*) from pg_stat_activity where application_name = 'ams-server'"


@asynccontextmanager
async def wired(
    here: Path, plan: Callable[[], Cut | None]
) -> AsyncIterator[tuple[AmsServer, DatabaseWire, Process]]:
    """A server whose database is at the end of a wire, and a load that it receives."""
    registry = here / "registry.json"
    said = await run("ams-simulator", "load", *SHAPE, "--registry-out", registry)
    assert said.code == 0, said.all
    async with (
        EmbeddedPostgres(here / "pg", settings={"fsync": "off"}) as url,
        DatabaseWire(url, plan) as wire,
        serving(here, registry=registry, database=wire.url) as server,
        load(server.mqtt, rate=RATE, seconds=SECONDS, shape=SHAPE) as units,
    ):
        yield server, wire, units


class _Cuts:
    """Every new connection is cut after some bytes, one way or the other, until ``end``."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self.end = False

    def __call__(self) -> Cut | None:
        dice = self._dice
        if self.end:
            return None
        upwards, reset = dice.random() < 0.5, dice.random() < 0.5
        return Cut(upwards, int(2 ** dice.uniform(9, 15)), reset)


async def test_cut_at_random_bytes_nothing_is_lost_and_the_server_lives(here: Path) -> None:
    cuts = _Cuts(seed=7)
    cuts.end = True  # not while it starts
    async with wired(here, cuts) as (server, wire, units):
        cuts.end = False
        wire.cut()
        async with asyncio.timeout(SECONDS + 60):
            out, _ = await units.communicate()
        cuts.end = True
        wire.cut()
        sent = json.loads(out)["sent"]
        assert sent == json.loads(out)["acknowledged"] > SECONDS * 50
        assert wire.cuts >= 5  # a slow machine has fewer connections to cut
        assert server.runs, server.log[-3000:]
        async with server.api() as api:
            await caught_up(server, api, sent)
        async with server.sql() as conn:
            assert await conn.fetchval("select count(*) from all_readings") == sent * VALUES
            assert await conn.fetchval(_SESSIONS) <= POOL_SIZE + 1  # the lock's
        await server.all_judged()


async def caught_up(server: AmsServer, api: Api, sent: int) -> None:
    """Everything that was published is stored, once; the books balance."""

    async def all_received() -> bool:
        assert server.runs, server.log[-3000:]
        if await api.status("/readyz") != 200:
            return False
        ledger = await api.ledger()
        return sum(int(entry["messages"]["stored"]) for entry in ledger.values()) >= sent

    await until(all_received, "all to be stored", 100)
    readings: list[dict[str, Any]] = [entry["readings"] for entry in (await api.ledger()).values()]
    assert sum(one["stored"] for one in readings) == sent * VALUES
    assert sum(one["revised"] + one["quarantined"] for one in readings) == 0


@pytest.mark.timeout(240)
async def test_a_stop_does_not_wait_for_a_database_that_hangs(here: Path) -> None:
    async with wired(here, lambda: None) as (server, wire, _):
        async with server.api() as api:

            async def received() -> bool:
                return bool(await api.ledger())

            await until(received, "something to be stored")
            wire.stop(forever=True)
            await until(lambda: says_why(api), "readiness to end", 15)
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < STOPS_WITHIN
