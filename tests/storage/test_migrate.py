"""The schema comes up to date from wherever it stands, and refuses what it does not know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storage.errors import SchemaError
from storage.migrate import dialect, migrate, migrations
from storage.pool import connect

if TYPE_CHECKING:
    import asyncpg


async def test_from_empty_to_current_and_then_nothing(empty_database_url: str) -> None:
    conn = await connect(empty_database_url)
    said = await migrate(conn)
    assert "native partitions" in said[0]
    assert said[1:] == [
        "applied 0001_schema",
        "applied 0002_series.native",
        "applied 0003_views",
        "applied 0004_compliance",
        "applied 0005_reported",
        "applied 0006_invalidations",
        "applied 0007_substitutes",
    ]
    assert await dialect(conn) == "native"
    assert await migrate(conn) == []
    await conn.close()


async def test_a_half_migrated_database_is_completed(empty_database_url: str) -> None:
    conn = await connect(empty_database_url)
    await migrate(conn, [step for step in migrations() if step.number < 2])
    assert await migrate(conn) == [
        "applied 0002_series.native",
        "applied 0003_views",
        "applied 0004_compliance",
        "applied 0005_reported",
        "applied 0006_invalidations",
        "applied 0007_substitutes",
    ]
    await conn.close()


async def test_a_failing_file_leaves_nothing_of_itself(empty_database_url: str) -> None:
    conn = await connect(empty_database_url)
    steps = migrations()
    broken = replace(steps[-1], sql="create table ams.half (); select nonsense")
    with pytest.raises(Exception, match="nonsense"):
        await migrate(conn, [*steps[:-1], broken])
    assert await conn.fetchval("select to_regclass('ams.half')") is None
    assert await migrate(conn) == [f"applied {steps[-1].name}"]
    await conn.close()


async def test_a_changed_file_is_refused(db: asyncpg.Connection) -> None:
    changed = [replace(step, sql=step.sql + "-- changed") for step in migrations()]
    with pytest.raises(SchemaError, match="0001_schema"):
        await migrate(db, changed)


async def test_a_newer_database_is_refused(db: asyncpg.Connection) -> None:
    await db.execute("insert into schema_migrations values (9999, '9999_later', '')")
    with pytest.raises(SchemaError, match=r"9999_later.*newer"):
        await migrate(db)
