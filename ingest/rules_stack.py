"""A source as rule sets see it: the state of its gas, and the channels that tell it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.registry_values import microseconds, midnight, parse_day
from ingest.rules_units import AUXILIARY, GRAM

if TYPE_CHECKING:
    from datetime import timezone
    from zoneinfo import ZoneInfo

    from ingest.registry_faults import Loc
    from ingest.registry_model import Basis, Channel, Source

    Zone = timezone | ZoneInfo

NO2_OF_NO = 46 / 30  # HJ 212-2017, appendix D, eq. 21: mg of NO as mg of NO2
_SAYS = {
    "o2": "the oxygen of the gas",
    "co2": "the CO2 of the gas",
    "h2o": "the moisture of the gas",
    "temperature": "the temperature of the gas",
    "pressure": "the pressure of the gas",
    "flow": "the flow of the gas",
}


class RuleProblem(Exception):  # noqa: N818 - the sentence that the user reads
    """A limit cannot be judged by its rule set; ``loc`` is the place within the limit's entry."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.loc: Loc = loc


@dataclass(frozen=True, slots=True)
class State:
    """What gas a value is of; None: not told. ``oxygen`` [%] is the one it is brought to."""

    standard: bool | None = None
    dry: bool | None = None
    oxygen: float | None = None


def state_of(basis: Basis | None) -> State:
    """Return what a ``basis`` tells: a stated oxygen implies dry and standard."""
    if basis is None:
        return State()
    told = True if basis.o2 is not None else None
    return State(
        told if basis.standard is None else basis.standard,
        told if basis.dry is None else basis.dry,
        basis.o2,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A measured channel, and what its values are multiplied by to be in a unit."""

    channel: Channel
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A source and its channels by id; ``zone`` is where its days begin."""

    source: Source
    channels: dict[str, Channel]
    zone: Zone

    def parts(self, channel: Channel) -> list[Part]:
        """Return the measured channels that a channel is made of: itself, or NO and NO2."""
        if channel.nox_of is None:
            return [Part(channel)]
        no, no2 = (self._part_of(channel, name) for name in (channel.nox_of.no, channel.nox_of.no2))
        if channel.calibration:
            raise RuleProblem(
                f"{channel.id} is a sum: give {no.id} and {no2.id} their calibrations, each its "
                "own",
                "channel",
            )
        if state_of(no.basis) != state_of(no2.basis):
            raise RuleProblem(
                f"{channel.id} is the sum of {no.id} and {no2.id}, whose gas differs: give both "
                "the same basis",
                "channel",
            )
        if channel.unit == no.unit == no2.unit == "ppm":
            return [Part(no), Part(no2)]
        if {channel.unit, no.unit, no2.unit} <= GRAM.keys():
            return [
                Part(no, NO2_OF_NO * GRAM[no.unit] / GRAM[channel.unit]),
                Part(no2, GRAM[no2.unit] / GRAM[channel.unit]),
            ]
        raise RuleProblem(
            f"{channel.id} in {channel.unit} is the sum of {no.id} in {no.unit} and {no2.id} in "
            f"{no2.unit}: all in ppm, or all in mg/m3 or ug/m3 (limits convert)",
            "channel",
        )

    def _part_of(self, channel: Channel, name: str) -> Channel:
        part = self.channels.get(name)
        if part is None or part.nox_of is not None:
            raise RuleProblem(
                f'{channel.id} is the sum of nitrogen oxides, but there is no measured channel "'
                f'{name}" at {self.source.id}',
                "channel",
            )
        return part

    def auxiliary(self, role: str, of: Channel, why: str) -> Channel:
        """Return the channel bound to a role, for ``of``; else the only one of that parameter."""
        for binding in (of.auxiliary, self.source.auxiliary):
            name = getattr(binding, role) if binding is not None else None
            if name is not None:
                return self._bound(role, name)
        parameters = (role, "velocity") if role == "flow" else (role,)
        found = [one for one in self.channels.values() if one.parameter == parameters[0]]
        found = found or [one for one in self.channels.values() if one.parameter in parameters]
        if len(found) == 1:
            return found[0]
        what = f"{why} needs {_SAYS[role]}"
        where = f"auxiliary: {{{role}: CHANNEL}}"
        if found:
            names = ", ".join(one.id for one in found)
            raise RuleProblem(f"{what}: {self.source.id} has {names}, bind one with {where}")
        raise RuleProblem(
            f"{what}: {self.source.id} has no channel for it; add one, or say on {of.id} in what "
            "state of the gas it measures (basis: {dry: true, standard: true, o2: 6})"
        )

    def _bound(self, role: str, name: str) -> Channel:
        channel = self.channels.get(name)
        if channel is None:
            raise RuleProblem(
                f'auxiliary {role} names "{name}": there is no such channel at {self.source.id}'
            )
        return channel

    def unit_of(self, role: str, channel: Channel) -> tuple[float, float]:
        """Return scale and offset from a bound channel's unit to the role's."""
        known = AUXILIARY[role]
        if channel.unit not in known:
            raise RuleProblem(
                f"{channel.id} is in {channel.unit}: {_SAYS[role]} is needed in {', '.join(known)}"
            )
        scale, offset = known[channel.unit]
        if role == "flow" and channel.unit == "m/s":
            if self.source.area is None:
                raise RuleProblem(
                    f"{channel.id} is a velocity: for the flow say the area of the mouth of "
                    f"{self.source.id} in m2 (area: 12.5)"
                )
            scale *= self.source.area
        return scale, offset

    def calibrations(self, channel: Channel) -> list[dict[str, Any]]:
        """Return a channel's calibration functions, oldest first, as a recipe has them."""
        found = [
            {
                "from_us": _micros(parse_day(one.from_), self.zone),
                "intercept": one.intercept,
                "slope": one.slope,
            }
            for one in channel.calibration or ()
        ]
        return sorted(found, key=lambda one: one["from_us"])


def stack_of(source: Source, zone: Zone) -> Stack:
    """Return a source with its channels by id."""
    return Stack(source, {one.id: one for one in source.channels}, zone)


def _micros(day: Any, zone: Zone) -> int:  # noqa: ANN401 - a date
    return round(midnight(day, zone).timestamp()) * 1_000_000


def required(coverage: Any, step: int, period: int) -> int:  # noqa: ANN401 - a Fraction
    """Return how many values of a member a step needs: a share where it holds several."""
    return math.ceil(coverage * step / period) if step > period else 1


def period_of(channel: Channel) -> int:
    """Return a channel's period [us]."""
    return microseconds(channel.period)
