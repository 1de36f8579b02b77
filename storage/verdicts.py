"""What conditions were judged to be, in SQL: revisions of periods, the running ones, what is due.

Nothing of a period that is over is overwritten. The figures of the running one move on in place,
in ``compliance_running``; a change of its state is a revision like any other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.compliance import FILLED, FORECASTS, VERDICT
from alerts.core.vocabulary import NEVER
from storage.copy import Fields, binary_rows, copy_in, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection
    from numpy.typing import NDArray

_SHARED: Fields = (
    ("start", "timestamptz"),
    ("finish", "timestamptz"),
    ("known_at", "timestamptz"),
    ("value", "float8"),
    ("raw", "float8"),
    ("complete", "float8"),
    ("limit", "int4"),
    ("limit_version", "int4"),
    ("valid", "int4"),
    ("expected", "int4"),
    ("exceeding", "int4"),
    ("allowed", "int4"),
    ("substituted", "int4"),
    ("replaced", "float8"),
    ("estimate", "float8"),
    *((name, "int4") for name in FILLED),
    ("state", "int2"),
    ("alone", "int2"),
)
_COMPLIANCE: Fields = (*_SHARED, ("revision", "int4"), ("over", "bool"))
_RUNNING: Fields = (
    *_SHARED,
    ("until", "timestamptz"),
    ("breaks_at", "timestamptz"),
    ("rest", "float8"),
    ("forecast", "float8"),
    ("threshold", "float8"),
)

_CURRENT_FIELDS: Fields = (
    ("limit", "int4"),
    ("version", "int4"),
    ("start", "timestamptz"),
    ("finish", "timestamptz"),
    ("value", "float8"),
    ("raw", "float8"),
    ("complete", "float8"),
    ("state", "int2"),
    ("alone", "int2"),
    ("valid", "int4"),
    ("expected", "int4"),
    ("exceeding", "int4"),
    ("allowed", "int4"),
    ("substituted", "int4"),
    ("replaced", "float8"),
    ("estimate", "float8"),
    *((name, "int4") for name in FILLED),
    ("over", "int4"),
    ("revision", "int4"),
)
_CURRENT = f"""
select distinct on (c."limit", c.finish) c."limit", limit_version as version, start, c.finish,
       coalesce(value, 'NaN') as value, coalesce(raw, 'NaN') as raw,
       coalesce(complete, 'NaN') as complete, state, alone, valid, expected, exceeding, allowed,
       substituted, coalesce(replaced, 'NaN') as replaced, coalesce(estimate, 'NaN') as estimate,
       {", ".join(f"coalesce({name}, 0) as {name}" for name in FILLED)}, over::int, revision
from unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) as w ("limit", first, finish)
join compliance c on c."limit" = w."limit" and c.finish > w.first and c.finish <= w.finish
order by c."limit", c.finish, revision desc
"""  # noqa: S608 - names of columns

_JUDGED_UNTIL = """
select w."limit", c.finish
from unnest($1::int4[]) as w ("limit")
cross join lateral (
    select finish from compliance where "limit" = w."limit" and over
    order by finish desc limit 1) c
"""

_END_RUNNING = """
delete from compliance_running r
using unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) as w ("limit", first, last)
where r."limit" = w."limit" and (r.finish > w.first and r.start <= w.last
                                 or w."limit" = any($4::int4[]))
"""


async def read_current(conn: Connection, changed: NDArray[np.void]) -> NDArray[np.void]:
    """Return the current revisions of periods that may depend on what changed, withdrawn too.

    ``changed`` has of each limit (``limit``) the ``first`` instant that changed and the
    ``finish`` of the last period that may depend on it. An array of ``VERDICT``'s stored fields
    with ``revision``, by limit and finish.
    """
    bounds = ([from_micros(one) for one in changed[name].tolist()] for name in ("first", "finish"))
    return await copy_out(
        conn, _CURRENT, changed["limit"].tolist(), *bounds, fields=_CURRENT_FIELDS
    )


async def judged_until(conn: Connection, limits: Sequence[int]) -> dict[int, int]:
    """Return where the newest period that is over ends, of the limits that have any."""
    rows = await conn.fetch(_JUDGED_UNTIL, list(limits))
    return {row["limit"]: to_micros(row["finish"]) for row in rows}


async def write_verdicts(
    conn: Connection, verdicts: NDArray[np.void], revision: NDArray[np.int32]
) -> None:
    """Store revisions of periods; ``verdicts`` and ``revision`` are parallel."""
    columns = {**_columns(verdicts), "revision": revision, "over": verdicts["over"]}
    await _copy(conn, "compliance", _COMPLIANCE, columns)


async def replace_running(
    conn: Connection, changed: NDArray[np.void], running: NDArray[np.void], until: int
) -> None:
    """Put running periods in the place of those that depend on what changed.

    ``changed`` has of each limit (``limit``) the ``first`` and ``last`` instant that changed; what
    was running then and is not among ``running`` runs no more. ``until``: as of when.
    """
    await conn.execute(
        _END_RUNNING,
        changed["limit"].tolist(),
        [from_micros(one) for one in changed["first"].tolist()],
        [from_micros(one) for one in changed["last"].tolist()],
        running["limit"].tolist(),
    )
    columns = _columns(running)
    for name in FORECASTS:
        columns[name] = running[name]
    await _copy(conn, "compliance_running", _RUNNING, {**columns, "until": until})


async def limits_running(conn: Connection, limits: Sequence[int]) -> set[int]:
    """Return which of the limits have a running period."""
    rows = await conn.fetch(
        'select "limit" from compliance_running where "limit" = any($1)', list(limits)
    )
    return {row["limit"] for row in rows}


async def count_running(conn: Connection) -> dict[int, int]:
    """Return how many running periods are in each state."""
    rows = await conn.fetch("select state, count(*) as n from compliance_running group by 1")
    return {row["state"]: row["n"] for row in rows}


def _columns(verdicts: NDArray[np.void]) -> dict[str, Any]:
    names = [name for name, _ in _SHARED if name in (VERDICT.names or ())]
    known_at = np.full(len(verdicts), time.time_ns() // 1000)
    return {
        **{name: verdicts[name] for name in names},
        "limit_version": verdicts["version"],
        "known_at": known_at,
    }


async def _copy(conn: Connection, table: str, fields: Fields, columns: dict[str, Any]) -> None:
    if not len(columns["start"]):
        return
    nulls: dict[str, NDArray[np.bool_]] = {
        name: np.isnan(columns[name])
        for name in (
            "value", "raw", "complete", "replaced", "estimate", "rest", "forecast", "threshold",
        )
        if name in columns
    }  # fmt: skip
    nulls |= {name: columns[name] == 0 for name in FILLED}
    if "breaks_at" in columns:
        nulls["breaks_at"] = columns["breaks_at"] == NEVER
    stream = binary_rows(fields, columns, nulls)
    await copy_in(conn, table, [name for name, _ in fields], stream)
