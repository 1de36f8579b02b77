"""Rule sets in the database: by it alone can be told by which text anything was judged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.chain import Role
from alerts.core.converted import derived
from ingest.registry_command import apply_registry_file
from storage.registry_derived import load_derived
from tests.rules.given import registry

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from storage.registry_apply import Changes

MAY = datetime(2027, 5, 1, tzinfo=UTC)
LCP = "channel: so2, value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6}"
KZ = "unit: g/s, value: 60, average: 20min, rules: kz-20min"
EU = "dry, 6 % O2, 273.15 K, 101.3 kPa"


@pytest.fixture
def apply(db: asyncpg.Connection, tmp_path: Path) -> Any:
    async def apply_text(text: str) -> Changes:
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return await apply_registry_file(db, path, default_zone="+05:00", effective=MAY)

    return apply_text


async def test_derived_channels_and_conditions_are_rows(apply: Any, db: asyncpg.Connection) -> None:
    changes = await apply(registry(LCP))
    assert changes.added["rule sets"] == 1
    rows = await db.fetch(
        "select c.channel, c.basis, v.uom, v.recipe ->> 'kind' as kind, v.period_us"
        " from channels c join channel_versions v on v.channel = c.id"
        " where v.recipe is not null order by c.id"
    )
    assert [tuple(row) for row in rows] == [
        ("nox", "", "mg/m3", "chain", 60_000_000),
        ("so2", EU, "mg/m3", "chain", 60_000_000),
        ("so2", "idle", "mg/m3", "select", 60_000_000),
    ]
    rows = await db.fetch(
        "select c.basis, l.average, l.condition, v.value, v.rule ->> 'statistic' as statistic,"
        " v.rule -> 'record' as record from limits l join channels c on c.id = l.channel"
        ' join limit_versions v on v."limit" = l.id order by l.id'
    )
    assert [tuple(row) for row in rows] == [
        (EU, "1month", "month@2013-01-07", 200.0, "mean", None),
        (EU, "1d", "day@2013-01-07", 220.0, "mean", None),
        (EU, "1h", "hours@2013-01-07", 400.0, "share", None),
        (EU, "1d", "invalid_days@2013-01-07", 200.0, "count", None),
        (EU, "1h", "record", float("inf"), None, True),
        ("idle", "1h", "record", float("inf"), None, True),
    ]
    text = await db.fetchval(
        "select definition from entity_versions where kind = 'rule_set' and path = 'ied-lcp'"
    )
    assert text["versions"][0]["conditions"][1]["factor"] == "1.1"
    assert text["title"]["en"].startswith("EU, Industrial Emissions Directive")


async def test_the_same_again_changes_nothing(apply: Any) -> None:
    await apply(registry(LCP, f"channel: so2, {KZ}"))
    assert not await apply(registry(LCP, f"channel: so2, {KZ}") + "# as it was\n")
    assert not await apply(registry(f"channel: so2, {KZ}", LCP))


async def test_what_a_limit_changes_of_its_rules_is_a_version_of_what_differs(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(registry(LCP))
    changes = await apply(registry(f"{LCP}, override: {{conditions: {{day: {{factor: 1.5}}}}}}"))
    assert {key: count for key, count in changes.changed.items() if count} == {"limits": 1}
    rows = await db.fetch(
        "select v.version, v.value, v.rule ->> 'factor' from limits l"
        """ join limit_versions v on v."limit" = l.id where l.condition = 'day@2013-01-07'"""
        " order by v.version"
    )
    assert [tuple(row) for row in rows] == [(1, 220.0, "1.1"), (2, 300.0, "1.5")]


async def test_without_its_limit_a_derived_channel_ends(apply: Any, db: asyncpg.Connection) -> None:
    await apply(registry(LCP))
    changes = await apply(registry())
    ended = {key: count for key, count in changes.ended.items() if count}
    assert ended == {"channels": 2, "rule sets": 1, "limits": 6}
    assert len((await load_derived(db, MAY)).chains) == 1  # the sum of nitrogen oxides
    changes = await apply(registry(LCP))
    assert not any(changes.added.values())  # it comes back with its number


# What is measured in the stack, and what it is by a calculator.
MEASURED = {
    Role.TEMPERATURE: 120.0, Role.PRESSURE: 98_000.0, Role.MOISTURE: 12.0, Role.OXYGEN: 8.0,
    Role.FLOW: 1_000_000.0,
}  # fmt: skip
HOT = (273.15 + 120) / 273.15 * 101.3 / 98
DRY_FLOW = 1e6 * 273.15 / (273.15 + 120) * 98 / 101.325 * 0.88  # m3/h at 273.15 K, 101.325 kPa
CALCULATED = [
    (LCP, "so2", 100 * HOT / 0.88 * (21 - 6) / (21 - 8)),
    (f"channel: so2, {KZ}", "so2", 100 * 1e6 / 3.6e6),
    (f"channel: ppm, {KZ}", "ppm", 100 * 64.066 / 22.414 * DRY_FLOW / 3.6e6),
    (f"channel: dry, {KZ}", "dry", 100 * (21 - 8) / (21 - 6) * DRY_FLOW / 3.6e6),
    ("channel: dry, value: 1, unit: mg/m3, rules: ied-lcp, basis: {o2: 3}", "dry",
     100 * (21 - 3) / (21 - 6)),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "channel", "result"), CALCULATED)
async def test_a_recipe_computes_what_a_calculator_does(
    apply: Any, db: asyncpg.Connection, limit: str, channel: str, result: float
) -> None:
    await apply(registry(limit))
    [number] = await db.fetch(
        "select id from channels where channel = $1 and basis not in ('', 'idle')", channel
    )
    found = await load_derived(db, MAY)
    [row] = np.flatnonzero(found.chains.channel == number["id"])
    sums = {
        role: (np.array([measured]), np.ones(1, np.int32))
        for role, measured in {Role.MAIN: 100.0, **MEASURED}.items()
    }
    one = found.chains.take(np.array([row]))
    assert derived(one, np.array([0]), sums)[0] == pytest.approx(result, rel=1e-12)
