"""What other programs ask of a running server, by way of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.lock import SERVER_LOCK
from storage.pool import answering, unavailable
from storage.times import to_micros

if TYPE_CHECKING:
    import asyncpg

_WISHES = """
select coalesce((select max(id) from registry_versions), 0) as registry_version,
       exists (select from quarantine where state = 'retrying') as retry,
       exists (select from invalidations where state in ('waiting', 'restoring')) as revision
"""
_COUNTS = """
select (select count(*) from quarantine where state <> 'stored') as quarantine,
       (select count(*) from notices where state = 'waiting') as notices
"""
_OTHERS = """
select state, severity, count(*) as alerts from alerts
where state in ('pending', 'open') and kind <> 'limit' group by state, severity
"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The registry's newest version, and whether quarantine items are marked for a retry.

    ``revision``: whether something is to be invalidated or restored.
    """

    registry_version: int
    retry: bool
    revision: bool


async def read_wishes(pool: asyncpg.Pool, within: float) -> Wishes:
    """Return what is asked for now. Raises Unavailable, also without an answer within some s."""
    doing = "read what is asked of the server"
    async with (
        unavailable(doing),
        pool.acquire(timeout=within) as conn,
        answering(doing, conn, within),
    ):
        row = await conn.fetchrow(_WISHES)
    return Wishes(row["registry_version"], row["retry"], row["revision"])


async def count_waiting(pool: asyncpg.Pool) -> tuple[int, int]:
    """Return how many quarantine items and how many notices wait. Raises Unavailable."""
    async with unavailable("count what waits"), pool.acquire() as conn:
        row = await conn.fetchrow(_COUNTS)
    return row["quarantine"], row["notices"]


async def count_others(pool: asyncpg.Pool) -> dict[tuple[str, str], int]:
    """Return how many alerts are current by (state, severity), the engine's own left out.

    Those the engine has in memory. Raises Unavailable.
    """
    async with unavailable("count the alerts"), pool.acquire() as conn:
        rows = await conn.fetch(_OTHERS)
    return {(row["state"], row["severity"]): row["alerts"] for row in rows}


async def installation(pool: asyncpg.Pool) -> str:
    """Return the id that this database was given when it was made. Raises Unavailable."""
    async with unavailable("read the installation's id"), pool.acquire() as conn:
        return str(await conn.fetchval("select id from installation"))


async def quarantine_states(conn: asyncpg.Connection, ids: list[int]) -> dict[int, str]:
    """Return the states of quarantine items by number. Raises Unavailable."""
    async with unavailable("look at the quarantine"):
        rows = await conn.fetch(
            "select id, state from quarantine where id = any($1::bigint[]) order by id", ids
        )
    return {row["id"]: row["state"] for row in rows}


async def channel_names(conn: asyncpg.Connection, channels: list[int]) -> dict[int, str]:
    """Return the paths (enterprise/source/channel) of channels. Raises Unavailable."""
    async with unavailable("read the channels' names"):
        rows = await conn.fetch(
            "select id, enterprise, source, channel from channels where id = any($1::int4[])",
            channels,
        )
    return {row["id"]: f"{row['enterprise']}/{row['source']}/{row['channel']}" for row in rows}


async def server_runs(conn: asyncpg.Connection) -> bool:
    """Tell whether a server works on this database. Raises Unavailable."""
    async with unavailable("look for a running server"):
        running: bool = await conn.fetchval(
            """select exists (select from pg_locks where locktype = 'advisory' and granted
               and database = (select oid from pg_database where datname = current_database())
               and classid = $1::bigint >> 32 and objid = $1::bigint & 4294967295)""",
            SERVER_LOCK,
        )
    return running


async def database_time(conn: asyncpg.Connection) -> int:
    """Return the database's clock, in microseconds since 1970. Raises Unavailable."""
    async with unavailable("read the database's clock"):
        return to_micros(await conn.fetchval("select clock_timestamp()"))
