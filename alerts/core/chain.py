"""The chain from measured values to the value that a limit is written for, many channels at once.

Of each step of time: calibration, standard state, dryness, reference oxygen or CO2, and mass flow,
in this order (rules of EN 17255-1; the formulas are those of ``conditions`` and ``quantities``). A
step that a channel does not need is left out by a neutral figure, so that the rest stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import numpy as np

from alerts.core.conditions import (
    OXYGEN_IN_AIR,
    STANDARD_PRESSURE,
    ZERO_CELSIUS,
    to_dry,
    to_reference_co2,
    to_reference_oxygen,
    to_standard_state,
)
from alerts.core.quantities import standard_flow
from alerts.core.vocabulary import MINUTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.conditions import Floats

    Flags = NDArray[np.bool_]


class Role(IntEnum):
    """What a measured channel is to a derived one."""

    MAIN = 0
    SECOND = 1  # added to the main one: NO2 to the NO of NOx
    TEMPERATURE = 2  # K
    PRESSURE = 3  # kPa, absolute
    MOISTURE = 4  # share by volume
    OXYGEN = 5  # %
    CO2 = 6  # %
    FLOW = 7  # m3/h


@dataclass(frozen=True, slots=True)
class Chains:
    """How derived channels are computed: arrays over n of them, ``member`` ones (roles, n).

    ``member`` is the channel number of each role, -1 where it is not needed; its values times
    ``scale`` plus ``offset`` are in the role's unit. ``required`` is how many of its values a step
    of ``step`` (us) needs, ``substitute`` what stands for it where it is missing (NaN: nothing
    does). Main values are first calibrated: ``calibrated_from`` (us, ascending), ``intercept`` and
    ``slope`` have shape (versions, n). ``wet``: the main value is of wet gas and the result of dry;
    ``standard``: it is at the target's temperature and pressure, whatever the flow is.
    ``stated_oxygen``: the main value is at this reference oxygen already. Of the target state NaN
    means: not converted to. ``mass`` is the factor on concentration x flow (NaN: no mass flow).
    ``mark``: the value is 1 where a substitute was used, and nothing elsewhere.
    """

    channel: NDArray[np.int32]
    step: NDArray[np.int64]
    member: NDArray[np.int32]
    scale: Floats
    offset: Floats
    required: NDArray[np.int32]
    substitute: Floats
    calibrated_from: NDArray[np.int64]
    intercept: Floats
    slope: Floats
    wet: NDArray[np.bool_]
    oxygen_wet: NDArray[np.bool_]
    co2_wet: NDArray[np.bool_]
    flow_wet: NDArray[np.bool_]
    flow_standard: NDArray[np.bool_]
    standard: NDArray[np.bool_]
    stated_oxygen: Floats
    temperature: Floats
    pressure: Floats
    oxygen: Floats
    air: Floats
    oxygen_cap: Floats
    co2: Floats
    co2_floor: Floats
    mass: Floats
    mark: NDArray[np.bool_]

    @classmethod
    def neutral(cls, n: int, versions: int = 0) -> Self:
        """Return n chains that leave a main value as it is, with calibrations that never begin."""
        roles, no, unset = (len(Role), n), np.zeros(n, np.bool_), np.full(n, np.nan)
        return cls(
            channel=np.zeros(n, np.int32),
            step=np.full(n, MINUTE),
            member=np.full(roles, -1, np.int32),
            scale=np.ones(roles),
            offset=np.zeros(roles),
            required=np.ones(roles, np.int32),
            substitute=np.full(roles, np.nan),
            calibrated_from=np.full((versions, n), np.iinfo(np.int64).max),
            intercept=np.zeros((versions, n)),
            slope=np.ones((versions, n)),
            temperature=np.full(n, ZERO_CELSIUS),
            pressure=np.full(n, STANDARD_PRESSURE),
            air=np.full(n, OXYGEN_IN_AIR),
            oxygen_cap=np.full(n, np.inf),
            co2_floor=np.zeros(n),
            stated_oxygen=unset,
            oxygen=unset.copy(),
            co2=unset.copy(),
            mass=unset.copy(),
            wet=no,
            oxygen_wet=no.copy(),
            co2_wet=no.copy(),
            flow_wet=no.copy(),
            flow_standard=no.copy(),
            standard=no.copy(),
            mark=no.copy(),
        )

    def __len__(self) -> int:
        """Return how many derived channels there are."""
        return len(self.channel)

    def take(self, rows: NDArray[np.intp] | slice) -> Self:
        """Return some of them; of a slice the arrays are views."""
        return type(self)(*(getattr(self, one.name)[..., rows] for one in fields(self)))


Values = dict[Role, "Floats"]


def derived(chains: Chains, begin: NDArray[np.int64], means: Values) -> Floats:
    """Return the value of each chain for the step that begins at ``begin`` (us); shape (n,).

    ``means`` holds for each role that any chain has a member of, shape (n,), the member's mean over
    the step in its own unit, NaN where a step has too few values. NaN, not assessable, where a
    member is missing and has no substitute, or where a divisor has no sense (oxygen as in air, no
    CO2, no pressure).
    """
    values, missing = converted(chains, begin, means)
    result = combined(chains, values)
    if not chains.mark.any():
        return result
    substituted = np.where(missing & ~np.isnan(result), 1.0, np.nan)
    return np.where(chains.mark, substituted, result)


def converted(chains: Chains, begin: NDArray[np.int64], means: Values) -> tuple[Values, Flags]:
    """Return the members' values, calibrated and in the unit of their roles.

    And where any of them is a fixed substitute. ``begin`` and ``means`` as ``derived`` has them, or
    of several steps, (T, 1) and (T, n).
    """
    values, missing = {}, np.zeros(len(chains), np.bool_)
    for role, mean in means.items():
        signal = _calibrated(chains, begin, mean) if role is Role.MAIN else mean
        values[role] = signal * chains.scale[role] + chains.offset[role]
        substitute = chains.substitute[role]
        if not np.isnan(substitute).all():
            absent = np.isnan(values[role]) & ~np.isnan(substitute)
            values[role] = np.where(absent, substitute, values[role])
            missing = missing | absent
    return values, missing


def combined(chains: Chains, values: Values) -> Floats:
    """Return what chains make of their members' ``converted`` values; NaN as ``derived``."""
    result = _concentration(chains, values)
    if Role.FLOW in values:
        mass = result * _flow(chains, values) * chains.mass
        result = np.where(np.isnan(chains.mass), result, mass)
    return result


