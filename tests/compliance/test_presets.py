"""Every condition of every rule set that is shipped is judged by the follower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.core.periods import duration
from alerts.core.vocabulary import DAY, HOUR
from ingest.registry_command import apply_registry_file
from storage.times import from_micros
from tests.compliance.plant import Plant, at
from tests.rules.given import registry
from tests.rules.test_presets import EXPECTED

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

START = at("2026-02-28T19:00")
DAYS = 40


@pytest.mark.parametrize("limit", [limit for limit, _ in EXPECTED])
async def test_every_condition_is_judged(pool: asyncpg.Pool, limit: str, tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(registry(limit), encoding="utf-8")
    async with pool.acquire() as conn:
        await apply_registry_file(
            conn, path, default_zone="+05:00", effective=from_micros(START - DAY)
        )
        rows = await conn.fetch(
            'select l.id, l.channel, v.rule from limits l join limit_versions v on v."limit" = l.id'
            " where v.rule ? 'statistic' and v.effective < '2026-03-02' and not v.ended"
        )
    plant = Plant(pool)
    for channel, name in {(row["channel"], row["rule"]["short_term"]) for row in rows}:
        window = duration(name).exact
        values = np.full(DAYS * DAY // window, 50.0)
        await plant.blocks(channel, "2026-02-28T19:00", values, window=window)
        if any(row["rule"]["quadrants"] for row in rows):
            quarters = np.full(DAYS * 96, 50.0)
            await plant.blocks(channel, "2026-02-28T19:00", quarters, window=HOUR // 4)
    plant.now = START + DAYS * DAY
    await plant.follower.work()
    judged = await pool.fetch('select distinct "limit" from compliance')
    assert {row["limit"] for row in judged} == {row["id"] for row in rows}
    assert not plant.follower._failed
