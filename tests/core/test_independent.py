"""Conversions against pint: its units, its constants, the ideal gas law; and back again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core import budget
from alerts.core import conditions as c
from alerts.core import quantities as q

units: Any = pint.UnitRegistry()
Q = units.Quantity

ZERO, TWENTY = Q(0.0, "degC").to("kelvin"), Q(20.0, "degC").to("kelvin")
ATMOSPHERE = Q(1.0, "atm")
MOLAR_MASSES = {"so2": 64.066, "no2": 46.0055, "co": 28.01, "hcl": 36.461, "nh3": 17.031}

temperatures = st.floats(-20, 1200)  # °C
pressures = st.floats(60, 130)  # kPa
shares = st.floats(0, 0.95)
values = st.floats(0, 1e6)


def molar_volume(temperature: Any, pressure: Any) -> Any:
    return Q(1, "molar_gas_constant") * temperature / pressure


def number(quantity: Any, unit: str) -> float:
    return float(quantity.to(unit).magnitude)


def one(value: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([value])


@pytest.mark.parametrize("gas", MOLAR_MASSES)
def test_ppm_to_milligrams(gas: str) -> None:
    molar_mass = Q(MOLAR_MASSES[gas], "g/mol")
    expected = Q(100.0, "ppm") * molar_mass / molar_volume(ZERO, ATMOSPHERE)
    found = q.mass_concentration(one(100.0), MOLAR_MASSES[gas])
    assert found == pytest.approx(number(expected, "mg/m^3"), rel=2e-6)  # 22.414 for 22.41397


@given(values, temperatures, pressures)
def test_ppm_at_the_stacks_own_state(ppm: float, celsius: float, pressure: float) -> None:
    """The same molecules: from ppm at the stack's state to standard is as from ppm at standard."""
    temperature = Q(celsius, "degC").to("kelvin")
    own = Q(ppm, "ppm") * Q(64.066, "g/mol") / molar_volume(temperature, Q(pressure, "kPa"))
    milligrams, kelvin = number(own, "mg/m^3"), float(temperature.magnitude)
    standard = c.to_standard_state(one(milligrams), kelvin, pressure)
    assert standard == pytest.approx(q.mass_concentration(one(ppm), 64.066), rel=2e-6)


def test_molar_volumes() -> None:
    litres = number(molar_volume(ZERO, ATMOSPHERE), "L/mol")
    assert litres == pytest.approx(q.MOLAR_VOLUME, rel=2e-6)
    assert litres == pytest.approx(q.HJ_MOLAR_VOLUME, rel=1e-3)
    litres = number(molar_volume(TWENTY, ATMOSPHERE), "L/mol")
    assert litres == pytest.approx(q.US_MOLAR_VOLUME, rel=3e-4)
    assert number(ZERO, "kelvin") == c.ZERO_CELSIUS
    assert number(TWENTY, "kelvin") == c.US_STANDARD
    assert number(ATMOSPHERE, "kPa") == c.STANDARD_PRESSURE


@pytest.mark.parametrize(
    ("pounds", "molar_mass"), [(q.SO2_POUNDS, 64.066), (q.NOX_POUNDS, 46.0055)]
)
def test_pounds_in_a_standard_cubic_foot(pounds: float, molar_mass: float) -> None:
    part = Q(1.0, "ppm") * Q(molar_mass, "g/mol") / molar_volume(TWENTY, ATMOSPHERE)
    assert pounds == pytest.approx(number(part, "lb/ft^3"), rel=2e-3)  # printed to four digits


def test_mass_flows() -> None:
    flow = Q(180.0, "mg/m^3") * Q(250_000.0, "m^3/h")
    assert q.kilograms_per_hour(one(180.0), 250_000.0) == pytest.approx(number(flow, "kg/h"))
    assert q.grams_per_second(one(180.0), 250_000.0) == pytest.approx(number(flow, "g/s"))
    day = number(flow * Q(1.0, "day"), "tonne")
    assert q.tonnes(one(45.0), 24) == pytest.approx(day)
    rows = np.full((24, 1), 45.0)
    all_of_it, none = np.ones_like(rows, np.bool_), np.zeros_like(rows, np.bool_)
    period = np.zeros(24, np.int64)
    found = budget.totals(rows, np.ones_like(rows), all_of_it, none, period, 1)
    assert found.total == pytest.approx(day)


