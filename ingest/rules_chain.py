"""What a limit judges: a measured channel, or one derived from it as the rule set says.

The state that the rule set wants is compared with the state that the channel's ``basis`` tells;
what differs is converted with the source's auxiliary channels. Nothing is guessed: what is not told
is an error that says what to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.rules_stack import RuleProblem, State, state_of
from ingest.rules_units import AMOUNT, MASS_FLOW, concentration_scale, is_concentration

if TYPE_CHECKING:
    from ingest.registry_model import Channel, Limit
    from ingest.rules_model import Reference, RuleVersion
    from ingest.rules_stack import Part, Stack

_DEFAULT_AIR = 21.0


@dataclass(slots=True)
class Chain:
    """A chain while it is put together: its steps, and the words that say what it is."""

    stack: Stack
    rules: str
    version: RuleVersion
    channel: Channel
    parts: list[Part]
    uom: str
    scale: float = 1.0
    members: dict[str, Channel] = field(default_factory=dict)
    wet: bool = False
    standard: bool = False  # the main value is at the reference state, whatever the flow is
    flow_wet: bool = False  # the flow is of wet gas and the main value of dry
    flow_standard: bool = True  # the flow is in the state of the main value
    stated: float | None = None
    target: State = field(default_factory=State)
    mass: float | None = None
    words: list[str] = field(default_factory=list)

    @property
    def reference(self) -> Reference:
        """The rule set's reference state."""
        return self.version.basis

    def need(self, role: str) -> Channel:
        """Add the channel that tells of ``role``."""
        if role not in self.members:
            why = f"{self.rules} on {self.channel.id}"
            self.members[role] = self.stack.auxiliary(role, self.channel, why)
        return self.members[role]

    def told(self, of: Channel, *, what: str) -> RuleProblem:
        """Return the error that a channel's basis does not tell of its gas."""
        key = {"dry": "{dry: true} or {dry: false}", "standard": "{standard: true}"}[what]
        words = {
            "dry": "of dry or of wet gas",
            "standard": "at standard temperature and pressure or at the stack's",
        }[what]
        return RuleProblem(
            f"{self.rules} has to know whether {of.id} is {words}: say on the channel "
            f"basis: {key}" + (" or {standard: false}" if what == "standard" else "")
        )


def chain_of(
    limit: Limit, rules: str, version: RuleVersion, stack: Stack, channel: Channel
) -> Chain:
    """Return the chain from a channel to what the limit is written for.

    Raises RuleProblem where that cannot be told or converted.
    """
    parts = stack.parts(channel)
    unit = "kg/h" if limit.unit in AMOUNT else limit.unit
    chain = Chain(stack, rules, version, channel, parts, unit)
    if limit.unit in AMOUNT or limit.unit in MASS_FLOW:
        _mass_flow(chain, limit)
    elif is_concentration(limit.unit) and is_concentration(channel.unit):
        _concentration(chain, limit)
    elif limit.unit != channel.unit:
        raise RuleProblem(
            f"a limit in {limit.unit} on a channel in {channel.unit}: one cannot become the other",
            "unit",
        )
    if chain.uom != channel.unit:
        chain.words.insert(0, chain.uom)
    return chain


def _main_state(chain: Chain) -> State:
    state = state_of(chain.parts[0].channel.basis)
    if chain.parts[0].channel.unit == "ppm":  # a share by volume: of any temperature and pressure
        return State(standard=True, dry=state.dry, oxygen=state.oxygen)
    return state


def _wanted(chain: Chain, limit: Limit) -> State:
    """Return the state that a limit's value is written for, as it and its rule set say."""
    asked, reference = state_of(limit.basis), chain.reference
    oxygen = asked.oxygen
    if oxygen is None and reference.oxygen == "limit":
        oxygen = state_of(chain.parts[0].channel.basis).oxygen
        if oxygen is None:
            raise RuleProblem(
                f"{chain.rules} judges at a reference oxygen, which the limit must name: "
                "basis: {dry: true, o2: 6}"
            )
    elif oxygen is None and reference.oxygen is not None:
        oxygen = float(reference.oxygen)
    told = True if oxygen is not None or reference.co2 is not None else None
    return State(
        _first(asked.standard, told, reference.standard),
        _first(asked.dry, told, reference.dry or None),
        oxygen,
    )


def _first(*told: bool | None) -> bool | None:
    return next((one for one in told if one is not None), None)


