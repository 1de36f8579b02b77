"""Killed amid units' own means: all of them are there in the end, and what they disagree with."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.recipient import recipient
from tests.acceptance.server import BIN, ENVIRONMENT, AmsServer, run, until
from tests.acceptance.test_kills import PARTS, assert_each_notice_has_one_id, kill, made

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 7
HOURS = 8
START = (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
TABLES = ("readings", "current_reported")
REPORTED = """
select enterprise, channel, start, window_s, value, status, revision, ours
from reported_named where finish <= $1 order by 1, 2, 3
"""
DISAGREEMENTS = """
select enterprise, channel, "window", opened_at, peak, peak_at,
       case when resolved_at <= $1 then resolved_at end as resolved_at
from alerts_named
where kind = 'disagreement' and state in ('open', 'resolved') and opened_at < $1 order by 1, 2, 3, 4
"""


def words(speed: str, mqtt: str) -> list[str]:
    """The fleet's arguments: equal but for the speed, they give equal messages."""
    return [
        "fleet", "--broker", mqtt, "--seed", "5", "--start", START.isoformat(), "--speed", speed,
        "--duration", f"{HOURS}h", "--faults", "duplicate=1h,backlog=3h,spike=1h",
        "--averages", "--averages-apart", "0.3",
    ]  # fmt: skip


async def results(server: AmsServer) -> dict[str, list[Any]]:
    """What is reported and where it disagrees, once all is compared."""
    await server.all_judged()
    decided = START + timedelta(hours=HOURS - 1)
    async with server.sql() as conn:

        async def compared() -> bool:
            due: int = await conn.fetchval(
                "select count(*) from reported_due d where exists (select from blocks b"
                " where (b.channel, b.window_s, b.start) = (d.channel, d.window_s, d.start))"
            )
            return due == 0

        await until(compared, "everything to be compared")
        return {
            "reported": [tuple(row) for row in await conn.fetch(REPORTED, decided)],
            "disagreements": [tuple(row) for row in await conn.fetch(DISAGREEMENTS, decided)],
        }


async def count(server: AmsServer, table: str) -> int:
    try:
        async with server.sql() as conn:
            return int(await conn.fetchval(f"select count(*) from {table}"))  # noqa: S608 - ours
    except OSError:
        return -1


@pytest.mark.timeout(600)
async def test_killed_amid_reported_means_the_end_is_that_of_an_undisturbed_run(
    here: Path,
) -> None:
    dice = random.Random(3)
    async with recipient() as heard, recipient() as undisturbed_heard:
        calm = made(here, "calm", undisturbed_heard.url)
        await calm.start()
        said = await run("ams-simulator", *words("max", calm.mqtt))
        assert said.code == 0, said.all
        expected = await results(calm)
        whole = [await count(calm, table) for table in TABLES]
        assert expected["disagreements"], "nothing disagrees in the run"
        await calm.stop()

        server = made(here, "killed", heard.url)
        await server.start()
        with (here / "fleet.log").open("wb") as log:
            fleet = await asyncio.create_subprocess_exec(
                BIN / "ams-simulator",
                *words("1000", server.mqtt),
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        try:
            for _ in range(ROUNDS):
                await asyncio.sleep(dice.uniform(0.5, 3.0))
                await kill(server, dice.choice(PARTS))
            assert await asyncio.wait_for(fleet.wait(), 300) == 0

            async def there() -> bool:
                stored = [await count(server, table) for table in TABLES]
                return all(one >= all_ for one, all_ in zip(stored, whole, strict=True))

            await until(there, "every acknowledged message to be stored", 180)
            found = await results(server)
            for name, rows in expected.items():
                assert found[name] == rows, name
            assert_each_notice_has_one_id(heard)
        finally:
            if fleet.returncode is None:
                fleet.kill()
                await fleet.wait()
            if server.process is not None:
                await server.kill()