def test_american_mass_flow_and_heat_rate() -> None:
    share = Q(q.NOX_POUNDS, "lb/ft^3/ppm") * Q(43.2, "ppm")
    flow = share * Q(5780.0, "ft^3/min")
    assert q.pounds_per_hour(one(43.2), 5780 * 60, q.NOX_POUNDS) == pytest.approx(
        number(flow, "lb/h")
    )
    rate = share * Q(8710.0, "ft^3/MBtu") * (20.9 / (20.9 - 4.2))
    assert q.pounds_per_heat(one(43.2), 4.2, q.NOX_POUNDS, 8710) == pytest.approx(
        number(rate, "lb/MBtu")
    )
    # And in kilograms at 20 °C, from the milligrams that so many ppm are.
    milligrams = q.mass_concentration(one(43.2), 46.0055, molar_volume=q.US_MOLAR_VOLUME)
    metric = Q(float(milligrams.item()), "mg/m^3") * Q(5780.0, "ft^3/min")
    assert number(metric, "lb/h") == pytest.approx(number(flow, "lb/h"), rel=1e-3)


def test_stack_flow() -> None:
    flow = Q(12.4, "m/s") * Q(9.62, "m^2") * 1.05
    assert q.stack_flow(one(12.4), 9.62, profile=1.05) == pytest.approx(number(flow, "m^3/h"))


@given(st.floats(1, 1e6), temperatures, pressures, shares)
def test_flow_at_standard_state_is_the_same_number_of_molecules(
    flow: float, celsius: float, pressure: float, moisture: float
) -> None:
    temperature = Q(celsius, "degC").to("kelvin")
    moles = Q(flow, "m^3/h") / molar_volume(temperature, Q(pressure, "kPa")) * (1 - moisture)
    expected = number(moles * molar_volume(ZERO, ATMOSPHERE), "m^3/h")
    found = q.standard_flow(
        one(flow),
        float(temperature.magnitude),
        pressure,
        moisture,
        reference_temperature=c.ZERO_CELSIUS,
        reference_pressure=c.STANDARD_PRESSURE,
    )
    assert found == pytest.approx(expected, rel=1e-9)


@given(values, temperatures, pressures)
def test_standard_state_is_the_ideal_gas_law(
    concentration: float, celsius: float, pressure: float
) -> None:
    temperature = Q(celsius, "degC").to("kelvin")
    own = molar_volume(temperature, Q(pressure, "kPa"))
    expected = concentration * number(own / molar_volume(ZERO, ATMOSPHERE), "dimensionless")
    found = c.to_standard_state(one(concentration), float(temperature.magnitude), pressure)
    assert found == pytest.approx(expected, rel=1e-9)


@given(values, st.floats(200, 1500), pressures, st.floats(200, 1500), pressures)
def test_to_another_state_and_back(
    concentration: float, kelvin: float, pressure: float, other: float, other_pressure: float
) -> None:
    there = c.to_standard_state(
        one(concentration),
        kelvin,
        pressure,
        reference_temperature=other,
        reference_pressure=other_pressure,
    )
    back = c.to_standard_state(
        there,
        other,
        other_pressure,
        reference_temperature=kelvin,
        reference_pressure=pressure,
    )
    assert back == pytest.approx(concentration, rel=1e-12)


@given(values, shares)
def test_dry_to_wet_and_back(value: float, moisture: float) -> None:
    assert c.to_dry(c.to_wet(one(value), moisture), moisture) == pytest.approx(value, rel=1e-12)
    assert c.to_wet(c.to_dry(one(value), moisture), moisture) == pytest.approx(value, rel=1e-12)


@given(st.floats(0, 1e4), st.floats(1, 1e6), st.floats(250, 1500), pressures, shares)
def test_mass_flow_is_the_same_on_every_basis(
    concentration: float, flow: float, kelvin: float, pressure: float, moisture: float
) -> None:
    """A concentration and a flow at the stack's state, or both dry at the standard one."""
    standard = c.to_dry(c.to_standard_state(one(concentration), kelvin, pressure), moisture)
    dry = q.standard_flow(
        one(flow),
        kelvin,
        pressure,
        moisture,
        reference_temperature=c.ZERO_CELSIUS,
        reference_pressure=c.STANDARD_PRESSURE,
    )
    expected = q.kilograms_per_hour(one(concentration), flow)
    assert q.kilograms_per_hour(standard, dry) == pytest.approx(expected, rel=1e-9)


@given(st.floats(0, 1e3), st.floats(0, 19), st.floats(0, 15))
def test_pounds_per_heat_do_not_depend_on_dilution(ppm: float, oxygen: float, other: float) -> None:
    """Adding air changes ppm and oxygen together, never the mass for each mmBtu."""
    diluted = c.to_reference_oxygen(one(ppm), oxygen, other, air=c.US_OXYGEN_IN_AIR)
    once = q.pounds_per_heat(one(ppm), oxygen, q.NOX_POUNDS, 8710)
    assert q.pounds_per_heat(diluted, other, q.NOX_POUNDS, 8710) == pytest.approx(once, rel=1e-9)
