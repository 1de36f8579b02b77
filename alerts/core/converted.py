"""The chain from measured values to the value that a limit is written for, many channels at once.

Of each step of time: calibration, standard state, dryness, reference oxygen or CO2, and mass flow,
in this order (rules of EN 17255-1; the formulas are those of ``conditions`` and ``quantities``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.chain import UNCORRECTED, Role
from alerts.core.conditions import (
    to_dry,
    to_reference_co2,
    to_reference_oxygen,
    to_standard_state,
)
from alerts.core.quantities import standard_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.chain import Chains
    from alerts.core.conditions import Floats

Values = dict[Role, "Floats"]
Sums = dict[Role, "tuple[Floats, NDArray[np.int32]]"]


def derived(chains: Chains, begin: NDArray[np.int64], sums: Sums) -> Floats:
    """Return the value of each chain for the step that begins at ``begin`` (us); shape (n,).

    ``sums`` holds for each role that any chain has a member of (sum, number), shape (n,), of the
    member's values in the step, in its own unit. NaN, not assessable, where a member has too few
    and no substitute, or where a divisor has no sense (oxygen as in air, no CO2, no pressure).

    A step in which some values of a gas are uncorrected and others are not is their mean: each
    value is, by its own status, brought to the reference oxygen or CO2 or left as it is (40 CFR
    60.6490(a): data of warm-up, start-up and shut-down are used as measured), all with the step's
    one oxygen. Oxygen that is needed for none of them may be missing.
    """
    values = {
        role: _in_unit(chains, role, begin, _mean(*sums[role], chains.required[role]))
        for role in sums
        if role < Role.MAIN_UNCORRECTED
    }
    left = _uncorrected(chains, begin, sums, values)
    missing = _substituted(chains, values, left)
    result = combined(chains, values, left)
    if not chains.mark.any():
        return result
    substituted = np.where(missing & ~np.isnan(result), 1.0, np.nan)
    return np.where(chains.mark, substituted, result)


def members(chains: Chains, begin: NDArray[np.int64], means: Values) -> Values:
    """Return members' means in the unit of their roles, gases calibrated; fixed substitutes put in.

    Of several steps: ``begin`` (T, 1), ``means`` (T, n) in the members' own units.
    """
    values = {role: _in_unit(chains, role, begin, mean) for role, mean in means.items()}
    _substituted(chains, values, None)
    return values


def combined(chains: Chains, values: Values, left: _Uncorrected | None = None) -> Floats:
    """Return what chains make of their members' values in the units of their roles."""
    result = _concentration(chains, values, left)
    if Role.FLOW in values:
        mass = result * _flow(chains, values) * chains.mass
        result = np.where(np.isnan(chains.mass), result, mass)
    return result


def _mean(total: Floats, samples: NDArray[np.int32], required: NDArray[np.int32] | int) -> Floats:
    """Return the mean of a step's values, NaN where they are too few."""
    mean = np.full(len(total), np.nan)
    np.divide(total, samples, out=mean, where=samples >= required)
    return mean


def _in_unit(chains: Chains, role: Role, begin: NDArray[np.int64], mean: Floats) -> Floats:
    """Return a member's mean in the role's unit, of a gas calibrated by the function in force."""
    signal = mean
    if role in UNCORRECTED:
        versions = (chains.calibrated_from[role], chains.intercept[role], chains.slope[role])
        for since, intercept, slope in zip(*versions, strict=True):
            signal = np.where(begin >= since, intercept + slope * mean, signal)
    result: Floats = signal * chains.scale[role] + chains.offset[role]
    return result


@dataclass(frozen=True, slots=True)
class _Uncorrected:
    """What of a step's concentration is of uncorrected values, and where all of it is."""

    part: Floats
    whole: NDArray[np.bool_]


def _uncorrected(
    chains: Chains, begin: NDArray[np.int64], sums: Sums, values: Values
) -> _Uncorrected | None:
    """Return the share that uncorrected values have in the sum of the gases; None: no chain asks.

    Of n values of a gas, m of them uncorrected, it is their mean x m / n.
    """
    if Role.MAIN_UNCORRECTED not in sums:
        return None
    part, whole = np.zeros(len(chains)), np.ones(len(chains), np.bool_)
    for role, place in UNCORRECTED.items():
        there = chains.member[role] >= 0
        if not there.any():
            continue
        number = sums[role][1]
        total, some = sums.get(place, (np.zeros(len(chains)), np.zeros(len(chains), np.int32)))
        mean = _in_unit(chains, role, begin, _mean(total, some, 1))
        share = np.where(some > 0, mean * some / np.maximum(number, 1), 0.0)
        part += np.where(there, np.where(some == number, values[role], share), 0.0)
        whole &= (some == number) | ~there
    return _Uncorrected(part, whole)


def _substituted(chains: Chains, values: Values, left: _Uncorrected | None) -> NDArray[np.bool_]:
    """Put substitutes in the place of what is missing; tell which steps rest on one."""
    missing = np.zeros(len(chains), np.bool_)
    for role, value in values.items():
        substitute = chains.substitute[role]
        if np.isnan(substitute).all():
            continue
        absent = np.isnan(value) & ~np.isnan(substitute)
        values[role] = np.where(absent, substitute, value)
        if left is not None and role in {Role.OXYGEN, Role.CO2}:
            absent = absent & ~left.whole
        missing = missing | absent
    return missing


def _of(chains: Chains, role: Role, values: Values, without: Floats | float) -> Floats | float:
    """Return a role's values, ``without`` for chains that have no such member."""
    if role not in values:
        return without
    return np.where(chains.member[role] >= 0, values[role], without)


def _concentration(chains: Chains, values: Values, left: _Uncorrected | None) -> Floats:
    gas = values[Role.MAIN]
    if Role.SECOND in values:
        gas = gas + _of(chains, Role.SECOND, values, 0.0)
    dry = _dry_standard(chains, gas, values)
    if left is None:
        return _at_reference(chains, dry, values)
    part = _dry_standard(chains, left.part, values)
    corrected = _at_reference(chains, dry - part, values)
    return np.where(left.whole, 0.0, corrected) + part


def _dry_standard(chains: Chains, gas: Floats, values: Values) -> Floats:
    """Return concentrations at the target's temperature and pressure, dry where it is."""
    result = gas
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
    if chains.wet.any():
        moisture = _of(chains, Role.MOISTURE, values, 0.0)
        result = to_dry(result, np.where(chains.wet, moisture, 0.0))
    return result


def _at_reference(chains: Chains, dry: Floats, values: Values) -> Floats:
    """Return concentrations at the target's oxygen or CO2."""
    result, moisture = dry, _of(chains, Role.MOISTURE, values, 0.0)
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
