"""A fleet that sends to a server whose parts are killed at random, and to one left in peace."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.ports import free_port
from storage.data_directory import works_in
from tests.acceptance.recipient import SECRET
from tests.acceptance.server import BIN, ENVIRONMENT, AmsServer, run, until

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping, Sequence
    from random import Random

    from tests.acceptance.recipient import Recipient

PARTS = ("server", "server", "postgres", "broker", "stop")
# The same hour whenever the tests run: analysers are calibrated from 21:00 on.
START = (datetime.now(UTC) - timedelta(days=3)).replace(hour=14, minute=0, second=0, microsecond=0)
EXAMPLE = Path(__file__).parents[2] / "deploy" / "registry.example.yaml"


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


@asynccontextmanager
async def started(server: AmsServer) -> AsyncIterator[AmsServer]:
    """A server that runs, and does so no more afterwards, whatever was done to it."""
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            await server.kill()


def child_of(server: AmsServer, part: str) -> int | None:
    """The process that the server runs for its database or broker."""
    if part == "postgres":
        cluster = server.data_dir / "database" / "cluster"
        file = cluster / "postmaster.pid"
        pid = int(file.read_text().split()[0]) if file.exists() else 0
        # the server writes its own pid there for a moment, in the place of one that is gone
        return pid if works_in(pid, cluster) else None
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


async def send(words: Sequence[str]) -> None:
    """Let the fleet send, undisturbed."""
    said = await run("ams-simulator", *words)
    assert said.code == 0, said.all


async def send_amid_kills(
    server: AmsServer, words: Sequence[str], dice: Random, rounds: int, pauses: tuple[float, float]
) -> None:
    """Let the fleet send; kill a part after each of so many pauses (seconds, from … to)."""
    file = server.directory / "fleet.log"
    with file.open("wb") as log:
        fleet = await asyncio.create_subprocess_exec(
            BIN / "ams-simulator", *words, env=ENVIRONMENT, stdout=log, stderr=log
        )
    try:
        for _ in range(rounds):
            await asyncio.sleep(dice.uniform(*pauses))
            assert server.runs, f"the server ended by itself:\n{server.log[-3000:]}"
            await kill(server, dice.choice(PARTS))
        await _ended(fleet, server, 300)
        assert fleet.returncode == 0, file.read_text()[-3000:]
    finally:
        if fleet.returncode is None:
            fleet.kill()
            await fleet.wait()


async def _ended(fleet: Process, server: AmsServer, patience: float) -> None:
    """Wait until the fleet has sent everything to a server that runs as long."""

    async def ended() -> bool:
        assert server.runs, f"the server ended by itself:\n{server.log[-3000:]}"
        return fleet.returncode is not None

    await until(ended, f"the fleet to end; the server's log:\n{server.log[-3000:]}", patience)


async def count(server: AmsServer, table: str) -> int:
    """How many rows a table has; -1 while the database is away."""
    try:
        async with server.sql() as conn:
            return int(await conn.fetchval(f"select count(*) from {table}"))  # noqa: S608 - ours
    except OSError:
        return -1


async def all_there(server: AmsServer, rows: Mapping[str, int]) -> None:
    """Wait for what the broker gives again: it does so half a minute after it was given first."""

    async def there() -> bool:
        return all([await count(server, table) >= rows[table] for table in rows])

    await until(there, "every acknowledged message to be stored", 180)
