"""What a page of a list costs the database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from storage.queries.page import Part, Span
from storage.queries.readings import BEFORE_ALL, readings

if TYPE_CHECKING:
    import asyncpg

_FILL = """
insert into readings (time, value, batch, channel, status, flags)
select now() - n * interval '1 ms', 1, 1, 1, 0, 0 from generate_series(1, 100000) n
"""
_BLOCKS = """
select sum(idx_blks_hit + idx_blks_read) from pg_statio_user_indexes
where schemaname = 'ams' and relname like 'readings%'
"""


async def blocks_used(conn: asyncpg.Connection) -> int:
    """The blocks of the readings' indexes that were looked at so far."""
    await conn.execute("select pg_stat_force_next_flush()")
    await conn.execute("select pg_stat_clear_snapshot()")
    return int(await conn.fetchval(_BLOCKS))


async def test_a_page_begins_in_its_span_not_in_its_partition(db: asyncpg.Connection) -> None:
    await db.execute(_FILL)
    newest = await db.fetchval("select max(time) from readings")
    before = await blocks_used(db)
    span = Span(newest, newest + timedelta(microseconds=1))
    page = await readings(db, [2], span, Part(BEFORE_ALL, 10))
    assert page.items == []
    assert await blocks_used(db) - before < 100, "the index of 100,000 readings has some 400 blocks"
