"""The registry as arrays: what is in force when, thresholds, zones, recipients."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.vocabulary import DAY, FOREVER, MINUTE, SECOND
from ingest.instants import parse_time
from ingest.registry_command import apply_registry_file
from storage.registry_load import load_recipients, load_registry
from storage.registry_table import Query, read_table
from tests.registry.texts import VALID

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from alerts.core.limits import Limits

PERMIT = (parse_time("2025-12-31T19:00:00Z"), parse_time("2030-12-31T19:00:00Z"))
NOW = parse_time("2027-01-01T00:00:00Z")
MARCH, MAY, JUNE = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 5, 6))


def instant(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


@pytest.fixture
def apply(db: asyncpg.Connection, tmp_path: Path) -> Any:
    async def apply_text(text: str, effective: datetime = MARCH) -> int:
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        changes = await apply_registry_file(db, path, default_zone="+05:00", effective=effective)
        return changes.version

    return apply_text


async def test_an_empty_database_is_an_empty_registry(db: asyncpg.Connection) -> None:
    registry = await load_registry(db, NOW, "+05:00")
    assert (registry.version, registry.changes_at) == (0, None)
    assert len(registry.channels.active) == 1
    assert not registry.channels.active[0]
    assert registry.units == {}
    assert registry.zones == ("+05:00",)
    assert len(registry.limits) == 0
    assert await load_recipients(db, NOW) == []


async def test_what_was_applied_is_loaded(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID.replace("{id: o2, parameter: o2", "{id: o2, parameter: temperature"))
    registry = await load_registry(db, NOW, "+06:00")
    channels = registry.channels
    assert registry.version == 1
    assert registry.changes_at is None
    assert channels.active.tolist() == [False, True, True, True]
    assert channels.period[1:].tolist() == [MINUTE, 20 * MINUTE, 10 * SECOND]
    assert channels.range_low[1:].tolist() == [-5, -np.inf, 0]
    assert channels.range_high[1:].tolist() == [5000, np.inf, 25]
    np.testing.assert_array_equal(
        channels.missing[1:], [[np.nan, np.nan], [-1, -999], [np.nan, np.nan]]
    )
    assert channels.signed[1:].tolist() == [False, False, True]
    assert [registry.zones[zone] for zone in channels.zone[1:]] == ["+05:00"] * 3
    assert registry.zones == ("+06:00", "+05:00")
    unit = registry.units["gres1/ams-1"]
    assert (unit.id, unit.enterprise, unit.unit) == (1, "gres1", "ams-1")
    assert unit.channels == {"so2": 1, "no": 2, "o2": 3}


async def test_limits_are_exact(apply: Any, db: asyncpg.Connection) -> None:
    text = VALID.replace("value: 700", "value: 700.1").replace(
        "average: 1d", "average: 1d, coverage: 0.75, warn_at: 0.9, clear_at: 1/3, open_after: 10min"
    )
    await apply(text)
    limits = (await load_registry(db, NOW, "+05:00")).limits
    assert limits.limit.tolist() == [1, 2]
    assert limits.version.tolist() == [1, 1]
    assert limits.channel.tolist() == [1, 1]
    assert limits.window.tolist() == [20 * MINUTE, DAY]
    assert limits.value.tolist() == [700.1, 400.0]
    assert limits.warn.tolist() == [560.08, 360.0]
    assert limits.clear_exceedance.tolist() == [665.095, 133.333333]
    assert limits.clear_warning.tolist() == [532.076, 120.0]
    assert limits.coverage_numerator.tolist() == [2, 3]
    assert limits.coverage_denominator.tolist() == [3, 4]
    assert limits.open_after.tolist() == [0, 10 * MINUTE]
    assert limits.clear_after.tolist() == [5 * MINUTE, 5 * MINUTE]
    assert limits.valid_after.tolist() == [PERMIT[0]] * 2
    assert limits.valid_until.tolist() == [PERMIT[1]] * 2


def course(limits: Limits) -> list[tuple[int, float, int, int]]:
    """Return (version, value, valid_after, valid_until) of limit 1."""
    of = limits.limit == 1
    return list(
        zip(
            limits.version[of].tolist(),
            limits.value[of].tolist(),
            limits.valid_after[of].tolist(),
            limits.valid_until[of].tolist(),
            strict=True,
        )
    )


def valued(value: int) -> str:
    return VALID.replace("value: 700", f"value: {value}")


async def test_a_changed_limit_gives_way_at_its_effective_time(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(valued(700))
    await apply(valued(650), MAY)
    await apply(valued(600), JUNE)
    expected = [
        (1, 700.0, PERMIT[0], instant(MAY)),
        (2, 650.0, instant(MAY), instant(JUNE)),
        (3, 600.0, instant(JUNE), PERMIT[1]),
    ]
    for at in (NOW, instant(MARCH)):  # past and future versions are there at any time
        assert course((await load_registry(db, at, "+05:00")).limits) == expected


async def test_a_later_version_hides_what_was_announced_for_after_it(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(valued(700))
    await apply(valued(650), JUNE)
    await apply(valued(600), MAY)
    assert course((await load_registry(db, NOW, "+05:00")).limits) == [
        (1, 700.0, PERMIT[0], instant(MAY)),
        (3, 600.0, instant(MAY), PERMIT[1]),
    ]


async def test_an_ended_limit_stops_and_starts_again(apply: Any, db: asyncpg.Connection) -> None:
    await apply(valued(700))
    line = "      - {source: stack-1, channel: so2, value: 700, unit: mg/m3, average: 20min}\n"
    await apply(VALID.replace(line, ""), MAY)
    await apply(valued(700), JUNE)
    assert course((await load_registry(db, NOW, "+05:00")).limits) == [
        (1, 700.0, PERMIT[0], instant(MAY)),
        (3, 700.0, instant(JUNE), PERMIT[1]),
    ]


async def test_a_permit_that_is_prolonged_goes_on(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID.replace("2030-12-31", "2026-03-31"))
    await apply(VALID.replace("2030-12-31", "9999-12-31"), MAY)
    [first, second] = course((await load_registry(db, NOW, "+05:00")).limits)
    assert first == (1, 700.0, PERMIT[0], parse_time("2026-03-31T19:00:00Z"))
    assert second[:3] == (2, 700.0, instant(MAY))
    assert second[3] > parse_time("9999-12-31T00:00:00Z")
    assert second[3] < FOREVER


async def test_channels_and_mappings_change_at_their_effective_time(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(VALID)
    changed = VALID.replace("range: [-5, 5000]", "range: [-5, 4000]")
    await apply(changed.replace("{so2: stack-1/so2,", "{SO2: stack-1/so2,"), MAY)
    before = await load_registry(db, instant(MAY) - 1, "+05:00")
    after = await load_registry(db, instant(MAY), "+05:00")
    assert before.version == after.version == 2
    assert (before.changes_at, after.changes_at) == (instant(MAY), None)
    assert (before.channels.range_high[1], after.channels.range_high[1]) == (5000, 4000)
    assert before.units["gres1/ams-1"].channels == {"so2": 1, "no": 2, "o2": 3}
    assert after.units["gres1/ams-1"].channels == {"SO2": 1, "no": 2, "o2": 3}


async def test_what_ended_or_has_not_begun_is_not_active_but_has_its_row(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(VALID, MARCH)
    await apply("enterprises: []", MAY)
    for at, active in (
        (instant(MARCH) - 1, False),
        (instant(MARCH), True),
        (instant(MAY) - 1, True),
        (instant(MAY), False),
    ):
        registry = await load_registry(db, at, "+05:00")
        assert registry.channels.active.tolist() == [False, active, active, active]
        assert bool(registry.units) is active
        assert bool(await load_recipients(db, at)) is active


async def test_recipients_are_as_the_file_says(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID)
    assert await load_recipients(db, NOW) == [
        {
            "id": "committee",
            "type": "webhook",
            "url": "http://127.0.0.1:9000/hook",
            "secret": {"env": "AMS_HOOK_SECRET"},
            "enterprises": ["*"],
        }
    ]


async def test_a_reader_sees_one_registry_while_another_is_applied(
    apply: Any, pool: asyncpg.Pool
) -> None:
    channels = [
        f"          - {{id: c{n}, parameter: o2, unit: K, period: 60s}}\n" for n in range(50)
    ]
    keys = ", ".join(f"c{n}: stack-1/c{n}" for n in range(50))
    larger = VALID.replace("    units:", "".join(channels) + "    units:")
    larger = larger.replace("o2: stack-1/o2}", f"o2: stack-1/o2, {keys}}}")
    await apply(VALID)
    done = asyncio.Event()

    async def read() -> set[tuple[int, int]]:
        seen = set()
        async with pool.acquire() as conn:
            while not done.is_set():
                registry = await load_registry(conn, NOW, "+05:00")
                of_unit = len(registry.units["gres1/ams-1"].channels)
                assert registry.channels.active.sum() == of_unit
                seen.add((registry.version, of_unit))
        return seen

    reader = asyncio.create_task(read())
    for _ in range(3):
        await apply(larger)
        await apply(VALID)
    done.set()
    assert await reader <= {(version, 53 if version % 2 == 0 else 3) for version in range(1, 8)}


async def test_a_table_checks_the_sizes_of_its_columns(db: asyncpg.Connection) -> None:
    with pytest.raises(ValueError, match="not of the sizes announced"):
        await read_table(db, Query("select 1::int4", (("n", "i8"),)))
    with pytest.raises(ValueError, match="column n is not of 8 bytes"):
        await read_table(db, Query("select 1::int4, 1::int8", (("n", "i8"), ("m", "i4"))))
    empty = await read_table(db, Query("select 1::int4 where false", (("n", "i4"),)))
    assert len(empty) == 0
