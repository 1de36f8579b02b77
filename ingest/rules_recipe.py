"""Recipes: how a derived channel is computed, as JSON that is kept with the channel's version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alerts.core.conditions import ZERO_CELSIUS
from alerts.core.rounding import exact_fraction
from alerts.core.vocabulary import MINUTE
from ingest.rules_counted import basis_of
from ingest.rules_stack import RuleProblem, period_of, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.registry_model import Channel
    from ingest.rules_chain import Chain
    from ingest.rules_counted import Counted
    from ingest.rules_model import Reference, RuleVersion
    from ingest.rules_stack import Part, Stack

Recipe = dict[str, Any]
USUAL_COVERAGE = "2/3"
_ROUNDED = 273.0  # K, in texts that have 0 degC so
_PLACES = {
    "temperature": "temperature", "pressure": "pressure", "h2o": "moisture", "o2": "oxygen",
    "co2": "co2", "flow": "flow",
}  # fmt: skip


def nox_recipe(stack: Stack, channel: Channel) -> str:
    """Return the recipe of a channel that is the sum of NO and NO2, in its own unit."""
    parts = stack.parts(channel)
    step = period_of(channel)
    for one in parts:
        if step < MINUTE or step % period_of(one.channel):
            raise RuleProblem(
                f"{channel.id} is the sum of {one.channel.id}, whose period is "
                f"{one.channel.period}: its own must be a multiple of that, and at least 1min",
                "period",
            )
    recipe = _empty(step)
    coverage = exact_fraction(USUAL_COVERAGE)
    for place, one in zip(("main", "second"), parts, strict=True):
        enough = required(coverage, step, period_of(one.channel))
        recipe[place] = _member(one.channel, one.scale, 0.0, enough)
    return json.dumps(recipe)


def chain_recipe(chain: Chain, step: int, coverage: str, taken: Counted) -> Recipe:
    """Return the recipe of a chain, in steps of ``step`` [us].

    ``coverage`` is the share of a member's values that a step needs, ``taken`` the statuses of the
    readings that it is made of.
    """
    recipe, share = _empty(step), exact_fraction(coverage)
    for place, part in zip(("main", "second"), chain.parts, strict=False):
        recipe[place] = _part(chain, part, required(share, step, period_of(part.channel)))
        recipe[place]["basis"] = basis_of(taken.gas)
    if taken.uncorrected:
        recipe["uncorrected"] = basis_of(taken.uncorrected)
    for role, channel in chain.members.items():
        scale, offset = chain.stack.unit_of(role, channel)
        if offset:  # only degC have one
            offset = _zero_celsius(chain.reference)
        member = _member(channel, scale, offset, required(share, step, period_of(channel)))
        member["basis"] = basis_of(taken.of_role(role))
        member["substitute"] = _substitute(chain.version, chain.reference, role)
        recipe[_PLACES[role]] = member
    for role in ("o2", "co2"):
        if role in chain.members:
            basis = chain.members[role].basis
            recipe[_PLACES[role]]["wet"] = basis is not None and basis.dry is False
    if recipe["flow"] is not None:
        recipe["flow"] |= {"wet": chain.flow_wet, "standard": chain.flow_standard}
    recipe |= {"wet": chain.wet, "standard": chain.standard, "stated_oxygen": chain.stated}
    recipe["mass"] = chain.mass
    _set_reference(chain, recipe)
    return recipe


def _set_reference(chain: Chain, recipe: Recipe) -> None:
    """Say what is converted to; what is not converted stays as the neutral recipe has it."""
    given, reference = chain.reference, recipe["reference"]
    if recipe["temperature"] is not None:
        reference |= {"temperature": given.temperature, "pressure": given.pressure}
    if chain.mass is None and (recipe["oxygen"] is not None or chain.stated is not None):
        reference["oxygen"] = chain.target.oxygen
    if recipe["oxygen"] is not None or chain.stated is not None:
        reference |= {"air": given.air}
    if recipe["oxygen"] is not None and chain.stated is None:
        reference |= {"oxygen_cap": given.oxygen_cap}
    if recipe["co2"] is not None:
        reference |= {"co2": given.co2, "co2_floor": given.co2_floor}


def _part(chain: Chain, part: Part, enough: int) -> Recipe:
    member = _member(part.channel, part.scale * chain.scale, 0.0, enough)
    member["calibrations"] = chain.stack.calibrations(part.channel)
    return member


def _member(channel: Channel, scale: float, offset: float, enough: int) -> Recipe:
    of = {"channel": channel.id, "basis": ""}
    return {**of, "scale": scale, "offset": offset, "required": enough}


def _zero_celsius(reference: Reference) -> float:
    """Return 0 degC in K; as 273 where the reference state is (HJ 212-2017, D, eq. 18: 273 + t)."""
    return _ROUNDED if reference.temperature == _ROUNDED else ZERO_CELSIUS


def _substitute(version: RuleVersion, reference: Reference, role: str) -> float | None:
    value: float | None = getattr(version.substitutes, role)
    if value is None:
        return None
    if role == "temperature":
        return value + _zero_celsius(reference)
    return value / 100 if role == "h2o" else value


def _empty(step: int) -> Recipe:
    places = ("main", "second", *_PLACES.values())
    return {
        "kind": "chain",
        "output": "value",
        "step_us": step,
        **dict.fromkeys(places),
        "uncorrected": None,
        "wet": False,
        "standard": False,
        "stated_oxygen": None,
        "mass": None,
        "reference": {
            "temperature": ZERO_CELSIUS,
            "pressure": 101.325,
            "oxygen": None,
            "air": 21.0,
            "oxygen_cap": None,
            "co2": None,
            "co2_floor": None,
        },
    }


def substitutes(recipe: Recipe) -> bool:
    """Tell whether a recipe has a substitute for anything that may be missing."""
    members = (recipe[place] for place in _PLACES.values())
    return any(one is not None and one.get("substitute") is not None for one in members)


def select_recipe(channel: Channel, statuses: Sequence[str], value: str) -> Recipe:
    """Return the recipe of a measured channel's readings of some statuses."""
    of = {"channel": channel.id, "basis": ""}
    return {"kind": "select", "of": of, "statuses": list(statuses), "value": value}
