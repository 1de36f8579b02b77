"""Data begin with the first reading, valid or not, in whatever order the readings came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import HOUR, MINUTE
from storage.times import from_micros
from tests.compliance.plant import at
from tests.compliance.test_whole import DAY, REGISTRY, hours, items
from tests.pipeline.whole import prepared, whole

if TYPE_CHECKING:
    from pathlib import Path

CONVERTED = "rules: ied-lcp, basis: {o2: 6}"
LIMITS = {
    "converted": CONVERTED,
    "converted, of more statuses": f"{CONVERTED}, override: {{counts: [start_up]}}",
    "averaged first": f"{CONVERTED}, override: {{normalise: short_term}}",
    "measured": "rules: kz-20min, average: 1h",
    "measured, of more statuses": "rules: kz-20min, average: 1h, override: {counts: [start_up]}",
}
BEGINS, ENDS, END = 5, 12, 62  # hours: of the readings without a value, and of all
WITHOUT = (BEGINS, ENDS, "malfunction")
VALUED = ((ENDS, 20, None), (20, 22, "stopped"), (22, END, None))


@pytest.mark.parametrize("limit", LIMITS)
async def test_readings_without_a_value_at_the_very_beginning(
    postgres_url: str, tmp_path: Path, limit: str
) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY.replace(CONVERTED, LIMITS[limit]))
    async with prepared(postgres_url, registry, at("2026-01-01T00:00")) as name:
        found = [
            await _verdicts(postgres_url, name, order)
            for order in ((WITHOUT, *VALUED), (*VALUED, WITHOUT))
        ]
    assert found[0] == found[1]
    begun, verdicts = found[0]
    assert begun == {from_micros(DAY + BEGINS * HOUR)}
    assert "not_assessable" in {one["state"] for one in verdicts}


async def _verdicts(url: str, template: str, order: tuple[tuple[int, int, str | None], ...]) -> Any:
    """Where data begin, and the verdicts; each piece is judged before the next one comes."""
    async with whole(url, template, DAY) as server:
        for first, last, status in order:
            server.now = max(server.now, DAY + last * HOUR)
            await server.deliver(hours(first, last, status=status))
            await server.sweep()
            await server.judge.engine.flush()
            await items(server)
        await server.end(DAY + END * HOUR + 2 * MINUTE)
        verdicts = await items(server)
        begun = {since for (since,) in await server.rows("select since from ams.compliance_begun")}
    return begun, [
        {name: value for name, value in one.items() if name not in {"revision", "known_at"}}
        for one in verdicts
    ]
