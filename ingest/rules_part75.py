"""How 40 CFR part 75 fills the gaps of a limit: which quantities, and what tells the load.

A value is filled itself, or, of a mass flow that is made of concentration and flow, each of these
by its own tiers, look-back and potential value (75.33, 75.37).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.core.part75 import NOX_LOOK_BACK, SO2_LOOK_BACK
from alerts.core.rules import Quantity
from ingest.rules_stack import RuleProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.registry_model import Channel
    from ingest.rules_chain import Chain

_NOX = ("0301", "0304")
_LOADS = ("load", "heat_input")  # the second where there is no channel of the first
_WANTED = {
    "concentration": "the highest concentration, in the channel's own unit",
    "flow": "the highest flow, in its channel's own unit",
    "h2o": "the lowest moisture, in %",
    "o2": "the lowest oxygen, in %",
}


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a rule says of gaps: see ``alerts.core.rules.Rule``."""

    look_back: int = SO2_LOOK_BACK
    by_load: bool = False
    load: str | None = None
    maximum_load: float | None = None
    apart: tuple[Quantity, ...] = ()


def gaps_of(chain: Chain) -> Gaps:
    """Return how gaps of what a chain ends in are filled.

    Raises RuleProblem where part 75 fills them and a figure is missing that it needs.
    """
    nox = chain.channel.parameter in _NOX
    back = NOX_LOOK_BACK if nox else SO2_LOOK_BACK
    if chain.version.substitution != "part75":
        return Gaps(back)
    apart = tuple(_quantities(chain, back, nox=nox)) if chain.mass is not None else ()
    if not apart and chain.version.potential is None:
        raise RuleProblem(
            f"{chain.rules} substitutes by part75, whose last tier is the maximum potential value: "
            "override: {potential: 5000}, in the unit of the limit (of an amount in kg/h)",
            "rules",
        )
    if not nox and not any(one.by_load for one in apart):
        return Gaps(back)
    load = load_of(chain)
    if load is None:
        return Gaps(back, nox, apart=apart)
    maximum = chain.stack.source.maximum_load
    if maximum is None:
        raise RuleProblem(
            f"{chain.rules} substitutes NOx and flow by ranges of load, which {load.id} tells: say "
            f"the maximum of {chain.stack.source.id} in {load.unit} (maximum_load: 320)"
        )
    return Gaps(back, nox, load.id, maximum, apart)


def kept_for(
    chain: Chain, gaps: Gaps, counted: str, windows: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the (channel, basis, window) whose blocks are needed beside those of the value.

    ``counted`` is the basis of what the chain starts from; ``windows``: hours, and quadrants of
    them where the rule set counts those.
    """
    if gaps.load is not None:
        yield gaps.load, "", windows[0]
    if gaps.apart:
        members = [(part.channel.id, counted) for part in chain.parts]
        members += [(one.id, "") for one in chain.members.values()]
        yield from ((*member, window) for window in windows for member in members)


def load_of(chain: Chain) -> Channel | None:
    """Return the channel that tells the load: the one that is bound, else the only one there is.

    None where there is none: the source has no load, or nobody measures it.
    """
    source, channels = chain.stack.source, chain.stack.channels
    for binding in (chain.channel.auxiliary, source.auxiliary):
        if binding is not None and binding.load is not None:
            return channels[binding.load]
    for parameter in _LOADS:
        found = [one for one in channels.values() if one.parameter == parameter]
        if len(found) > 1:
            names = ", ".join(one.id for one in found)
            raise RuleProblem(
                f"{chain.rules} on {chain.channel.id} substitutes by ranges of load: {source.id} "
                f"has {names}, bind one with auxiliary: {{load: CHANNEL}}"
            )
        if found:
            return found[0]
    return None


def _quantities(chain: Chain, back: int, *, nox: bool) -> Iterator[Quantity]:
    """Yield the quantities of a mass flow that have tiers, potential values in a chain's units.

    Moisture and oxygen are turned round (75.37(d)(1), table 4a) where more of them makes the mass
    less. Moisture that a wet concentration is divided by makes it more, and is not (75.37(d)(2), of
    the equations of method 19 that do so).
    """
    if chain.version.normalise != "short_term":
        raise RuleProblem(
            f"{chain.rules} substitutes by part75 hours of concentration and flow, of which the "
            "mass is made then: override: {normalise: short_term}",
            "rules",
        )
    yield Quantity(
        role="main",
        potential=_potential(chain, "concentration") * chain.scale,
        look_back=back,
        by_load=nox,
    )
    for role, place in (("flow", "flow"), ("h2o", "moisture"), ("o2", "oxygen")):
        if role not in chain.members or getattr(chain.version.substitutes, role) is not None:
            continue
        scale, offset = chain.stack.unit_of(role, chain.members[role])
        yield Quantity(
            role=place,
            potential=_potential(chain, role) * scale + offset,
            look_back=NOX_LOOK_BACK if role == "flow" else SO2_LOOK_BACK,
            lesser=role == "o2" or (role == "h2o" and not chain.wet),
            by_load=role == "flow",
        )


def _potential(chain: Chain, name: str) -> float:
    given = chain.version.potentials
    value: float | None = None if given is None else getattr(given, name)
    if value is None:
        raise RuleProblem(
            f"{chain.rules} substitutes by part75 what the mass is made of, each up to its "
            f"potential value: override: {{potentials: {{{name}: …}}}}, {_WANTED[name]}",
            "rules",
        )
    return value
