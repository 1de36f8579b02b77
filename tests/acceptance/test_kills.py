"""Killed at random, in random order: the server, PostgreSQL and the broker, under load.

The units keep each message until the broker acknowledged it. In the end the books are those of an
undisturbed run of the same messages: every reading once, the same means, judgements and alerts,
and no notice under two ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.ports import free_port
from tests.acceptance.recipient import SECRET, Recipient, recipient
from tests.acceptance.server import BIN, ENVIRONMENT, AmsServer, run, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.api import Item

ROUNDS = 27  # of two seeds: at least 40 kills
PARTS = ("server", "server", "postgres", "broker", "stop")
HOURS = 10
START = (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
FAULTS = "duplicate,reordered,backlog,drop-out,spike,minus-one"
EXAMPLE = Path(__file__).parents[2] / "deploy" / "registry.example.yaml"

ARRIVAL = {"late", "clock", "revised", "gap_before"}  # flags that tell of it and not of the value
BLOCKS = """
select c.enterprise, c.channel, b.window_s, b.start, b.mean, b.count
from current_blocks b join channels c on c.id = b.channel
where b.finish <= $1 and b.samples > 0 order by 1, 2, 3, 4
"""
JUDGEMENTS = """
select enterprise, channel, "window", start, mean, count, state from judgements_named
where finish <= $1 and count > 0 order by 1, 2, 3, 4
"""
ALERTS = """
select enterprise, channel, "window", opened_at, severity, worst, peak, peak_at,
       case when resolved_at <= $1 then resolved_at end as resolved_at
from alerts_named where state in ('open', 'resolved') and opened_at < $1
order by 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


def words(seed: int, speed: str, mqtt: str) -> list[str]:
    """The fleet's arguments: equal but for the speed, they give equal messages."""
    return [
        "fleet", "--broker", mqtt, "--seed", str(seed), "--start", START.isoformat(),
        "--duration", f"{HOURS}h", "--faults", FAULTS, "--speed", speed,
    ]  # fmt: skip


def made(directory: Path, name: str, url: str) -> AmsServer:
    folder = directory / name
    folder.mkdir()
    registry = folder / "registry.yaml"
    registry.write_text(EXAMPLE.read_text().replace("http://127.0.0.1:9000/hook", url))
    options: dict[str, str | Path] = {
        "--registry": registry,
        "--mqtt-port": str(free_port("127.0.0.1", 0)),
    }
    return AmsServer(folder, options, {"AMS_HOOK_SECRET": SECRET})


async def results(server: AmsServer) -> dict[str, list[Any]]:
    """What the database holds of the run, as far as readings alone decide it."""
    await server.all_judged()
    decided = START + timedelta(hours=HOURS - 1)
    async with server.sql() as conn:
        found = {
            "blocks": await conn.fetch(BLOCKS, decided),
            "judgements": await conn.fetch(JUDGEMENTS, decided),
            "alerts": await conn.fetch(ALERTS, decided),
        }
    async with server.api() as api:
        readings = sorted(map(reading, await api.items("readings")))
    return {name: [tuple(row) for row in rows] for name, rows in found.items()} | {
        "readings": readings
    }


def reading(item: Item) -> tuple[Any, ...]:
    """A reading as the API shows it, but for how it arrived; channel and time come first."""
    named = (item[name] for name in ("enterprise", "source", "channel", "time", "value", "status"))
    return (*named, *(flag for flag in item["flags"] if flag not in ARRIVAL))


def child_of(server: AmsServer, part: str) -> int | None:
    """The process that the server runs for its database or broker."""
    if part == "postgres":
        file = server.data_dir / "database" / "cluster" / "postmaster.pid"
        return int(file.read_text().split()[0]) if file.exists() else None
    wanted = str(server.data_dir / "broker").encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"nats-server" in command and wanted in command:
            return int(process.name)
    return None


async def kill(server: AmsServer, part: str) -> None:
    """Kill a part with -9; ``stop`` ends the server in good order: it keeps its board."""
    if part in {"server", "stop"}:
        await (server.kill() if part == "server" else server.stop())
        await server.start()
        return
    pid = child_of(server, part)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def assert_each_notice_has_one_id(heard: Recipient) -> None:
    ids: dict[str, str] = {}
    for event in heard.events:
        said = json.dumps([event["type"], event["data"]], sort_keys=True)
        assert ids.setdefault(said, event["id"]) == event["id"], said


def first_difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    extra, lacking = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    return f"{len(extra)} more, as {extra[:3]}; {len(lacking)} lacking, as {lacking[:3]}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_the_end_is_that_of_an_undisturbed_run(
    here: Path, seed: int
) -> None:
    dice = random.Random(seed)
    async with recipient() as heard, recipient() as undisturbed_heard:
        calm = made(here, "calm", undisturbed_heard.url)
        await calm.start()
        said = await run("ams-simulator", *words(seed, "max", calm.mqtt))
        assert said.code == 0, said.all
        expected = await results(calm)
        await calm.stop()
        assert expected["alerts"], "the run has nothing to announce"
        assert any("jump" in row for row in expected["readings"]), "no value jumps in the run"

        server = made(here, "killed", heard.url)
        await server.start()
        with (here / "fleet.log").open("wb") as log:
            fleet = await asyncio.create_subprocess_exec(
                BIN / "ams-simulator",
                *words(seed, "400", server.mqtt),
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        try:
            for _ in range(ROUNDS):
                await asyncio.sleep(dice.uniform(0.2, 3.0))
                await kill(server, dice.choice(PARTS))
            code = await asyncio.wait_for(fleet.wait(), 300)
            assert code == 0, (here / "fleet.log").read_text()[-3000:]
            await _all_there(server, len(expected["readings"]))
            found = await results(server)
            for name, rows in expected.items():
                assert found[name] == rows, f"{name}: {first_difference(found[name], rows)}"
            await _books_balance(server)
            assert_each_notice_has_one_id(heard)
        finally:
            if fleet.returncode is None:
                fleet.kill()
                await fleet.wait()
            if server.process is not None:
                await server.kill()


async def _all_there(server: AmsServer, readings: int) -> None:
    """Wait for what the broker gives again: it does so half a minute after it was given first."""

    async def there() -> bool:
        try:
            async with server.sql() as conn:
                return bool(await conn.fetchval("select count(*) from readings") >= readings)
        except OSError:
            return False

    await until(there, "every acknowledged message to be stored", 180)


async def _books_balance(server: AmsServer) -> None:
    """Received = stored + duplicate + quarantined; what is stored is what the ledger says."""
    async with server.api() as api:
        sums = {"stored": 0, "revised": 0}
        for item in await api.items("ledger"):
            for counts in (item["messages"], item["readings"]):
                received = counts.pop("received")
                assert received == sum(counts.values()), item
            for name in sums:
                sums[name] += item["readings"][name]
    async with server.sql() as conn:
        assert sums["stored"] == await conn.fetchval("select count(*) from readings")
        assert sums["revised"] == await conn.fetchval("select count(*) from revisions")
