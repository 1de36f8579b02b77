"""The database is away for two minutes while the units go on sending."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.link import MAX_BYTES, MAX_MESSAGES
from storage.embedded import EmbeddedPostgres
from tests.acceptance.load import load, says_why
from tests.acceptance.publishing import retained
from tests.acceptance.server import run, serving, until

if TYPE_CHECKING:
    from tests.acceptance.api import Api
    from tests.acceptance.server import AmsServer
    from tests.fixtures.brokers import Broker

AWAY = 120.0  # seconds
RATE, VALUES, UNITS = 500, 10, 100  # messages a second, readings in each: more than fits the bound
BEFORE, AFTER = 10, 15  # seconds of load
CHUNK = 2_000  # messages by which the network's last chunk may overshoot the bound
# What may wait: README's bound of payload, and a kilobyte of Python's own for each message.
MOST_GROWTH = MAX_BYTES + MAX_MESSAGES * 1024
RECEIPT = "ams/v1/load-0000/u-0000000/receipt"
SHAPE = ("--units", str(UNITS), "--values", str(VALUES))


async def metrics(api: Api) -> dict[str, float]:
    async with api.session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


async def committed(api: Api) -> float:
    found = await metrics(api)
    return sum(value for name, value in found.items() if name.startswith("ams_messages_total"))


def memory(server: AmsServer) -> int:
    """Resident memory of the server's process, bytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.timeout(600)
async def test_two_minutes_without_a_database_under_load(here: Path, mosquitto: Broker) -> None:
    """Nothing is acknowledged meanwhile, memory is bounded, and then all is stored, once."""
    registry = here / "registry.json"
    said = await run("ams-simulator", "load", *SHAPE, "--registry-out", registry)
    assert said.code == 0, said.all
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(AsyncExitStack())
        url = await postgres.enter_async_context(EmbeddedPostgres(here / "pg"))
        server = await stack.enter_async_context(
            serving(here, registry=registry, database=url, broker=mosquitto.url)
        )
        api = await stack.enter_async_context(server.api())
        units = await stack.enter_async_context(
            load(server.mqtt, rate=RATE, seconds=BEFORE + AWAY + AFTER, shape=SHAPE)
        )
        await asyncio.sleep(BEFORE)
        assert await committed(api) > 0
        before = memory(server)
        await postgres.aclose()
        await outage(server, api, before)
        await stack.enter_async_context(EmbeddedPostgres(here / "pg"))
        out, _ = await asyncio.wait_for(units.communicate(), 200)
        result: dict[str, Any] = json.loads(out)
        assert result["acknowledged"] == result["sent"] > RATE * AWAY / 2
        await caught_up(server, api, result["sent"])
        await server.stop()


async def outage(server: AmsServer, api: Api, before: int) -> None:
    """Watch two minutes of it."""
    end = time.monotonic() + AWAY
    await until(lambda: says_why(api), "readiness to end")
    count = await committed(api)
    await asyncio.sleep(6)  # a receipt may come 5 s after its commit
    receipt = await retained(server.mqtt, RECEIPT)
    while time.monotonic() < end:
        await asyncio.sleep(1)
        assert await says_why(api)
        assert await api.status("/healthz") == 200
        found = await metrics(api)
        assert await committed(api) == count
        assert found["ams_unacked_messages"] <= MAX_MESSAGES + CHUNK
        assert memory(server) - before < MOST_GROWTH
    assert found["ams_unacked_messages"] >= MAX_MESSAGES, "the load does not reach the bound"
    assert found["ams_database_up"] == 0
    assert await retained(server.mqtt, RECEIPT) == receipt


async def caught_up(server: AmsServer, api: Api, sent: int) -> None:
    """Everything that was published is stored, once; the books balance."""

    async def all_received() -> bool:
        if await api.status("/readyz") != 200:
            return False
        ledger = await api.ledger()
        return sum(int(entry["messages"]["stored"]) for entry in ledger.values()) >= sent

    await until(all_received, "all to be stored", 200)
    readings = [entry["readings"] for entry in (await api.ledger()).values()]
    assert sum(one["stored"] for one in readings) == sent * VALUES
    assert sum(one["revised"] + one["quarantined"] for one in readings) == 0
    async with server.sql() as conn:
        assert await conn.fetchval("select count(*) from all_readings") == sent * VALUES
    await server.all_judged()
