"""Brings the database's schema up to date from numbered SQL files.

Each file is one transaction with its row in ``ams.schema_migrations``; where a file has variants
(``0002_series.native.sql``, ``0002_series.timescaledb.sql``) the database's dialect chooses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Literal

import asyncpg

from storage.errors import SchemaError
from storage.pool import unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

Dialect = Literal["native", "timescaledb"]

_LOCK = 0x414D5302  # advisory lock: one migration at a time
_NAME = re.compile(r"(\d{4})_([a-z_]+)(?:\.(native|timescaledb))?\.sql")
_OLDEST_TIMESCALEDB = (2, 18)  # the first with enable_columnstore
_LEDGER = """
create schema if not exists ams;
create table if not exists ams.schema_migrations (
    number     integer     primary key,
    name       text        not null,
    digest     bytea       not null,
    applied_at timestamptz not null default now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; ``dialect`` is None where it is the same for all."""

    number: int
    name: str
    dialect: Dialect | None
    sql: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text, by which a file that changed after it was applied is noticed."""
        return sha256(self.sql.encode()).digest()


def migrations() -> list[Migration]:
    """Return the program's migrations in order, all variants."""
    found = []
    for file in resources.files("storage").joinpath("sql/migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            text = file.read_text(encoding="utf-8")
            variant: Dialect | None = match[3]  # type: ignore[assignment]  # by the pattern
            found.append(Migration(int(match[1]), file.name.removesuffix(".sql"), variant, text))
    return sorted(found, key=lambda migration: migration.name)


async def migrate(conn: asyncpg.Connection, known: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing and return a line for each thing done, none when up to date.

    Raises SchemaError when the database is newer than this program or an applied file differs.
    """
    steps = migrations() if known is None else known
    said: list[str] = []
    async with unavailable("bring the schema up to date"):
        await conn.execute("select pg_advisory_lock($1)", _LOCK, timeout=None)
        try:
            applied = await _applied(conn)
            _check(applied, steps)
            if not applied:
                said.append(await _offer_timescaledb(conn))
            kind = await dialect(conn)
            for step in steps:
                if step.dialect in (None, kind) and step.number not in applied:
                    await _apply(conn, step)
                    said.append(f"applied {step.name}")
        finally:
            if not conn.is_closed():
                await conn.execute("select pg_advisory_unlock($1)", _LOCK)
    return said


async def dialect(conn: asyncpg.Connection) -> Dialect:
    """Say what the tables are made of, or before they exist what they would be made of."""
    names = [name for name, _ in (await _applied(conn)).values()]
    for name in names:
        if name.endswith((".native", ".timescaledb")):
            return "native" if name.endswith(".native") else "timescaledb"
    version = await conn.fetchval(
        "select extversion from pg_extension where extname = 'timescaledb'"
    )
    return "timescaledb" if await _usable(conn, version) else "native"


async def _usable(conn: asyncpg.Connection, version: str | None) -> bool:
    if version is None or _numbers(version) < _OLDEST_TIMESCALEDB:
        return False
    licence = await conn.fetchval("select current_setting('timescaledb.license', true)")
    return bool(licence == "timescale")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


async def _applied(conn: asyncpg.Connection) -> dict[int, tuple[str, bytes]]:
    if await conn.fetchval("select to_regclass('ams.schema_migrations')") is None:
        return {}
    rows = await conn.fetch("select number, name, digest from ams.schema_migrations")
    return {row["number"]: (row["name"], row["digest"]) for row in rows}


def _check(applied: dict[int, tuple[str, bytes]], steps: Sequence[Migration]) -> None:
    known = {step.name: step for step in steps}
    for number, (name, digest) in sorted(applied.items()):
        if number > max(step.number for step in steps):
            raise SchemaError(
                f"the database has migration {name}, which this program does not know: "
                "it is newer; run the newer ams-server"
            )
        if name not in known or known[name].digest != digest:
            raise SchemaError(
                f"migration {name} was applied to this database in another form than this "
                "program has: use the program that made it, or a new database"
            )


async def _offer_timescaledb(conn: asyncpg.Connection) -> str:
    available = await conn.fetchval(
        "select default_version from pg_available_extensions where name = 'timescaledb'"
    )
    if available is None:
        return "TimescaleDB is not on this server: native partitions"
    try:
        async with conn.transaction():
            await conn.execute("create extension if not exists timescaledb")
    except asyncpg.PostgresError as error:
        return f"extension timescaledb cannot be created ({error}): native partitions"
    version = await conn.fetchval(
        "select extversion from pg_extension where extname = 'timescaledb'"
    )
    if not await _usable(conn, version):
        return f"TimescaleDB {version} here has no columnstore: native partitions"
    return f"TimescaleDB {version}: hypertables"


async def _apply(conn: asyncpg.Connection, step: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(_LEDGER)
            await conn.execute(step.sql)
            await conn.execute(
                "insert into ams.schema_migrations (number, name, digest) values ($1, $2, $3)",
                step.number,
                step.name,
                step.digest,
            )
    except asyncpg.PostgresError as error:
        error.add_note(f"in migration {step.name}")
        raise
