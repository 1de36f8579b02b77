"""Killed amid units' own means: all of them are there in the end, and what they disagree with."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.killing import (
    START,
    all_there,
    assert_each_notice_has_one_id,
    count,
    made,
    send,
    send_amid_kills,
    started,
)
from tests.acceptance.recipient import recipient
from tests.acceptance.server import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.server import AmsServer

ROUNDS = 7
HOURS = 8
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


@pytest.mark.timeout(600)
async def test_killed_amid_reported_means_the_end_is_that_of_an_undisturbed_run(
    here: Path,
) -> None:
    dice = random.Random(3)
    async with recipient() as heard, recipient() as undisturbed_heard:
        async with started(made(here, "calm", undisturbed_heard.url)) as calm:
            await send(words("max", calm.mqtt))
            expected = await results(calm)
            whole = {table: await count(calm, table) for table in TABLES}
            await calm.stop()
        assert expected["disagreements"], "nothing disagrees in the run"

        async with started(made(here, "killed", heard.url)) as server:
            await send_amid_kills(server, words("1000", server.mqtt), dice, ROUNDS, (0.5, 3.0))
            await all_there(server, whole)
            found = await results(server)
            for name, rows in expected.items():
                assert found[name] == rows, name
            assert_each_notice_has_one_id(heard)
