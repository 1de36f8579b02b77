"""The follower as the server runs it: by itself, through a database that goes away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingest import compliance
from tests.compliance.plant import DAY_MEAN, Plant, at

if TYPE_CHECKING:
    import asyncpg
    import pytest

_OVER = "select count(*) from compliance where over"
KILL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""


async def _until_judged(db: asyncpg.Connection, periods: int) -> None:
    async with asyncio.timeout(20):
        while await db.fetchval(_OVER) < periods:  # noqa: ASYNC110 - the database is asked
            await asyncio.sleep(0.02)


async def test_connections_that_are_lost_delay_it_and_no_more(
    pool: asyncpg.Pool, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compliance, "EVERY", 0.02)
    plant = Plant(pool)
    channel = await plant.channel()
    await plant.limit(channel, DAY_MEAN)
    plant.now = at("2026-02-01T19:00")
    following = asyncio.create_task(plant.follower.run())
    await plant.blocks(channel, "2026-01-31T19:00", [90.0] * 24)
    await _until_judged(db, 1)
    for _ in range(5):
        await db.execute(KILL)
        await asyncio.sleep(0.03)
    assert not following.done()
    plant.now = at("2026-02-02T19:00")
    async with asyncio.timeout(10):
        while True:
            try:
                await plant.blocks(channel, "2026-02-01T19:00", [110.0] * 24)
                break
            except Exception:  # noqa: BLE001, S112 - a connection that was killed in the pool
                continue
    await _until_judged(db, 2)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    text = plant.follower.metrics.render().decode()
    assert 'ams_compliance{state="exceeded"} 0.0' in text
    assert "ams_compliance_seconds_count" in text
