"""From volumes to masses: ppm, NOx as NO2, flow of stack gas, mass flow.

All take and return float64 arrays that broadcast; NaN (nothing measured) gives NaN.

Sources: HJ 212-2017, appendix D, equations 20 to 22, 29 to 31, 33; 40 CFR part 75, appendix F,
equation F-1; 40 CFR part 60, appendix A, method 19, equation 19-1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.conditions import US_OXYGEN_IN_AIR, to_reference_oxygen, to_wet

if TYPE_CHECKING:
    from alerts.core.conditions import Floats

MOLAR_VOLUME = 22.414  # L/mol at 273.15 K and 101.325 kPa
HJ_MOLAR_VOLUME = 22.4
US_MOLAR_VOLUME = 24.06  # L/mol at 20 °C, as method 19 has it

NO2_BY_NO = 46 / 30  # molar masses as HJ 212-2017, eq. 21, has them
HJ_NO2_MASS = 46.0  # g/mol

SO2_POUNDS = 1.660e-7  # lb/scf per ppm
NOX_POUNDS = 1.194e-7  # lb/scf per ppm


def mass_concentration(
    ppm: Floats, molar_mass: float, *, molar_volume: float = MOLAR_VOLUME
) -> Floats:
    """Return mg/m3 of a share by volume: ppm x M / V, M in g/mol, V in L/mol (eq. 20)."""
    return ppm * (molar_mass / molar_volume)


def nox_of_ppm(
    no: Floats,
    no2: Floats | float,
    *,
    molar_mass: float = HJ_NO2_MASS,
    molar_volume: float = HJ_MOLAR_VOLUME,
) -> Floats:
    """Return NOx as NO2 [mg/m3] of NO and NO2 [ppm] (eq. 22)."""
    return mass_concentration(no + no2, molar_mass, molar_volume=molar_volume)


def nox_of_mass(no: Floats, no2: Floats | float) -> Floats:
    """Return NOx as NO2 of NO and NO2, all in mg/m3 (eq. 21)."""
    return no * NO2_BY_NO + no2


def stack_flow(velocity: Floats, area: float, *, profile: float = 1.0) -> Floats:
    """Return the flow [m3/h] at the stack's conditions: 3600 x area x profile x velocity (eq. 29).

    ``velocity`` [m/s] is that of the measuring point, ``area`` [m2] the stack's, ``profile`` the
    mean velocity of the section by that of the point.
    """
    return 3600 * area * profile * velocity


def standard_flow(  # noqa: PLR0913 - two states and what the gas holds
    flow: Floats,
    temperature: Floats | float,
    pressure: Floats | float,
    moisture: Floats | float,
    *,
    reference_temperature: Floats | float,
    reference_pressure: Floats | float,
) -> Floats:
    """Return the flow of dry gas at the reference state, in the unit of ``flow`` (eq. 31).

    ``temperature`` [K], absolute ``pressure`` [kPa] and ``moisture`` (a share by volume) are the
    stack gas's own; NaN where they have no sense.
    """
    warm = np.where(np.asarray(temperature) > 0, temperature, np.nan)
    pressed = np.where(np.asarray(pressure) > 0, pressure, np.nan)
    standard = flow * (reference_temperature / warm) * (pressed / reference_pressure)
    return to_wet(standard, moisture)  # the dry part: times (1 - moisture)


def kilograms_per_hour(concentration: Floats, flow: Floats | float) -> Floats:
    """Return the mass flow [kg/h] of a concentration [mg/m3] in a flow [m3/h] (eq. 33).

    Both are of one basis and state, and neither is corrected to a reference oxygen (or both are).
    """
    return concentration * flow * 1e-6


def grams_per_second(concentration: Floats, flow: Floats | float) -> Floats:
    """Return the mass flow [g/s] of a concentration [mg/m3] in a flow [m3/h]."""
    return concentration * flow / 3.6e6


def tonnes(kg_per_hour: Floats, hours: Floats | float) -> Floats:
    """Return the mass [t] that a mean mass flow [kg/h] makes in some hours."""
    return kg_per_hour * hours / 1000


def pounds_per_hour(
    ppm: Floats, flow: Floats | float, pounds: float, *, moisture: Floats | float = 0.0
) -> Floats:
    """Return lb/h of a share by volume [ppm] in a flow [scf/h] (part 75, appendix F, F-1 and F-2).

    ``pounds`` [lb/scf per ppm] is the gas's constant; ``moisture`` (a share) where the share was
    measured dry and the flow wet.
    """
    return pounds * to_wet(ppm, moisture) * flow


def pounds_per_heat(
    ppm: Floats, oxygen: Floats | float, pounds: float, fuel_factor: float
) -> Floats:
    """Return lb/mmBtu of a share by volume [ppm, dry] at an oxygen [%, dry] (method 19, 19-1).

    ``fuel_factor`` is F_d [dscf/mmBtu]: 9,780 coal, 9,190 oil, 8,710 gas. Oxygen of air or more
    is not assessable (NaN).
    """
    diluted = to_reference_oxygen(ppm, oxygen, 0.0, air=US_OXYGEN_IN_AIR)
    return pounds * fuel_factor * diluted