def _concentration(chain: Chain, limit: Limit) -> None:
    given, wanted = _main_state(chain), _wanted(chain, limit)
    main = chain.parts[0].channel
    by_volume = main.unit == "ppm" and limit.unit != "ppm"
    if by_volume and not wanted.standard:
        raise RuleProblem(
            f"{chain.channel.id} is in ppm, which becomes {limit.unit} at standard conditions: say "
            "on the limit basis: {standard: true}",
            "unit",
        )
    _convert_unit(chain, limit.unit)
    _dry(chain, given, wanted, main)
    _oxygen(chain, given, wanted)
    if chain.reference.co2 is not None and wanted.oxygen is None:
        measured = chain.need("co2")
        _same_gas(chain, measured)
        chain.words.append(f"{chain.reference.co2:g} % CO2")
    if wanted.standard and limit.unit != "ppm":
        if given.standard is None:
            raise chain.told(main, what="standard")
        if not given.standard:
            chain.need("temperature")
            chain.need("pressure")
        chain.words.append(f"{chain.reference.temperature:g} K, {chain.reference.pressure:g} kPa")
    chain.target = State(wanted.standard, wanted.dry or given.dry, wanted.oxygen)


def _convert_unit(chain: Chain, wanted: str) -> None:
    given, reference, parameter = chain.channel.unit, chain.reference, chain.channel.parameter
    try:
        chain.scale = concentration_scale(given, wanted, parameter, reference)
    except ValueError as problem:
        raise RuleProblem(str(problem), "unit") from None
    if "ppm" in (given, wanted) and given != wanted:
        if reference.molar_volume is not None:
            chain.words.append(f"{reference.molar_volume:g} L/mol")
        if parameter in reference.molar_masses:
            chain.words.append(f"{reference.molar_masses[parameter]:g} g/mol")


def _dry(chain: Chain, given: State, wanted: State, main: Channel) -> None:
    if wanted.dry:
        if given.dry is None:
            raise chain.told(main, what="dry")
        chain.words.append("dry")
        if not given.dry:
            chain.wet = True
            chain.need("h2o")
    elif wanted.dry is False and (wanted.oxygen is not None or given.dry is not False):
        raise RuleProblem(
            f"a limit for wet gas, and {main.id} is not stated to be of wet gas "
            "(basis: {dry: false}) and as measured: wet values are not computed from dry ones",
            "basis",
        )


def _oxygen(chain: Chain, given: State, wanted: State) -> None:
    if wanted.oxygen is None:
        return
    chain.words.append(f"{wanted.oxygen:g} % O2")
    if given.oxygen == wanted.oxygen:
        return
    if chain.reference.air != _DEFAULT_AIR:
        chain.words.append(f"of {chain.reference.air:g} % in air")
    if given.oxygen is not None:
        chain.stated = given.oxygen
        return
    if chain.reference.oxygen_cap is not None:
        chain.words.append(f"O2 capped at {chain.reference.oxygen_cap:g} %")
    _same_gas(chain, chain.need("o2"))


def _same_gas(chain: Chain, measured: Channel) -> None:
    """Bring a measured diluent to dry gas, as the concentration is."""
    dry = state_of(measured.basis).dry
    if dry is None:
        raise chain.told(measured, what="dry")
    if not dry:
        chain.need("h2o")


def _mass_flow(chain: Chain, limit: Limit) -> None:
    if limit.basis is not None:
        raise RuleProblem("a mass is the same in every state of the gas: leave basis out", "basis")
    unit = chain.channel.unit
    if unit in MASS_FLOW:
        chain.scale = MASS_FLOW[unit] / MASS_FLOW[chain.uom]
        return
    if not is_concentration(unit):
        raise RuleProblem(
            f"a limit in {limit.unit} on a channel in {unit}: one cannot become the other", "unit"
        )
    main, given, flow = chain.parts[0].channel, _main_state(chain), chain.need("flow")
    _convert_unit(chain, "mg/m3")
    chain.mass = 1 / (1e6 * MASS_FLOW[chain.uom])
    if given.oxygen is not None:  # back to the oxygen that the gas has
        chain.stated = given.oxygen
        _same_gas(chain, chain.need("o2"))
    state = state_of(flow.basis)
    for of, one in ((main, given), (flow, state)):
        if one.standard is None:
            raise chain.told(of, what="standard")
        if one.dry is None:
            raise chain.told(of, what="dry")
    chain.standard, chain.flow_standard = bool(given.standard), bool(state.standard)
    chain.wet = bool(state.dry and not given.dry)
    chain.flow_wet = bool(given.dry and not state.dry)
    if given.dry != state.dry:
        chain.need("h2o")
    if given.standard == state.standard:
        chain.flow_standard = True
    else:
        chain.need("temperature")
        chain.need("pressure")
        chain.words.append(f"{chain.reference.temperature:g} K, {chain.reference.pressure:g} kPa")
