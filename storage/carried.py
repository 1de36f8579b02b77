"""What is carried on of running periods, in SQL: one row for each condition that has any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.carrying import Kept
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection
    from numpy.typing import NDArray

_READ = """
select "limit", kind, start, upto, figures from compliance_carried where "limit" = any($1::int4[])
"""
_WRITE = """
insert into compliance_carried ("limit", kind, start, upto, figures)
select * from unnest($1::int4[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bytea[])
on conflict ("limit") do update
set kind = excluded.kind, start = excluded.start, upto = excluded.upto, figures = excluded.figures
"""
_DROP = """
delete from compliance_carried k
using unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) as w ("limit", first, last)
where k."limit" = w."limit" and k.upto > w.first and k.start <= w.last
"""


async def read_carried(conn: Connection, limits: Sequence[int]) -> dict[int, Kept]:
    """Return what is carried on of the limits that have any."""
    rows = await conn.fetch(_READ, limits)
    return {
        row["limit"]: Kept(
            row["kind"],
            to_micros(row["start"]),
            to_micros(row["upto"]),
            np.frombuffer(row["figures"]),
        )
        for row in rows
    }


async def write_carried(conn: Connection, carried: Mapping[int, Kept]) -> None:
    """Put what is carried on in the place of what was."""
    if not carried:
        return
    order = sorted(carried)
    kept = [carried[limit] for limit in order]
    await conn.execute(
        _WRITE,
        order,
        [one.kind for one in kept],
        [from_micros(one.start) for one in kept],
        [from_micros(one.upto) for one in kept],
        [one.figures.tobytes() for one in kept],
    )


async def drop_carried(conn: Connection, changed: NDArray[np.void]) -> None:
    """Remove what is carried on of periods in which something before that changed.

    ``changed`` has of each limit (``limit``) the ``first`` and ``last`` instant that did. What is
    judged next need not be the period that was carried on, and would leave it as it was.
    """
    await conn.execute(
        _DROP,
        changed["limit"].tolist(),
        [from_micros(one) for one in changed["first"].tolist()],
        [from_micros(one) for one in changed["last"].tolist()],
    )
