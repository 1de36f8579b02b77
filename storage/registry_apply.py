"""Applying a registry: versions of whatever differs, in one transaction; nothing is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storage import registry_sql as sql
from storage.pool import unavailable
from storage.registry_copy import array_text, copy_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import asyncpg

    from storage.registry_rows import ChannelRow, LimitRow, RegistryRows

CHANNEL = "ams_registry"  # NOTIFY with the version's number as its payload
LOCK = 0x414D5302  # advisory lock: one registry is applied at a time
_AT_ONCE = 20_000  # limits by rule sets that are copied at once
_LONG = 3600.0  # seconds: a national registry has millions of rows

# In the order of their references; the names are the words of a report.
_STEPS: tuple[tuple[str, sql.Step, tuple[str, ...]], ...] = (
    ("enterprises", sql.ENTITIES, ("enterprise",)),
    ("sources", sql.ENTITIES, ("source",)),
    ("channels", sql.CHANNELS, ()),
    ("units", sql.UNITS, ()),
    ("permits", sql.ENTITIES, ("permit",)),
    ("rule sets", sql.ENTITIES, ("rule_set",)),
    ("limits", sql.LIMITS, ()),
    ("recipients", sql.ENTITIES, ("recipient",)),
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What applying a registry changed, counted by kind (enterprises, channels, limits …).

    ``version`` is the registry's version now in the database, a new one only if anything changed.
    """

    version: int
    effective: datetime
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return any(self.added.values()) or any(self.changed.values()) or any(self.ended.values())

    def __str__(self) -> str:
        if not self:
            return f"nothing changed: the registry stays at version {self.version}"
        parts = []
        for word in ("added", "changed", "ended"):
            counts = getattr(self, word)
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
            if kinds:
                parts.append(f"{word} {kinds}")
        return f"registry version {self.version}: {'; '.join(parts)}"


async def apply_registry(
    conn: asyncpg.Connection,
    document: RegistryRows,
    *,
    effective: datetime | None,
    source: str,
    digest: bytes,
) -> Changes:
    """Make ``document`` the registry: all of it, or nothing when it fails.

    What it lacks ends, what differs gets a version, numbers stay what they were. Changes apply to
    windows that end after ``effective`` (None: now); a limit's first version applies from the
    start of its permit. ``source`` and ``digest`` say where the registry came from.

    Raises Unavailable when the database is away.
    """
    async with unavailable("apply the registry"), conn.transaction():
        await conn.execute(sql.PREPARE)
        await conn.execute("select pg_advisory_xact_lock($1)", LOCK)
        await _stage(conn, document)
        row = await conn.fetchrow(sql.BEGIN_VERSION, effective, source, digest)
        changes = Changes(row["id"], row["effective"])
        for name, step, arguments in _STEPS:
            await _take(conn, step, changes, name, arguments)
        if changes:
            await conn.execute("select pg_notify($1, $2)", CHANNEL, str(changes.version))
            return changes
        await conn.execute("delete from registry_versions where id = $1", changes.version)
        return Changes(changes.version - 1, changes.effective)


@dataclass(frozen=True, slots=True)
class Present:
    """The registry's newest version: since when it applies, the digest of what it came from."""

    version: int
    effective: datetime
    digest: bytes


async def present_version(conn: asyncpg.Connection) -> Present | None:
    """Return the version applied last; None when there is none. Raises Unavailable."""
    async with unavailable("read the registry's version"):
        row = await conn.fetchrow(
            "select id, effective, digest from registry_versions order by id desc limit 1"
        )
        return None if row is None else Present(row["id"], row["effective"], row["digest"])


async def _stage(conn: asyncpg.Connection, document: RegistryRows) -> None:
    await copy_rows(conn, "new_entities", document.entities)
    await _stage_channels(conn, document.measured)
    await copy_rows(conn, "new_units", document.units)
    await copy_rows(conn, "new_keys", document.keys)
    await _stage_limits(conn, document.plain)
    channels: list[ChannelRow] = []
    limits: list[LimitRow] = []
    for more_channels, more_limits in document.ruled:
        channels += more_channels
        limits += more_limits
        if len(limits) >= _AT_ONCE:
            await _stage_channels(conn, channels)
            await _stage_limits(conn, limits)
            channels, limits = [], []
    await _stage_channels(conn, channels)
    await _stage_limits(conn, limits)
    await conn.execute(sql.ANALYZE, timeout=_LONG)


async def _stage_channels(conn: asyncpg.Connection, channels: Iterable[ChannelRow]) -> None:
    rows = ((*row[:8], array_text(row.missing), *row[9:]) for row in channels)
    await copy_rows(conn, "new_channels", rows, may_be_empty=("basis",))


async def _stage_limits(conn: asyncpg.Connection, limits: Iterable[LimitRow]) -> None:
    await copy_rows(conn, "new_limits", limits, may_be_empty=("basis", "condition"))


async def _take(
    conn: asyncpg.Connection,
    step: sql.Step,
    changes: Changes,
    name: str,
    arguments: tuple[str, ...],
) -> None:
    for statement in step.identify:
        await conn.execute(statement, timeout=_LONG)
    total = 0
    for counts, statement in (
        (changes.changed, step.change),
        (changes.ended, step.end),
        (changes.added, step.add),
    ):
        status = await conn.execute(statement, changes.version, *arguments, timeout=_LONG)
        counts[name] = int(status.rpartition(" ")[2])
        total += counts[name]
    if total:
        await conn.execute(step.analyze, timeout=_LONG)
