"""Derived channels of the registry, as arrays: their recipes and who their members are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.chain import UNCORRECTED, Chains, Role
from alerts.core.derived import Derived, Selects
from alerts.core.vocabulary import STATUS_BY_LABEL
from storage import registry_queries as queries
from storage.registry_table import read_table

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
    """Return the derived channels in force at ``at``.

    A channel whose member is not in the registry lacks it: whatever needs it is not assessable.
    """
    texts = [row["recipe"] for row in await conn.fetch(queries.RECIPES, at)]
    if not texts:
        return Derived()
    recipes: list[Recipe] = [json.loads(text) for text in texts]
    members = [
        (number, place, one["channel"], one["basis"])
        for number, recipe in enumerate(recipes)
        for place, one in members_of(recipe)
    ]
    columns = (list(column) for column in zip(*members, strict=True))
    rows = await read_table(conn, queries.MEMBERS, at, texts, *columns)
    kind = np.array([recipe["kind"] == "chain" for recipe in recipes], np.bool_)
    chained = kind[rows["recipe"]]
    return Derived(_selects(rows[~chained], recipes), _chains(rows[chained], recipes))


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


def _selects(rows: NDArray[np.void], recipes: Sequence[Recipe]) -> Selects:
    rows = rows[np.lexsort((rows["id"], rows["member"]))]
    masks = [_mask(recipe.get("statuses", ())) for recipe in recipes]
    idle = [recipe.get("value") == "idle" for recipe in recipes]
    return Selects(
        rows["id"].astype(np.int32),
        rows["member"].astype(np.int32),
        np.array(masks, np.int64)[rows["recipe"]],
        np.array(idle, np.bool_)[rows["recipe"]],
    )


def _mask(statuses: Sequence[str]) -> int:
    return sum(1 << STATUS_BY_LABEL[status] for status in set(statuses))


def _chains(rows: NDArray[np.void], recipes: Sequence[Recipe]) -> Chains:
    channel, place, inverse = np.unique(rows["id"], return_index=True, return_inverse=True)
    table = chains_of(recipes)
    chains = table.take(rows["recipe"][place].astype(np.intp))
    chains.channel[:] = channel
    chains.member[rows["place"], inverse] = rows["member"]
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
