"""The registry in force, from the database into arrays: binary COPY read with numpy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.limits import Limits
from alerts.core.rounding import exact_fraction, thresholds
from storage import registry_queries as queries
from storage.pool import unavailable
from storage.registry import Channels, Registry, Unit
from storage.registry_derived import load_derived
from storage.registry_table import read_table
from storage.registry_versions import superseded_at

if TYPE_CHECKING:
    import asyncpg
    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


async def load_registry(conn: asyncpg.Connection, at: int, default_zone: str) -> Registry:
    """Return the registry as it is in force at ``at`` (microseconds since 1970 UTC).

    ``default_zone`` is where days begin for enterprises that name no zone. Raises Unavailable
    when the database is away.
    """
    async with (
        unavailable("read the registry"),
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        moment = _EPOCH + timedelta(microseconds=at)
        version, changes_at = await conn.fetchrow(queries.VERSION, moment)
        zones, zone_of = await _zones(conn, moment, default_zone)
        return Registry(
            version=version,
            changes_at=None if changes_at is None else (changes_at - _EPOCH) // _MICROSECOND,
            channels=await _channels(conn, moment, zone_of),
            units=await _units(conn, moment),
            zones=zones,
            limits=await _limits(conn),
            derived=await load_derived(conn, moment),
        )


async def load_recipients(conn: asyncpg.Connection, at: int) -> list[dict[str, Any]]:
    """Return the recipients in force at ``at``, as the registry's entries, in order of id.

    Each has ``id``, ``type``, ``url``, ``secret`` (``{"env": NAME}``) and ``enterprises``.
    """
    async with unavailable("read the recipients"):
        rows = await conn.fetch(queries.RECIPIENTS, _EPOCH + timedelta(microseconds=at))
        return [row["definition"] for row in rows]


async def _zones(
    conn: asyncpg.Connection, at: datetime, default_zone: str
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the zones, the default first, and the index of each enterprise that names one."""
    zones = {default_zone: 0}
    rows = await conn.fetch(queries.ZONES, at)
    zone_of = {row["path"]: zones.setdefault(row["zone"], len(zones)) for row in rows}
    return tuple(zones), zone_of


async def _channels(conn: asyncpg.Connection, at: datetime, zone_of: dict[str, int]) -> Channels:
    rows = await read_table(conn, queries.CHANNELS, at, list(zone_of), list(zone_of.values()))
    size = int(rows["id"].max(initial=0)) + 1
    missing = await read_table(conn, queries.MISSING, at)
    return Channels(
        active=_scatter(rows, "active", np.zeros(size, np.bool_)),
        period=_scatter(rows, "period", np.full(size, 60_000_000, np.int64)),
        range_low=_scatter(rows, "range_low", np.full(size, -np.inf)),
        range_high=_scatter(rows, "range_high", np.full(size, np.inf)),
        missing=_missing(missing, size),
        signed=_scatter(rows, "signed", np.zeros(size, np.bool_)),
        zone=_scatter(rows, "zone", np.zeros(size, np.int32)),
    )


def _scatter(rows: NDArray[np.void], name: str, into: NDArray[Any]) -> NDArray[Any]:
    into[rows["id"]] = rows[name]
    return into


def _missing(rows: NDArray[np.void], size: int) -> NDArray[np.float64]:
    """Return the values that mean "no value", shape (size, most of one channel), NaN beyond."""
    table = np.full((size, int(rows["place"].max(initial=0))), np.nan)
    table[rows["id"], rows["place"] - 1] = rows["value"]
    return table


async def _units(conn: asyncpg.Connection, at: datetime) -> dict[str, Unit]:
    units = {}
    keys: dict[str, str] = {}  # one string for each key, however many units use it
    for row in await conn.fetch(queries.UNITS, at):
        names = [keys.setdefault(key, key) for key in row["keys"]]
        path = f"{row['enterprise']}/{row['unit']}"
        mapping = dict(zip(names, row["channels"], strict=True))
        units[path] = Unit(row["id"], row["enterprise"], row["unit"], mapping)
    return units


async def _limits(conn: asyncpg.Connection) -> Limits:
    shares = [row["share"] for row in await conn.fetch(queries.SHARES)]
    rows = await read_table(conn, queries.LIMITS, shares)
    rows = rows[np.lexsort((rows["version"], rows["limit"]))]
    after = np.maximum(rows["effective"], rows["valid_from"])
    until = np.minimum(superseded_at(rows["limit"], rows["effective"]), rows["valid_until"])
    applies = ~rows["ended"] & (after < until)
    rows, after, until = rows[applies], after[applies], until[applies]
    warn, clear_exceedance, clear_warning = _thresholds(rows, shares)
    fractions = [exact_fraction(text) for text in shares] or [exact_fraction("1")]
    numerators = np.array([fraction.numerator for fraction in fractions], np.int64)
    denominators = np.array([fraction.denominator for fraction in fractions], np.int64)
    return Limits(
        limit=rows["limit"].astype(np.int32),
        version=rows["version"].astype(np.int32),
        channel=rows["channel"].astype(np.int32),
        window=rows["window"].astype(np.int64),
        valid_after=after,
        valid_until=until,
        value=rows["value"].astype(np.float64),
        warn=warn,
        clear_exceedance=clear_exceedance,
        clear_warning=clear_warning,
        coverage_numerator=numerators[rows["coverage"]],
        coverage_denominator=denominators[rows["coverage"]],
        open_after=rows["open_after"].astype(np.int64),
        clear_after=rows["clear_after"].astype(np.int64),
        legal=rows["legal"].astype(np.bool_),
    )


def _thresholds(
    rows: NDArray[np.void], shares: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    # Decimal arithmetic takes a while: once for each combination that occurs.
    values, value = np.unique(rows["value"], return_inverse=True)
    keys = (value * len(shares) + rows["warn_at"]) * len(shares) + rows["clear_at"]
    combinations, kind = np.unique(keys, return_inverse=True)
    table = np.empty((len(combinations), 3))
    for number, key in enumerate(combinations.tolist()):
        rest, clear_at = divmod(key, len(shares))
        of_value, warn_at = divmod(rest, len(shares))
        limit = float(values[of_value])
        if np.isinf(limit):  # of a channel whose blocks are only kept
            table[number] = limit
        else:
            table[number] = thresholds(limit, shares[warn_at], shares[clear_at])
    warn, clear_exceedance, clear_warning = table[kind].T.copy()
    return warn, clear_exceedance, clear_warning
