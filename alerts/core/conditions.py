"""Concentrations at standard conditions: temperature, pressure, dryness, reference oxygen or CO2.

Each function is one step of the chain from what the stack holds to what a limit is written for.
All take and return float64 arrays that broadcast; NaN (nothing measured) gives NaN, and so does a
divisor that has no sense (oxygen as high as in air): not assessable, never a huge number.

Sources: HJ 212-2017, appendix D, equations 18, 19, 26 to 28; Directive 2010/75/EU, annex V
(273.15 K and 101.3 kPa); 40 CFR part 75, appendix F (20.9 % oxygen, diluent caps).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ZERO_CELSIUS = 273.15  # K
US_STANDARD = 293.15  # K: 20 °C
STANDARD_PRESSURE = 101.325  # kPa
OXYGEN_IN_AIR = 21.0  # % of dry air, as European and Chinese rules have it
US_OXYGEN_IN_AIR = 20.9


def to_standard_state(
    concentration: Floats,
    temperature: Floats | float,
    pressure: Floats | float,
    *,
    reference_temperature: Floats | float = ZERO_CELSIUS,
    reference_pressure: Floats | float = STANDARD_PRESSURE,
) -> Floats:
    """Return mass concentrations at the reference temperature [K] and pressure [kPa].

    ``temperature`` [K] and absolute ``pressure`` [kPa] are the gas's own. An ideal gas: C x T/T_ref
    x p_ref/p (HJ 212-2017, eq. 18, which writes 273 for 273.15).
    """
    expansion = _where(temperature, np.asarray(temperature) > 0) / reference_temperature
    compression = reference_pressure / _where(pressure, np.asarray(pressure) > 0)
    return concentration * expansion * compression


def to_dry(wet: Floats, moisture: Floats | float) -> Floats:
    """Return what a share or concentration in wet gas is in dry gas: wet / (1 - moisture).

    ``moisture`` is a share by volume, 0 up to but not 1 (HJ 212-2017, eq. 19). Oxygen is converted
    the same way, so that it is on the same basis as the gas.
    """
    return wet / (1 - _share(moisture))


def to_wet(dry: Floats, moisture: Floats | float) -> Floats:
    """Return what a share or concentration in dry gas is in wet gas: the reverse of ``to_dry``."""
    return dry * (1 - _share(moisture))


def to_reference_oxygen(
    concentration: Floats,
    oxygen: Floats | float,
    reference: Floats | float,
    *,
    air: Floats | float = OXYGEN_IN_AIR,
    cap: Floats | float | None = None,
) -> Floats:
    """Return concentrations at the ``reference`` oxygen [%]: C x (air - reference)/(air - oxygen).

    ``oxygen`` [%] is measured on the gas's own basis. As much as in air, or more, is not
    assessable (NaN). ``cap`` [%]: what is above counts as the cap (40 CFR part 75, appendix F,
    3.3.4.1: 14.0 for boilers). HJ 212-2017, eq. 28.
    """
    measured = np.asarray(oxygen, np.float64)
    if cap is not None:
        measured = np.where(measured > cap, cap, measured)
    return concentration * (air - np.asarray(reference)) / _where(air - measured, measured < air)


def to_reference_co2(
    concentration: Floats,
    carbon_dioxide: Floats | float,
    reference: Floats | float,
    *,
    floor: Floats | float | None = None,
) -> Floats:
    """Return concentrations at the ``reference`` CO2 [%]: C x reference / CO2.

    No CO2 at all is not assessable (NaN). ``floor`` [%]: what is below counts as the floor (40 CFR
    part 75, appendix F: 5.0 for boilers).
    """
    measured = np.asarray(carbon_dioxide, np.float64)
    if floor is not None:
        measured = np.where(measured < floor, floor, measured)
    ratio: Floats = np.asarray(reference) / _where(measured, measured > 0)
    return concentration * ratio


def excess_air(oxygen: Floats | float, *, air: float = OXYGEN_IN_AIR) -> Floats:
    """Return the ratio of excess air: air / (air - oxygen), oxygen in % (HJ 212-2017, eq. 26)."""
    measured = np.asarray(oxygen, np.float64)
    return air / _where(air - measured, measured < air)


def _share(moisture: Floats | float) -> Floats:
    share = np.asarray(moisture, np.float64)
    return _where(share, (share >= 0) & (share < 1))


def _where(value: Floats | float, sensible: NDArray[np.bool_] | np.bool_) -> Floats:
    """Return ``value``, NaN where it is not sensible."""
    return np.where(sensible, value, np.nan)
