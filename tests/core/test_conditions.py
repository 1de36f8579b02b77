"""Standard conditions: what has no sense is not assessable, and every step has its reverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core import conditions as c

values = st.floats(0, 1e6)


@pytest.mark.parametrize("oxygen", [21.0, 21.5, 1e9, np.nan])
def test_oxygen_of_air_or_more_is_not_assessable(oxygen: float) -> None:
    assert np.isnan(c.to_reference_oxygen(np.array([100.0]), oxygen, 6)).all()
    assert np.isnan(c.excess_air(oxygen)).all()


def test_above_the_cap_the_cap_counts() -> None:
    capped = c.to_reference_oxygen(np.array([10.0, 10.0]), np.array([14.0, 20.8]), 3, cap=14.0)
    assert capped[0] == capped[1] == pytest.approx(10 * 18 / 7)
    floored = c.to_reference_co2(np.array([10.0, 10.0]), np.array([5.0, 0.0]), 12, floor=5.0)
    assert floored.tolist() == [24.0, 24.0]


@pytest.mark.parametrize("carbon_dioxide", [0.0, -1.0, np.nan])
def test_without_co2_nothing_is_assessable(carbon_dioxide: float) -> None:
    assert np.isnan(c.to_reference_co2(np.array([100.0]), carbon_dioxide, 12)).all()


@pytest.mark.parametrize("moisture", [1.0, 1.2, -0.01, np.nan])
def test_moisture_that_cannot_be_is_not_assessable(moisture: float) -> None:
    assert np.isnan(c.to_dry(np.array([100.0]), moisture)).all()
    assert np.isnan(c.to_wet(np.array([100.0]), moisture)).all()


@pytest.mark.parametrize(("temperature", "pressure"), [(0.0, 100.0), (300.0, 0.0), (-5.0, 100.0)])
def test_a_state_that_cannot_be_is_not_assessable(temperature: float, pressure: float) -> None:
    assert np.isnan(c.to_standard_state(np.array([100.0]), temperature, pressure)).all()


@given(values, st.floats(0, 0.99))
def test_wet_to_dry_and_back(value: float, moisture: float) -> None:
    there = c.to_dry(np.array([value]), moisture)
    assert c.to_wet(there, moisture) == pytest.approx(value, rel=1e-12)


@given(values, st.floats(0, 20.5), st.floats(0, 20.5))
def test_to_another_oxygen_and_back(value: float, oxygen: float, reference: float) -> None:
    there = c.to_reference_oxygen(np.array([value]), oxygen, reference)
    assert c.to_reference_oxygen(there, reference, oxygen) == pytest.approx(value, rel=1e-9)


@given(values, st.floats(250, 1500), st.floats(50, 200))
def test_the_reference_state_is_its_own(value: float, temperature: float, pressure: float) -> None:
    there = c.to_standard_state(
        np.array([value]),
        temperature,
        pressure,
        reference_temperature=temperature,
        reference_pressure=pressure,
    )
    assert there == pytest.approx(value, rel=1e-12)


@given(values)
def test_excess_air_is_the_same_correction(value: float) -> None:
    by_air = value * c.excess_air(8.0) / c.excess_air(6.0)
    assert c.to_reference_oxygen(np.array([value]), 8.0, 6.0) == pytest.approx(by_air, rel=1e-12)
