"""The whole server on TimescaleDB: plants send, readings are kept, judged and shown."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from storage.pool import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

BIN = Path(sys.executable).parent
PATIENCE = 60.0  # seconds


async def run(program: str, *arguments: str) -> None:
    child = await asyncio.create_subprocess_exec(
        BIN / program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    assert child.returncode == 0, said.decode()


@asynccontextmanager
async def serving(database: str, registry: Path, directory: Path) -> AsyncIterator[dict[str, str]]:
    """A server with an embedded broker, on free ports; ends as it should."""
    ready, log = directory / "ready.json", directory / "log"
    options = {
        "--database": database,
        "--data-dir": str(directory / "data"),
        "--registry": str(registry),
        "--mqtt-port": "0",
        "--http": "127.0.0.1:0",
        "--ready-file": str(ready),
    }
    words = [word for option in options.items() for word in option]
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            BIN / "ams-server", "serve", *words, stdout=out, stderr=out
        )
        try:
            await until(lambda: asyncio.sleep(0, ready.exists() or child.returncode is not None))
            assert ready.exists(), log.read_text()
            yield json.loads(ready.read_text())
        except Exception as error:
            error.add_note(log.read_text())
            raise
        finally:
            if child.returncode is None:
                child.terminate()
            code = await child.wait()
    assert code == 0, log.read_text()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)


async def test_the_server_stores_judges_and_shows_what_plants_send(
    empty_database_url: str, tmp_path: Path
) -> None:
    registry = tmp_path / "registry.json"
    plants = ("fleet", "--plants", "1", "--registry-out", str(registry))
    await run("ams-simulator", *plants)
    async with (
        serving(empty_database_url, registry, tmp_path) as urls,
        aiohttp.ClientSession(f"{urls['http']}/api/v1/") as http,
    ):
        hours = ("--speed", "max", "--duration", "2h", "--broker", urls["mqtt"])
        await run("ams-simulator", *plants, *hours)

        async def items(question: str) -> list[dict[str, Any]]:
            async with http.get(question) as answer:
                assert answer.status == 200, await answer.text()
                found: list[dict[str, Any]] = (await answer.json())["items"]
                return found

        async def all_is_judged() -> bool:
            return len(await items("judgements?window=20min&channel=so2")) >= 5

        await until(all_is_judged)
        [ledger] = await items("ledger")
        assert ledger["messages"]["received"] == ledger["messages"]["stored"] > 100
        assert len(await items("readings?channel=so2&limit=10000")) >= 115
        blocks = await items("averages?window=20min&kind=block&channel=so2")
        assert all(block["count"] == 20 for block in blocks[1:-1])
        async with http.get("/readyz") as answer:
            assert answer.status == 200
    conn = await connect(empty_database_url)
    tables = await conn.fetch(
        "select hypertable_name from timescaledb_information.chunks"
        " where hypertable_schema = 'ams' group by 1 order by 1"
    )
    await conn.close()
    assert [row[0] for row in tables] == ["blocks", "judgements", "readings"]
