"""Units of measure that limits and channels may differ in, and what one is in another.

Concentrations turn into one another by the substance's molar mass, mass flows by their size; an
amount (kg, t) is summed from mass flows in kg/h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.conditions import STANDARD_PRESSURE, ZERO_CELSIUS
from alerts.core.quantities import MOLAR_VOLUME

if TYPE_CHECKING:
    from ingest.rules_model import Reference

# g/mol, by substance code, those of SO2, CO, NH3 and HCl as published conversions round them;
# oxides of nitrogen count as NO2 where a rule set names no other.
MOLAR_MASSES = {
    "0301": 46.0055, "0304": 30.0061, "0330": 64.066, "0337": 28.01, "0303": 17.031,
    "0333": 34.0809, "0349": 70.906, "0342": 20.0063, "0316": 36.461, "0410": 16.0425,
    "1325": 30.026, "0602": 78.1118, "0621": 92.1384, "1071": 94.1112, "0183": 200.592,
}  # fmt: skip

GRAM = {"mg/m3": 1.0, "ug/m3": 1e-3}  # mg/m3
MASS_FLOW = {"kg/h": 1.0, "g/s": 3.6, "t/h": 1000.0, "lb/h": 0.45359237}  # kg/h
# Amounts, with the unit that they are judged in: a short ton is judged in tonnes.
AMOUNT = {
    "kg": ("kg", 1.0), "t": ("t", 1.0), "lb": ("kg", 0.45359237), "short_ton": ("t", 0.90718474),
}  # fmt: skip
# By role: the units it can be bound in, with scale and offset to K, kPa, a share, %, m3/h.
AUXILIARY: dict[str, dict[str, tuple[float, float]]] = {
    "temperature": {"degC": (1.0, ZERO_CELSIUS), "K": (1.0, 0.0)},
    "pressure": {"kPa": (1.0, 0.0), "Pa": (1e-3, 0.0)},
    "h2o": {"%": (0.01, 0.0)},
    "o2": {"%": (1.0, 0.0)},
    "co2": {"%": (1.0, 0.0)},
    "flow": {"m3/h": (1.0, 0.0), "m3/s": (3600.0, 0.0), "m/s": (3600.0, 0.0)},  # m/s: x area
}


def is_concentration(unit: str) -> bool:
    """Tell whether a unit is one of concentration, whose value depends on the state of the gas."""
    return unit in GRAM or unit == "ppm"


def molar_volume(reference: Reference) -> float:
    """Return the molar volume [L/mol] at a rule set's reference state, or the one that it names."""
    if reference.molar_volume is not None:
        return reference.molar_volume
    warmth = reference.temperature / ZERO_CELSIUS
    return MOLAR_VOLUME * warmth * (STANDARD_PRESSURE / reference.pressure)


def concentration_scale(given: str, wanted: str, parameter: str, reference: Reference) -> float:
    """Return what a concentration is multiplied by to be in another unit.

    ppm become mg/m3 at the reference state. Raises ValueError for a substance whose molar mass is
    not known.
    """
    if given == wanted:
        return 1.0
    if given != "ppm" and wanted != "ppm":
        return GRAM[given] / GRAM[wanted]
    mass = reference.molar_masses.get(parameter, MOLAR_MASSES.get(parameter))
    if mass is None:
        raise ValueError(
            f"{given} cannot become {wanted}: the molar mass of {parameter} is not known "
            f'(override: {{basis: {{molar_masses: {{"{parameter}": …}}}}}})'
        )
    of_ppm = mass / molar_volume(reference)  # mg/m3
    return of_ppm / GRAM[wanted] if given == "ppm" else GRAM[given] / of_ppm