def _calibrated(chains: Chains, begin: NDArray[np.int64], signal: Floats) -> Floats:
    """Return intercept + slope x signal of the calibration function in force."""
    result = signal
    for since, intercept, slope in zip(
        chains.calibrated_from, chains.intercept, chains.slope, strict=True
    ):
        result = np.where(begin >= since, intercept + slope * signal, result)
    return result


def _of(chains: Chains, role: Role, values: Values, without: Floats | float) -> Floats | float:
    """Return a role's values, ``without`` for chains that have no such member."""
    if role not in values:
        return without
    return np.where(chains.member[role] >= 0, values[role], without)


def _concentration(chains: Chains, values: Values) -> Floats:
    result = values[Role.MAIN]
    if Role.SECOND in values:
        result = result + _of(chains, Role.SECOND, values, 0.0)
    if Role.TEMPERATURE in values or Role.PRESSURE in values:
        temperature = _of(chains, Role.TEMPERATURE, values, chains.temperature)
        pressure = _of(chains, Role.PRESSURE, values, chains.pressure)
        result = to_standard_state(
            result,
            np.where(chains.standard, chains.temperature, temperature),
            np.where(chains.standard, chains.pressure, pressure),
            reference_temperature=chains.temperature,
            reference_pressure=chains.pressure,
        )
    moisture = _of(chains, Role.MOISTURE, values, 0.0)
    if chains.wet.any():
        result = to_dry(result, np.where(chains.wet, moisture, 0.0))
    if Role.OXYGEN in values or not np.isnan(chains.stated_oxygen).all():
        result = _at_oxygen(chains, result, values.get(Role.OXYGEN, np.nan), moisture)
    if Role.CO2 in values:
        measured = to_dry(values[Role.CO2], np.where(chains.co2_wet, moisture, 0.0))
        corrected = to_reference_co2(result, measured, chains.co2, floor=chains.co2_floor)
        result = np.where(chains.member[Role.CO2] >= 0, corrected, result)
    return result


def _at_oxygen(
    chains: Chains, value: Floats, oxygen: Floats | float, moisture: Floats | float
) -> Floats:
    """Bring values to the target's oxygen, from what was measured or what they are stated at."""
    measured = to_dry(np.asarray(oxygen), np.where(chains.oxygen_wet, moisture, 0.0))
    stated, target = ~np.isnan(chains.stated_oxygen), ~np.isnan(chains.oxygen)
    # Stated at a reference and wanted as it is in the stack: the gas's own oxygen is the target.
    source = np.where(stated, chains.stated_oxygen, measured)
    wanted = np.where(target, chains.oxygen, measured)
    wanted = np.where(wanted < chains.air, wanted, np.nan)
    cap = np.where(stated, np.inf, chains.oxygen_cap)
    corrected = to_reference_oxygen(value, source, wanted, air=chains.air, cap=cap)
    return np.where(stated | target, corrected, value)


def _flow(chains: Chains, values: Values) -> Floats:
    """Return the flow [m3/h] in the state of the concentration."""
    temperature = _of(chains, Role.TEMPERATURE, values, chains.temperature)
    pressure = _of(chains, Role.PRESSURE, values, chains.pressure)
    return standard_flow(
        values[Role.FLOW],
        np.where(chains.flow_standard, chains.temperature, temperature),
        np.where(chains.flow_standard, chains.pressure, pressure),
        np.where(chains.flow_wet, _of(chains, Role.MOISTURE, values, 0.0), 0.0),
        reference_temperature=chains.temperature,
        reference_pressure=chains.pressure,
    )
