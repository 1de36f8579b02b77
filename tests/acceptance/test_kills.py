"""Killed at random, in random order: the server, PostgreSQL and the broker, under load.

The units keep each message until the broker acknowledged it. In the end the books are those of an
undisturbed run of the same messages: every reading once, the same means, judgements and alerts,
and no notice under two ids.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.killing import (
    START,
    all_there,
    assert_each_notice_has_one_id,
    made,
    send,
    send_amid_kills,
    started,
)
from tests.acceptance.recipient import recipient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.acceptance.api import Item
    from tests.acceptance.server import AmsServer

ROUNDS = 27  # of two seeds: at least 40 kills
HOURS = 10
FAULTS = "duplicate,reordered,backlog,drop-out,spike,minus-one"

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
        async with started(made(here, "calm", undisturbed_heard.url)) as calm:
            await send(words(seed, "max", calm.mqtt))
            expected = await results(calm)
            await calm.stop()
        assert expected["alerts"], "the run has nothing to announce"
        assert any("jump" in row for row in expected["readings"]), "no value jumps in the run"

        async with started(made(here, "killed", heard.url)) as server:
            await send_amid_kills(server, words(seed, "400", server.mqtt), dice, ROUNDS, (0.2, 3.0))
            await all_there(server, {"readings": len(expected["readings"])})
            found = await results(server)
            for name, rows in expected.items():
                assert found[name] == rows, f"{name}: {first_difference(found[name], rows)}"
            await _books_balance(server)
            assert_each_notice_has_one_id(heard)


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
