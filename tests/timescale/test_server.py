"""The harness itself: what asyncpg relies on is answered as a PostgreSQL server would."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import asyncpg
import pytest

from storage.pool import connect, open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def test_types_are_introspected_and_statements_prepared(timescale: str) -> None:
    conn = await asyncpg.connect(timescale)
    ranges, numbers = await conn.fetchrow(
        "select '{[1,3),[5,8)}'::int8multirange, array_agg(i order by i) from "
        "generate_series(1, $1::int) as i",
        3,
    )
    assert [(r.lower, r.upper) for r in ranges] == [(1, 3), (5, 8)]
    assert numbers == [1, 2, 3]
    await conn.close()


async def test_messages_larger_than_a_tcp_segment_arrive_whole(timescale: str) -> None:
    conn = await asyncpg.connect(timescale)
    text = "ы" * 2_000_000
    assert await conn.fetchval("select $1::text", text) == text
    await conn.close()


async def test_copy_goes_both_ways(timescale: str) -> None:
    conn = await asyncpg.connect(timescale)
    await conn.execute("create temp table t (a int, b text)")
    records = [(i, f"row {i}") for i in range(50_000)]
    assert await conn.copy_records_to_table("t", records=records) == "COPY 50000"
    out = io.BytesIO()
    await conn.copy_from_query("select * from t where a < 2 order by a", output=out, format="csv")
    assert out.getvalue() == b"0,row 0\n1,row 1\n"
    await conn.close()


async def test_a_refused_copy_names_the_line_and_leaves_the_connection_usable(
    timescale: str,
) -> None:
    conn = await asyncpg.connect(timescale)
    await conn.execute("create temp table t (a int primary key)")
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await conn.copy_records_to_table("t", records=[(1,), (2,), (1,)])
    assert "line 3" in refused.value.context
    with pytest.raises(asyncpg.UndefinedTableError):
        await conn.copy_records_to_table("nowhere", records=[(1,)])
    assert await conn.fetchval("select count(*) from t") == 0
    await conn.close()


async def test_a_source_that_fails_takes_its_copy_back(timescale: str) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"1\n"
        raise LookupError("no more")

    conn = await asyncpg.connect(timescale)
    await conn.execute("create temp table t (a int)")
    with pytest.raises(LookupError):
        await conn.copy_to_table("t", source=source())
    assert await conn.fetchval("select count(*) from t") == 0
    await conn.close()


async def test_an_error_inside_a_savepoint_spares_the_transaction(timescale: str) -> None:
    conn = await asyncpg.connect(timescale)
    await conn.execute("create temp table t (a int)")
    async with conn.transaction():
        await conn.execute("insert into t values ($1)", 1)
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with conn.transaction():
                await conn.execute("insert into t select 1 / $1::int", 0)
    assert await conn.fetchval("select count(*) from t") == 1
    await conn.close()


async def test_a_pool_keeps_its_settings_from_one_use_to_the_next(timescale: str) -> None:
    pool = await open_pool(timescale, size=1)
    for _ in range(2):
        async with pool.acquire() as conn:
            assert await conn.fetchval("show search_path") == "ams, public"
            assert await conn.fetchval("show timezone") == "UTC"
            await conn.execute("set search_path = public")
    await pool.close()


async def test_clients_take_turns_and_what_one_notifies_another_hears(timescale: str) -> None:
    listener, pool = await asyncpg.connect(timescale), await open_pool(timescale, size=3)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await listener.add_listener("news", lambda *said: heard.put_nowait(said[-1]))

    async def work(number: int) -> int:
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("select pg_notify('news', $1)", str(number))
            return int(await conn.fetchval("select $1::int * 2", number))

    assert await asyncio.gather(*map(work, range(12))) == [2 * n for n in range(12)]
    assert sorted([await heard.get() for _ in range(12)], key=int) == [str(n) for n in range(12)]
    assert await listener.fetchval("show search_path") == '"$user", public'
    await pool.close()
    await listener.close()


async def test_a_transaction_keeps_others_waiting_and_leaves_nothing_when_its_client_is_gone(
    timescale: str,
) -> None:
    first = await connect(timescale)
    await first.execute("select pg_advisory_lock(1)")
    await first.execute("create table public.half_done (a int)")
    await first.execute("begin; insert into public.half_done values (1)")
    arriving = asyncio.create_task(asyncpg.connect(timescale))
    done, _ = await asyncio.wait([arriving], timeout=0.2)
    assert not done
    first.terminate()  # without a word: no rollback, no Terminate message
    second = await arriving
    assert await second.fetchval("show search_path") == '"$user", public'
    assert await second.fetchval("select count(*) from public.half_done") == 0
    assert await second.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0
    await second.execute("drop table public.half_done")
    await second.close()
