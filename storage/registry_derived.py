"""Derived channels of the registry, as arrays: their recipes and who their members are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.chain import UNCORRECTED, Chains, Role
from alerts.core.derived import Derived
from alerts.core.selects import Selects
from alerts.core.vocabulary import NEVER, STATUS_BY_LABEL
from storage import registry_queries as queries
from storage.registry_table import read_table
from storage.registry_versions import superseded_at
from storage.times import to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg
    from numpy.typing import NDArray

    Recipe = dict[str, Any]

ROLES = {
    name: Role[name.upper()]
    for name in ("main", "second", "temperature", "pressure", "moisture", "oxygen", "co2", "flow")
}  # by the names of places in recipes
_ABSENT: dict[str, Any] = {}


async def load_derived(conn: asyncpg.Connection, at: datetime) -> Derived:
    """Return the derived channels with all versions of their recipes; in force are those at ``at``.

    The first version of a recipe is of all that was ever measured, like that of a limit, a later
    one of what ends after its ``effective``. A channel whose member is not in the registry lacks
    it: whatever needs it is not assessable.
    """
    texts = [row["recipe"] for row in await conn.fetch(queries.RECIPES)]
    if not texts:
        return Derived()
    recipes: list[Recipe] = [json.loads(text) for text in texts]
    members = [
        (number, place, one["channel"], one["basis"])
        for number, recipe in enumerate(recipes)
        for place, one in members_of(recipe)
    ]
    columns = (list(column) for column in zip(*members, strict=True))
    found = await read_table(conn, queries.MEMBERS, texts, *columns)
    versions = _applying(await read_table(conn, queries.RECIPE_VERSIONS, texts))
    chained = np.array([recipe["kind"] == "chain" for recipe in recipes], np.bool_)
    of_chain = chained[versions["recipe"]]
    return Derived(
        _selects(versions[~of_chain], found, recipes),
        _chains(versions[of_chain], found, recipes),
        to_micros(at),
    )


def _applying(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the versions that apply to anything, with ``since`` and ``until`` (us)."""
    rows = rows[np.lexsort((rows["version"], rows["channel"]))]
    first = np.diff(rows["channel"], prepend=-1) != 0
    since = np.where(first, NEVER, rows["effective"])
    until = superseded_at(rows["channel"], rows["effective"])
    table = np.zeros(len(rows), [*rows.dtype.descr, ("since", "i8"), ("until", "i8")])
    for name in rows.dtype.names or ():
        table[name] = rows[name]
    table["since"], table["until"] = since, until
    table = table[~rows["ended"] & (since < until)]
    return table[np.lexsort((table["since"], table["channel"]))]


def members_of(recipe: Recipe) -> list[tuple[int, Recipe]]:
    """Return (place, member) of a recipe; the place is the member's role in a chain."""
    if recipe["kind"] == "select":
        return [(Role.MAIN, recipe["of"])]
    found: list[tuple[int, Recipe]] = [
        (role, recipe[name]) for name, role in ROLES.items() if recipe[name]
    ]
    uncorrected = recipe.get("uncorrected")
    if uncorrected is None:
        return found
    return found + [
        (UNCORRECTED[Role(role)], {**one, "basis": uncorrected})
        for role, one in found
        if role in UNCORRECTED
    ]


def _selects(
    versions: NDArray[np.void], members: NDArray[np.void], recipes: Sequence[Recipe]
) -> Selects:
    place, of = _of_versions(versions, members)
    versions, member = versions[place], members["member"][of]
    order = np.lexsort((versions["channel"], member))
    versions, member = versions[order], member[order]
    masks = [_mask(recipe.get("statuses", ())) for recipe in recipes]
    idle = [recipe.get("value") == "idle" for recipe in recipes]
    return Selects(
        versions["channel"].astype(np.int32),
        member.astype(np.int32),
        np.array(masks, np.int64)[versions["recipe"]],
        np.array(idle, np.bool_)[versions["recipe"]],
        versions["version"].astype(np.int32),
        versions["since"].astype(np.int64),
        versions["until"].astype(np.int64),
    )


def _of_versions(
    versions: NDArray[np.void], members: NDArray[np.void]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (version, member): the row of each member that a version's recipe has."""
    wanted = (versions["channel"].astype(np.int64) << 32) | versions["recipe"]
    keys = (members["id"].astype(np.int64) << 32) | members["recipe"]
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], wanted, "left")
    count = np.searchsorted(keys[order], wanted, "right") - first
    version = np.repeat(np.arange(len(wanted)), count)
    skipped = np.repeat(first - (np.cumsum(count) - count), count)
    return version, order[skipped + np.arange(len(version))]


def _mask(statuses: Sequence[str]) -> int:
    return sum(1 << STATUS_BY_LABEL[status] for status in set(statuses))


def _chains(
    versions: NDArray[np.void], members: NDArray[np.void], recipes: Sequence[Recipe]
) -> Chains:
    chains = chains_of(recipes).take(versions["recipe"].astype(np.intp))
    for name in ("channel", "version", "since", "until"):
        getattr(chains, name)[:] = versions[name]
    place, of = _of_versions(versions, members)
    chains.member[members["place"][of], place] = members["member"][of]
    return chains


def chains_of(recipes: Sequence[Recipe]) -> Chains:
    """Return the recipes as chains, a row each, without members; others than chains are neutral."""
    versions = max(
        (len(_calibrations(recipe, gas)) for recipe in recipes for gas in UNCORRECTED), default=0
    )
    table = Chains.neutral(len(recipes), versions)
    for number, recipe in enumerate(recipes):
        if recipe["kind"] == "chain":
            _fill(table, number, recipe)
    return table


def _calibrations(recipe: Recipe, gas: Role) -> list[Recipe]:
    member = recipe.get(gas.name.lower()) or _ABSENT
    return sorted(member.get("calibrations") or (), key=lambda one: int(one["from_us"]))


def _fill(table: Chains, row: int, recipe: Recipe) -> None:
    table.step[row] = recipe["step_us"]
    for role, member in members_of(recipe):
        table.scale[role, row] = member["scale"]
        table.offset[role, row] = member["offset"]
        table.required[role, row] = member["required"]
        table.substitute[role, row] = _number(member.get("substitute"))
    for gas in UNCORRECTED:
        for version, one in enumerate(_calibrations(recipe, gas)):
            table.calibrated_from[gas, version, row] = one["from_us"]
            table.intercept[gas, version, row] = one["intercept"]
            table.slope[gas, version, row] = one["slope"]
    oxygen, co2, flow = (recipe[name] or _ABSENT for name in ("oxygen", "co2", "flow"))
    table.wet[row], table.mark[row] = recipe["wet"], recipe["output"] == "mark"
    table.oxygen_wet[row], table.co2_wet[row] = oxygen.get("wet", False), co2.get("wet", False)
    table.flow_wet[row] = flow.get("wet", False)
    table.flow_standard[row] = flow.get("standard", False)
    table.standard[row] = recipe.get("standard", False)
    table.stated_oxygen[row] = _number(recipe["stated_oxygen"])
    table.mass[row] = _number(recipe["mass"])
    target = recipe["reference"]
    table.temperature[row], table.pressure[row] = target["temperature"], target["pressure"]
    table.oxygen[row], table.co2[row] = _number(target["oxygen"]), _number(target["co2"])
    table.air[row] = target["air"]
    table.oxygen_cap[row] = _number(target["oxygen_cap"], np.inf)
    table.co2_floor[row] = _number(target["co2_floor"], 0.0)


def _number(value: float | None, without: float = np.nan) -> float:
    return without if value is None else float(value)
