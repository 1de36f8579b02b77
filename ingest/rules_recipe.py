"""The rows of the channels that a limit is judged by, and the recipes they are derived with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alerts.core.conditions import ZERO_CELSIUS
from alerts.core.rounding import exact_fraction
from alerts.core.vocabulary import MINUTE
from ingest.registry_values import canonical, microseconds
from ingest.rules_stack import RuleProblem, period_of, required
from storage.registry_rows import ChannelRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.registry_model import Channel
    from ingest.rules_chain import Chain
    from ingest.rules_model import RuleVersion
    from ingest.rules_stack import Part, Stack

Recipe = dict[str, Any]
_PLACES = {
    "temperature": "temperature", "pressure": "pressure", "h2o": "moisture", "o2": "oxygen",
    "co2": "co2", "flow": "flow",
}  # fmt: skip
_UNIT_OF_SUBSTITUTE = {
    "temperature": "degC", "pressure": "kPa", "h2o": "%", "o2": "%", "co2": "%", "flow": "m3/h",
}  # fmt: skip
_USUAL_COVERAGE = "2/3"
IDLE = "idle"
_NOT_NORMAL = ("start_up", "shut_down", "stopped")


@dataclass(frozen=True, slots=True)
class Judged:
    """The channel that a limit judges: ``basis`` "" is the measured one.

    ``rows`` are the derived channels to be kept for it. ``idle`` and ``marks`` are the bases of the
    channels that tell when the plant is not in normal operation, and where a substitute was used.
    ``main`` is the (channel, basis) whose blocks tell how many values stand behind an average that
    was made first and converted then.
    """

    basis: str
    uom: str
    period_us: int
    rows: tuple[ChannelRow, ...]
    idle: str | None
    marks: str | None
    main: tuple[str, str] | None


def judged(
    chain: Chain, enterprise: str, *, short_term: str, coverage: str, by_idleness: bool
) -> Judged:
    """Return the channel that a chain ends in, and the derived channels that it needs.

    ``short_term`` are the averages made of its values, ``coverage`` the share of a member's values
    that a value needs, ``by_idleness`` whether times outside normal operation are left out. Raises
    RuleProblem where periods do not fit.
    """
    rows = _Rows(chain, enterprise)
    counted = rows.counted()
    basis, period = counted, period_of(chain.parts[0].channel)
    uom: str = chain.channel.unit
    marks = None
    if _converts(chain):
        step = _step(chain, short_term)
        words = [*chain.words, *_more_words(chain, short_term, coverage, step)]
        basis = ", ".join([*words, counted] if counted else words) or "calibrated"
        uom, period = chain.uom, step
        recipe = _recipe(chain, step, coverage, counted)
        rows.add(basis, recipe, period, uom)
        if any(one is not None and one.get("substitute") is not None for one in _members(recipe)):
            marks = f"{basis} mark"
            rows.add(marks, {**recipe, "output": "mark"}, period, uom)
    if microseconds(short_term) % period:
        raise RuleProblem(
            f"averages over {short_term} cannot be made of values every "
            f"{canonical(f'{period // 1_000_000}s')}",
            "rules",
        )
    if by_idleness:
        rows.idle()
    main = (chain.parts[0].channel.id, counted) if _converts(chain) and period > MINUTE else None
    idle = IDLE if by_idleness else None
    return Judged(basis, uom, period, tuple(rows.made), idle, marks, main)


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
    coverage = exact_fraction(_USUAL_COVERAGE)
    for place, one in zip(("main", "second"), parts, strict=True):
        enough = required(coverage, step, period_of(one.channel))
        recipe[place] = _member(one.channel, one.scale, 0.0, enough)
    return json.dumps(recipe)


@dataclass(slots=True)
class _Rows:
    """The derived channels of one chain, as they are found to be needed."""

    chain: Chain
    enterprise: str
    made: list[ChannelRow]

    def __init__(self, chain: Chain, enterprise: str) -> None:
        self.chain, self.enterprise, self.made = chain, enterprise, []

    def add(
        self, basis: str, recipe: Recipe, period: int, uom: str, of: Channel | None = None
    ) -> None:
        channel = of or self.chain.channel
        target = self.chain.target
        state = {"dry": target.dry, "o2": target.oxygen, "standard": target.standard}
        state = {key: value for key, value in state.items() if value is not None}
        self.made.append(
            ChannelRow(
                self.enterprise,
                self.chain.stack.source.id,
                channel.id,
                channel.parameter,
                uom,
                float("-inf"),
                float("inf"),
                period,
                (),
                0,
                float("inf"),
                json.dumps(state) if state and recipe["kind"] == "chain" else None,
                basis,
                json.dumps(recipe),
            )
        )

    def counted(self) -> str:
        """Add what also counts values of other statuses; return its basis, "" without."""
        more = self.chain.version.counts
        if not more:
            return ""
        basis = f"with {' '.join(more)}"
        for part in self.chain.parts:
            recipe = _select(part.channel, "", ["valid", *more], "measured")
            self.add(basis, recipe, period_of(part.channel), part.channel.unit, part.channel)
        return basis

    def idle(self) -> None:
        """Add what tells when the plant is not in normal operation."""
        channel = self.chain.parts[0].channel
        recipe = _select(channel, "", _NOT_NORMAL, "idle")
        self.add(IDLE, recipe, period_of(channel), channel.unit)


def _converts(chain: Chain) -> bool:
    return bool(
        chain.members
        or len(chain.parts) > 1
        or chain.scale != 1.0
        or chain.stated is not None
        or any(part.channel.calibration for part in chain.parts)
    )


def _averages_first(chain: Chain) -> bool:
    """Tell whether the order matters, and averages come first; a mere factor may come anywhere."""
    return chain.version.normalise == "short_term" and bool(chain.members)


def _step(chain: Chain, short_term: str) -> int:
    channels = [part.channel for part in chain.parts] + list(chain.members.values())
    longest = max(MINUTE, *map(period_of, channels))
    step = microseconds(short_term) if _averages_first(chain) else longest
    for channel in channels:
        if step % period_of(channel):
            raise RuleProblem(
                f"values of {channel.id} every {channel.period} do not fit steps of "
                f"{canonical(f'{step // 1_000_000}s')}, in which they are brought together"
            )
    return step


def _more_words(chain: Chain, short_term: str, coverage: str, step: int) -> list[str]:
    words = []
    if _averages_first(chain):
        words.append(f"averaged over {short_term} first")
    channels: Sequence[Channel] = [*(one.channel for one in chain.parts), *chain.members.values()]
    if coverage != _USUAL_COVERAGE and any(step > period_of(one) for one in channels):
        words.append(f"{coverage} of each step")
    for role in chain.members:
        value = getattr(chain.version.substitutes, role)
        if value is not None:
            words.append(f"missing {role} is {value:g} {_UNIT_OF_SUBSTITUTE[role]}")
    return words


def _recipe(chain: Chain, step: int, coverage: str, counted: str) -> Recipe:
    recipe, share = _empty(step), exact_fraction(coverage)
    for place, part in zip(("main", "second"), chain.parts, strict=False):
        recipe[place] = _part(chain, part, required(share, step, period_of(part.channel)), counted)
    for role, channel in chain.members.items():
        scale, offset = chain.stack.unit_of(role, channel)
        member = _member(channel, scale, offset, required(share, step, period_of(channel)))
        member["substitute"] = _substitute(chain.version, role)
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


def _part(chain: Chain, part: Part, enough: int, counted: str) -> Recipe:
    member = _member(part.channel, part.scale * chain.scale, 0.0, enough)
    member["basis"] = counted
    member["calibrations"] = chain.stack.calibrations(part.channel)
    return member


def _member(channel: Channel, scale: float, offset: float, enough: int) -> Recipe:
    of = {"channel": channel.id, "basis": ""}
    return {**of, "scale": scale, "offset": offset, "required": enough}


def _substitute(version: RuleVersion, role: str) -> float | None:
    value: float | None = getattr(version.substitutes, role)
    if value is None:
        return None
    if role == "temperature":
        return value + ZERO_CELSIUS
    return value / 100 if role == "h2o" else value


def _empty(step: int) -> Recipe:
    places = ("main", "second", *_PLACES.values())
    return {
        "kind": "chain",
        "output": "value",
        "step_us": step,
        **dict.fromkeys(places),
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


def _members(recipe: Recipe) -> list[Recipe | None]:
    return [recipe[place] for place in _PLACES.values()]


def _select(channel: Channel, basis: str, statuses: Sequence[str], value: str) -> Recipe:
    of = {"channel": channel.id, "basis": basis}
    return {"kind": "select", "of": of, "statuses": list(statuses), "value": value}
