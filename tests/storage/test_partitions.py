"""Native partitions are made ahead, and their absence never fails a batch."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from storage.batches import commit
from storage.disk import Room, database_directories, room
from storage.errors import Unavailable
from storage.judging import readings_kept_from
from storage.partitions import Span, _months, make_partitions, partitions
from storage.pool import connect
from storage.retention import apply_retention
from storage.times import from_micros
from tests.storage.given import DAY, NOW, SO2, Message, batch, outcomes

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

TODAY = from_micros(NOW).date()
ONE = timedelta(days=1)


async def _spans(db: asyncpg.Connection, table: str) -> list[Span]:
    return [partition.span for partition in await partitions(db, table)]


def _gapless(spans: list[Span]) -> bool:
    return all(one.after == two.first for one, two in pairwise(spans))


async def test_days_ahead_and_months_behind(db: asyncpg.Connection) -> None:
    made = await make_partitions(db, NOW)
    spans = await _spans(db, "readings")
    assert _gapless(spans)
    assert spans[0].first <= TODAY - timedelta(days=400)
    days = [span.first for span in spans if span.after - span.first == ONE]
    assert days == [TODAY + number * ONE for number in range(-3, 8)]
    for table in ("blocks", "judgements"):
        months = await _spans(db, table)
        assert _gapless(months)
        assert months[-1].after >= TODAY + timedelta(days=31)
    assert len(made) == len(spans) + 2 * len(months)
    assert await make_partitions(db, NOW) == []


async def test_a_pause_leaves_no_gap(db: asyncpg.Connection) -> None:
    await make_partitions(db, NOW)
    await make_partitions(db, NOW + 45 * DAY)
    spans = await _spans(db, "readings")
    assert _gapless(spans)
    assert spans[-1] == Span(TODAY + 52 * ONE, TODAY + 53 * ONE)
    await commit(db, batch(1, Message([(SO2, NOW + 20 * DAY, 1.0)]), at=NOW + 45 * DAY))
    assert await db.fetchval("select count(*) from readings_default") == 0


async def test_a_missing_partition_never_fails_a_batch(db: asyncpg.Connection) -> None:
    committed = await commit(db, batch(1, Message([(SO2, NOW, 1.0), (SO2, NOW - DAY, 1.0)])))
    assert outcomes(committed)[0] == ["stored", "stored"]
    assert await db.fetchval("select count(*) from readings_default") == 2
    made = await make_partitions(db, NOW)
    assert f"readings_{TODAY + ONE:%Y%m%d}" in made
    assert f"readings_{TODAY:%Y%m%d}" not in made, "those rows stay where they are"
    again = Message([(SO2, NOW, 2.0), (SO2, NOW + 1, 2.0)], fresh=False)
    assert outcomes(await commit(db, batch(2, again)))[0] == ["revised", "stored"]


async def test_a_lock_of_another_costs_no_error(
    db: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.partitions._PATIENCE", "10ms")
    other = await connect(database_url)
    async with other.transaction():
        for table in ("readings", "blocks", "judgements"):  # three long reads
            await other.execute(f"select from {table}_default")
        assert await make_partitions(db, NOW) == []
    await other.close()
    assert await make_partitions(db, NOW)


def test_months_begin_with_their_first_day() -> None:
    january = date(2026, 1, 31)
    assert _months(january, "blocks", timedelta(days=400))[-1] == Span(
        date(2026, 2, 1), date(2026, 3, 1)
    )


async def test_room_on_the_databases_disk(db: asyncpg.Connection, tmp_path: Path) -> None:
    found = room([tmp_path, tmp_path / "nonesuch"])
    assert found
    assert 0 < found.free <= found.total
    assert room([tmp_path / "nonesuch"]) is None
    assert all(path.is_absolute() for path in await database_directories(db))


def test_nearly_full_is_a_gibibyte_or_two_percent() -> None:
    gib = 2**30
    assert Room(free=gib - 1, total=10_000 * gib).nearly_full
    assert not Room(free=gib, total=10_000 * gib).nearly_full
    assert not Room(free=gib // 2, total=20 * gib).nearly_full
    assert Room(free=gib // 4, total=20 * gib).nearly_full


async def test_what_is_dropped_is_told_of_before(
    db: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage amid it leaves nobody to take what is gone for silence."""
    monkeypatch.setattr("storage.retention._PATIENCE", "10ms")
    for day in range(10):
        at = NOW + day * DAY
        await make_partitions(db, at)
        await commit(db, batch(day + 1, Message([(SO2, at, 1.0)]), at=at))
    await db.execute("update progress set batch = 10 where follower <> 'registry'")
    told: list[int] = []
    other = await connect(database_url)
    async with other.transaction():
        await other.execute(f"lock table readings_{TODAY + ONE:%Y%m%d} in access share mode")
        with pytest.raises(Unavailable):
            await apply_retention(db, NOW + 10 * DAY, 5, told.append)
    await other.close()
    left = await db.fetchval("select min(time) from readings")
    kept_from = await readings_kept_from(db)
    assert left > from_micros(NOW), "one day was dropped"
    assert kept_from is not None
    assert from_micros(kept_from) > left
    assert told == [kept_from]
