"""What only TimescaleDB does: hypertables, chunks in the columnstore, chunks dropped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from storage.batches import commit
from storage.migrate import dialect
from storage.readings import read_readings
from storage.retention import apply_retention, compress
from tests.storage.given import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    NOX,
    SO2,
    Message,
    batch,
    late,
    make_units,
    outcomes,
)

if TYPE_CHECKING:
    import asyncpg

MIDNIGHT = NOW // DAY * DAY


async def chunks(db: asyncpg.Connection, *, compressed: bool) -> list[str]:
    rows = await db.fetch(
        "select chunk_schema || '.' || chunk_name as chunk from timescaledb_information.chunks"
        " where hypertable_schema = 'ams' and hypertable_name = 'readings' and is_compressed = $1"
        " order by range_start",
        compressed,
    )
    return [row["chunk"] for row in rows]


async def store_a_day(db: asyncpg.Connection) -> None:
    """Two channels, a reading a minute, values that say their minute."""
    await make_units(db)
    minutes = range(24 * 60)
    day = MIDNIGHT - DAY
    readings = [(c, day + m * MINUTE, float(m)) for c in (SO2, NOX) for m in minutes]
    committed = await commit(db, batch(1, Message([*readings])))
    assert not committed.readings.any()


async def to_columnstore(db: asyncpg.Connection) -> None:
    assert await compress(db, NOW, after=timedelta())


async def test_the_three_series_are_hypertables(db: asyncpg.Connection) -> None:
    assert await dialect(db) == "timescaledb"
    rows = await db.fetch(
        "select hypertable_name, column_name, time_interval"
        " from timescaledb_information.dimensions where hypertable_schema = 'ams' order by 1"
    )
    assert [(r["hypertable_name"], r["column_name"], r["time_interval"].days) for r in rows] == [
        ("blocks", "start", 7),
        ("judgements", "start", 7),
        ("readings", "time", 1),
    ]


async def test_the_columnstore_is_ordered_by_channel_and_time_without_segments(
    db: asyncpg.Connection,
) -> None:
    rows = await db.fetch(
        "select segmentby, orderby from timescaledb_information.hypertable_columnstore_settings"
        " where hypertable = 'ams.readings'::regclass"
    )
    assert [(r["segmentby"] or "", r["orderby"]) for r in rows] == [("", 'channel,"time"')]


async def test_a_batch_over_midnight_makes_a_chunk_for_each_day(db: asyncpg.Connection) -> None:
    await make_units(db)
    readings = [(SO2, MIDNIGHT + minute * MINUTE, 1.0) for minute in range(-3, 3)]
    await commit(db, batch(1, Message([*readings])))
    assert len(await chunks(db, compressed=False)) == 2


async def test_a_converted_chunk_says_the_same_in_less_room(db: asyncpg.Connection) -> None:
    await store_a_day(db)
    before = await read_readings(db, [SO2, NOX], MIDNIGHT - DAY, MIDNIGHT)
    rows_size = await db.fetchval("select hypertable_size('readings')")
    await to_columnstore(db)
    assert len(await chunks(db, compressed=True)) == 1
    after = await read_readings(db, [SO2, NOX], MIDNIGHT - DAY, MIDNIGHT)
    np.testing.assert_array_equal(before, after)
    assert await db.fetchval("select hypertable_size('readings')") < rows_size


async def test_repeats_and_revisions_of_a_converted_chunk_are_recognised(
    db: asyncpg.Connection,
) -> None:
    await store_a_day(db)
    await to_columnstore(db)
    noon = MIDNIGHT - 12 * HOUR
    again = await commit(
        db, batch(2, late((SO2, noon, 720.0), (NOX, noon, 721.0), (NOX, noon, 721.0)))
    )
    assert outcomes(again)[0] == ["duplicate", "revised", "duplicate"]
    [so2, nox] = await read_readings(db, [SO2, NOX], noon, noon + 1)
    assert (so2["value"], so2["revision"]) == (720.0, 0)
    assert (nox["value"], nox["revision"]) == (721.0, 1)
    assert len(await chunks(db, compressed=True)) == 1  # the base rows were left as they are


async def test_late_readings_find_their_place_in_a_converted_chunk(
    db: asyncpg.Connection,
) -> None:
    await store_a_day(db)
    await to_columnstore(db)
    between = MIDNIGHT - 12 * HOUR + MINUTE // 2
    committed = await commit(db, batch(2, late((SO2, between, 1.0), (NOX, between, 2.0))))
    assert outcomes(committed)[0] == ["stored", "stored"]
    found = await read_readings(db, [SO2, NOX], between, between + 1)
    assert found["value"].tolist() == [1.0, 2.0]
    again = await commit(db, batch(3, late((SO2, between, 1.0), (NOX, between, 3.0))))
    assert outcomes(again)[0] == ["duplicate", "revised"]
    assert len(await chunks(db, compressed=True)) == 1


async def test_what_came_to_a_converted_chunk_is_converted_with_the_next(
    db: asyncpg.Connection,
) -> None:
    await store_a_day(db)
    await to_columnstore(db)
    [chunk] = await chunks(db, compressed=True)
    await commit(db, batch(2, late((SO2, MIDNIGHT - HOUR + 1, 1.0))))
    await commit(db, batch(3, Message([(SO2, MIDNIGHT + HOUR, 1.0)])))
    beside = f"select count(*) from only {chunk}"  # noqa: S608 - the database's own name
    assert await db.fetchval(beside) == 1
    await compress(db, NOW + DAY, after=timedelta())
    assert await db.fetchval(beside) == 0
    assert len(await read_readings(db, [SO2], MIDNIGHT - DAY, MIDNIGHT + DAY)) == 24 * 60 + 2


async def test_what_was_wrongly_taken_for_new_meets_the_key_of_a_converted_chunk(
    db: asyncpg.Connection,
) -> None:
    await store_a_day(db)
    await to_columnstore(db)
    noon = MIDNIGHT - 12 * HOUR
    committed = await commit(db, batch(2, Message([(SO2, noon, 720.0), (NOX, noon, 1.0)])))
    assert outcomes(committed)[0] == ["duplicate", "revised"]


async def test_one_channel_of_a_converted_chunk_is_found_without_reading_all(
    db: asyncpg.Connection,
) -> None:
    await make_units(db)
    readings = [(c, MIDNIGHT - DAY + m * MINUTE, 1.0) for c in range(1, 101) for m in range(120)]
    await commit(db, batch(1, Message([*readings])))
    await to_columnstore(db)
    plan = await db.fetch(
        "explain (analyze, costs off, timing off, summary off)"
        " select * from readings where channel = 50 and time >= '2024-10-03'"
        " and time < '2024-10-04'"
    )
    said = "\n".join(row[0] for row in plan)
    assert "ColumnarScan" in said or "DecompressChunk" in said, said
    assert "Rows Removed by Filter: 11880" not in said, said


async def test_retention_drops_converted_chunks_whole(db: asyncpg.Connection) -> None:
    await make_units(db)
    for number in range(1, 6):
        at = NOW + number * DAY
        await commit(db, batch(number, Message([(SO2, at - HOUR, float(number))]), at=at))
    await db.execute("update progress set batch = 5 where follower <> 'registry'")
    now = NOW + 5 * DAY
    await compress(db, now, after=timedelta())
    oldest, *_ = await chunks(db, compressed=True)
    assert await apply_retention(db, now, 2) == [oldest]
    found = await read_readings(db, [SO2], NOW, now)
    assert found["value"].tolist() == [2.0, 3.0, 4.0, 5.0]
