"""Arrays and PostgreSQL's binary COPY: what goes in comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from storage.copy import Fields, binary_array, binary_records, binary_rows, copy_in, copy_out, int4

if TYPE_CHECKING:
    import asyncpg

FIELDS: Fields = (
    ("a", "int2"),
    ("b", "int4"),
    ("c", "int8"),
    ("d", "float8"),
    ("e", "timestamptz"),
)
TABLE = "create temp table t (a smallint, b integer, c bigint, d float8, e timestamptz)"


def _columns(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    return {
        "a": rng.integers(-(2**15), 2**15, count),
        "b": rng.integers(-(2**31), 2**31, count),
        "c": rng.integers(-(2**63), 2**63 - 1, count),
        "d": np.append(rng.normal(size=max(count - 1, 0)), [np.nan])[:count],
        "e": rng.integers(-(2**57), 2**62, count),
    }


@pytest.mark.parametrize("count", [0, 1, 5000])
async def test_rows_come_back_as_they_went(db: asyncpg.Connection, count: int) -> None:
    await db.execute(TABLE)
    columns = _columns(count)
    await copy_in(db, "t", list("abcde"), binary_rows(FIELDS, columns))
    rows = await copy_out(db, "select a, b, c, d, e from t", fields=FIELDS)
    assert len(rows) == count
    for name in columns:
        np.testing.assert_array_equal(rows[name], columns[name])


async def test_nulls_and_a_value_for_all_rows(db: asyncpg.Connection) -> None:
    await db.execute(TABLE)
    columns = _columns(6) | {"b": 7}
    nulls = {"d": np.arange(6) % 2 == 0, "a": np.arange(6) == 5}
    await copy_in(db, "t", list("abcde"), binary_rows(FIELDS, columns, nulls))
    found = [tuple(row) for row in await db.fetch("select d is null, a is null, b from t")]
    assert found == [(n % 2 == 0, n == 5, 7) for n in range(6)]


async def test_arrays_are_fields(db: asyncpg.Connection) -> None:
    await db.execute("create temp table s (n integer, c bigint[], e timestamptz[], z float8[])")
    numbers, times = np.array([1, -(2**63)]), np.array([0, 1_700_000_000_123_456])
    empty = np.array([], np.float64)
    record = (
        int4(3),
        binary_array("int8", numbers),
        binary_array("timestamptz", times),
        binary_array("float8", empty),
    )
    await copy_in(db, "s", list("ncez"), binary_records([record, (None, None, None, None)]))
    row = await db.fetchrow(
        "select n, c, array(select (extract(epoch from t) * 1000000)::int8 from unnest(e) t), z"
        " from s where n is not null"
    )
    assert tuple(row) == (3, numbers.tolist(), times.tolist(), [])
    assert await db.fetchval("select count(*) from s where c is null and z is null") == 1


async def test_a_query_of_other_columns_is_refused(db: asyncpg.Connection) -> None:
    fields: Fields = (("a", "int4"),)
    with pytest.raises(ValueError, match="without nulls"):
        await copy_out(db, "select 1::bigint as a", fields=fields)
    with pytest.raises(ValueError, match="without nulls"):
        await copy_out(db, "select null::int as a from generate_series(1, 2)", fields=fields)
