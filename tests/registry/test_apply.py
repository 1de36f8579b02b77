"""A registry in the database: numbers that stay, versions of what differs, nothing deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from ingest.registry_command import apply_registry_file
from ingest.registry_faults import RegistryInvalid
from storage.registry_apply import CHANNEL, present_version
from tests.registry.texts import VALID

if TYPE_CHECKING:
    from pathlib import Path

    from storage.registry_apply import Changes

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
PERMIT_START = datetime(2025, 12, 31, 19, tzinfo=UTC)  # 2026-01-01 in +05:00


@pytest.fixture
def apply(db: asyncpg.Connection, tmp_path: Path) -> Any:
    async def apply_text(text: str, effective: datetime | None = None) -> Changes:
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return await apply_registry_file(db, path, default_zone="+05:00", effective=effective)

    return apply_text


def without(text: str, *lines: str) -> str:
    for line in lines:
        assert text.count(line) == 1, line
        text = text.replace(line, "")
    return text


async def test_the_first_registry_is_version_1(apply: Any, db: asyncpg.Connection) -> None:
    changes = await apply(VALID)
    assert changes.version == 1
    assert changes.added == {
        "enterprises": 1, "sources": 1, "channels": 3, "units": 1, "permits": 1, "rule sets": 0,
        "limits": 2,
        "recipients": 1,
    }  # fmt: skip
    assert str(changes).startswith("registry version 1: added 1 enterprises, 1 sources, 3 channels")
    rows = await db.fetch("select id, enterprise, source, channel from channels order by id")
    assert [tuple(row) for row in rows] == [
        (1, "gres1", "stack-1", "so2"),
        (2, "gres1", "stack-1", "no"),
        (3, "gres1", "stack-1", "o2"),
    ]
    row = await db.fetchrow("select * from channel_versions where channel = 2")
    assert (row["parameter"], row["uom"], row["period_us"]) == ("0304", "mg/m3", 1_200_000_000)
    assert row["missing"] == [-1, -999]
    assert (row["range_low"], row["range_high"]) == (float("-inf"), float("inf"))
    unit = await db.fetchrow("select keys, channels from unit_versions")
    assert dict(zip(*unit, strict=True)) == {"so2": 1, "no": 2, "o2": 3}
    plant = await db.fetchval("select definition from entity_versions where kind = 'enterprise'")
    assert plant["name"]["kk"] == "Екібастұз ГРЭС-1"
    assert set(plant) == {"id", "name", "bin", "region", "category", "reporting_zone"}


async def test_the_same_file_again_changes_nothing(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID)
    before = await state(db)
    changes = await apply(VALID + "# as it was\n")
    assert not changes
    assert str(changes) == "nothing changed: the registry stays at version 1"
    assert await state(db) == before


async def state(db: asyncpg.Connection) -> list[Any]:
    tables = ("registry_versions", "entity_versions", "channels", "channel_versions", "units",
              "unit_versions", "limits", "limit_versions")  # fmt: skip
    return [await db.fetch(f"table {table}") for table in tables]


async def test_only_what_differs_gets_a_version(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID)
    changes = await apply(VALID.replace("value: 700", "value: 650"), MAY)
    assert changes.version == 2
    assert changes.changed == {
        "enterprises": 0, "sources": 0, "channels": 0, "units": 0, "permits": 0, "rule sets": 0,
        "limits": 1,
        "recipients": 0,
    }  # fmt: skip
    assert not any(changes.added.values())
    assert not any(changes.ended.values())
    rows = await db.fetch(
        'select "limit", version, effective, value from limit_versions order by 1, 2'
    )
    assert [tuple(row) for row in rows] == [
        (1, 1, PERMIT_START, 700.0),
        (1, 2, MAY, 650.0),
        (2, 1, PERMIT_START, 400.0),
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("region: KZ-PAV", "region: KZ-55", "enterprises"),
        ('number: "0001"', 'number: "0002"', "sources"),
        ("range: [-5, 5000]", "range: [-5, 4000]", "channels"),
        ("missing: [-1, -999]", "missing: [-1]", "channels"),
        ("period: 10s", "period: 10s, basis: {dry: true}", "channels"),
        ("period: 60s}", "period: 60s, max_step: 5, stuck_after: 2h}", "channels"),
        ("period: 60s}", "period: 60s, agreement: 0.2}", "channels"),
        ("{so2: stack-1/so2,", "{SO2: stack-1/so2,", "units"),
        ("{so2: stack-1/so2,", "{", "units"),
        ("average: 1d", "average: 1d, coverage: 0.75", "limits"),
        ("average: 1d", "average: 1d, open_after: 5min", "limits"),
        ('["*"]', "[gres1]", "recipients"),
    ],
)  # fmt: skip
async def test_a_change_is_seen_wherever_it_is(apply: Any, old: str, new: str, kind: str) -> None:
    await apply(VALID)
    assert VALID.count(old) == 1
    changes = await apply(VALID.replace(old, new), MAY)
    assert {name: count for name, count in changes.changed.items() if count} == {kind: 1}
    assert not any(changes.added.values())
    assert not any(changes.ended.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("average: 1d", "average: 24h"),
        ("period: 60s", "period: 1min"),
        ("average: 1d", "average: 1d, coverage: 4/6, warn_at: 0.80, clear_after: 300s"),
        ("{so2: stack-1/so2, no: stack-1/no,", "{no: stack-1/no, so2: stack-1/so2,"),
    ],
)
async def test_another_way_to_write_the_same_is_no_change(apply: Any, old: str, new: str) -> None:
    await apply(VALID)
    assert VALID.count(old) == 1
    assert not await apply(VALID.replace(old, new))


async def test_what_the_file_lacks_ends_and_comes_back_with_its_number(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(VALID)
    smaller = without(
        VALID,
        "      - {source: stack-1, channel: so2, value: 400, unit: mg/m3, average: 1d}\n",
        '          - {id: o2, parameter: o2, unit: "%", range: [0, 25], period: 10s}\n',
        ", o2: stack-1/o2",
    )
    changes = await apply(smaller, MAY)
    assert (changes.ended["channels"], changes.ended["limits"]) == (1, 1)
    assert changes.changed["units"] == 1
    ended = await db.fetchrow(
        "select ended, effective, uom from channel_versions where channel = 3 and version = 2"
    )
    assert tuple(ended) == (True, MAY, "%")

    changes = await apply(VALID, JUNE)
    assert (changes.changed["channels"], changes.changed["limits"]) == (1, 1)
    assert not any(changes.added.values())
    rows = await db.fetch(
        'select version, ended, effective from limit_versions where "limit" = 2 order by 1'
    )
    assert [tuple(row) for row in rows] == [
        (1, False, PERMIT_START),
        (2, True, MAY),
        (3, False, JUNE),
    ]
    assert await db.fetchval("select count(*) from channels") == 3


async def test_an_empty_registry_ends_everything_and_deletes_nothing(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(VALID)
    changes = await apply("enterprises: []\n")
    assert changes.ended == {
        "enterprises": 1, "sources": 1, "channels": 3, "units": 1, "permits": 1, "rule sets": 0,
        "limits": 2,
        "recipients": 1,
    }  # fmt: skip
    assert await db.fetchval("select count(*) from limits") == 2
    assert not await apply("enterprises: []\n")


async def test_numbers_have_no_gaps_after_an_attempt_that_failed(
    apply: Any, db: asyncpg.Connection
) -> None:
    await apply(VALID)
    more = VALID.replace(
        "    units:",
        "          - {id: co, parameter: '0337', unit: mg/m3, period: 60s}\n    units:",
    )
    transaction = db.transaction()
    await transaction.start()
    assert (await apply(more)).version == 2
    await transaction.rollback()
    assert (await apply(more)).version == 2
    assert await db.fetchval("select id from channels where channel = 'co'") == 4


async def test_an_invalid_registry_changes_nothing(apply: Any, db: asyncpg.Connection) -> None:
    await apply(VALID)
    before = await state(db)
    with pytest.raises(RegistryInvalid):
        await apply(VALID.replace("value: 700", "value: 650").replace("KZ-PAV", "Pavlodar"))
    assert await state(db) == before


async def test_effective_stands_in_the_command_the_file_or_is_now(
    apply: Any, db: asyncpg.Connection
) -> None:
    before = await db.fetchval("select now()")
    assert (await apply(VALID)).effective >= before
    named = "effective: 2026-05-01T05:00:00+05:00\n" + VALID.replace("700", "701")
    assert (await apply(named)).effective == MAY
    assert (await apply(named.replace("701", "702"), JUNE)).effective == JUNE


async def test_a_limit_loaded_late_applies_from_the_start_of_its_permit(
    apply: Any, db: asyncpg.Connection
) -> None:
    without_limit = without(
        VALID, "      - {source: stack-1, channel: so2, value: 400, unit: mg/m3, average: 1d}\n"
    )
    await apply(without_limit)
    await apply(VALID, MAY)
    row = await db.fetchrow('select version, effective from limit_versions where "limit" = 2')
    assert tuple(row) == (2, PERMIT_START)


@pytest.mark.parametrize(
    ("zone", "begin", "end"),
    [
        ('"+05:00"', "2025-12-31T19:00Z", "2030-12-31T19:00Z"),
        ('"-07:00"', "2026-01-01T07:00Z", "2031-01-01T07:00Z"),
        ("Asia/Almaty", "2025-12-31T19:00Z", "2030-12-31T19:00Z"),
        ("Europe/Berlin", "2025-12-31T23:00Z", "2030-12-31T23:00Z"),
        ("UTC", "2026-01-01T00:00Z", "2031-01-01T00:00Z"),
    ],
)
async def test_a_permits_days_are_those_of_the_reporting_zone_both_included(
    apply: Any, db: asyncpg.Connection, zone: str, begin: str, end: str
) -> None:
    await apply(VALID.replace('"+05:00"', zone))
    row = await db.fetchrow("select valid_from, valid_until from limit_versions limit 1")
    assert tuple(row) == (datetime.fromisoformat(begin), datetime.fromisoformat(end))


async def test_listeners_are_told_the_version(apply: Any, pool: asyncpg.Pool) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with pool.acquire() as listener:
        await listener.add_listener(CHANNEL, lambda *args: told.put_nowait(args[3]))
        await apply(VALID)
        assert await asyncio.wait_for(told.get(), 10) == "1"
        await apply(VALID)
        await apply(VALID.replace("700", "701"))
        assert await asyncio.wait_for(told.get(), 10) == "2"
        await listener.reset()


async def test_two_at_once_follow_one_another(pool: asyncpg.Pool, tmp_path: Path) -> None:
    paths = []
    for value in range(700, 706):
        paths.append(tmp_path / f"{value}.yaml")
        paths[-1].write_text(VALID.replace("value: 700", f"value: {value}"), encoding="utf-8")

    async def apply_one(path: Path) -> Changes:
        async with pool.acquire() as conn:
            return await apply_registry_file(conn, path, default_zone="+05:00")

    done = await asyncio.gather(*map(apply_one, paths))
    assert sorted(changes.version for changes in done) == [1, 2, 3, 4, 5, 6]
    assert await pool.fetchval("select count(*) from channels") == 3
    assert await pool.fetchval('select count(*) from limit_versions where "limit" = 1') == 6


async def test_files_that_were_applied_last_are_not_even_read(
    apply: Any, db: asyncpg.Connection
) -> None:
    assert await present_version(db) is None
    await apply(VALID)
    present = await present_version(db)
    assert present is not None
    await db.execute("alter table channels rename to elsewhere")  # whoever reads on, fails
    changes = await apply(VALID)
    assert not changes
    assert (changes.version, changes.effective) == (present.version, present.effective)
    with pytest.raises(asyncpg.UndefinedTableError):
        await apply(VALID.replace("700", "701"))


async def test_another_default_zone_is_another_registry(
    db: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(VALID.replace('    reporting_zone: "+05:00"\n', ""), encoding="utf-8")
    await apply_registry_file(db, path, default_zone="+05:00")
    changes = await apply_registry_file(db, path, default_zone="+06:00")
    assert changes.changed["limits"] == 2


async def test_strange_texts_arrive_as_they_are(apply: Any, db: asyncpg.Connection) -> None:
    key = """so2 "dry", 6 % O₂ \\N \\ 'x' {a,b}"""
    number = 'KZ "1", \\.'
    text = VALID.replace("{so2: stack-1/so2,", "{'" + key.replace("'", "''") + "': stack-1/so2,")
    await apply(text.replace("number: KZ28VDD00145762", f"number: '{number}'"))
    assert (await db.fetchval("select keys from unit_versions"))[-1] == key
    assert await db.fetchval("select distinct permit from limits") == number
    assert not await apply(text.replace("number: KZ28VDD00145762", f"number: '{number}'"))


async def test_a_change_announced_for_tomorrow_is_known_today(apply: Any) -> None:
    await apply(VALID)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    changes = await apply(VALID.replace("value: 700", "value: 650"), tomorrow)
    assert changes.effective == tomorrow
    assert not await apply(VALID.replace("value: 700", "value: 650"))
