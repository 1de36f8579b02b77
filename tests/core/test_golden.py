"""Published and computed figures: each formula of the chain gives what its source prints."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.core import conditions as c
from alerts.core import quantities as q
from alerts.core.quality import (
    allowed_deviation,
    calibration_function,
    daily_calibration,
    linearity_error,
    monitor_availability,
    relative_accuracy,
    variability_passes,
)
from alerts.core.rounding import round_decimals
from alerts.core.shares import complies, left
from alerts.core.validated import of_limit, of_value, validated

if TYPE_CHECKING:
    from numpy.typing import NDArray


def one(value: float) -> NDArray[np.float64]:
    return np.array([value])


@pytest.mark.parametrize(
    ("value", "oxygen", "reference", "air", "expected"),
    [
        (200, 5, 6, 21, 187.5),  # HJ 212-2017, eq. 28
        (150, 8, 11, 21, 115.38461538461539),  # waste
        (43.2, 4.2, 15, 20.9, 15.262275449101795),  # printed as 15.3
        (138.60294618644645, 7.2, 6, 21, 150.6553762896157),
    ],
)
def test_reference_oxygen(
    value: float, oxygen: float, reference: float, air: float, expected: float
) -> None:
    found = c.to_reference_oxygen(one(value), oxygen, reference, air=air)
    assert found == pytest.approx(expected, rel=1e-14)


def test_from_the_stack_to_standard_conditions() -> None:
    standard = c.to_standard_state(one(100), 150 + 273.15, 99.0)
    assert standard == pytest.approx(158.55303446324868, rel=1e-14)
    dry = c.to_dry(standard, 0.12)
    assert dry == pytest.approx(180.17390279914622, rel=1e-14)
    oxygen = c.to_dry(one(8.8), 0.12)
    assert oxygen == pytest.approx(10.0, rel=1e-14)
    assert c.to_reference_oxygen(dry, oxygen, 6) == pytest.approx(245.6916856351994, rel=1e-14)


def test_the_chinese_chain_and_flow() -> None:
    state = {"temperature": 130.0 + 273, "pressure": (100_500.0 - 250.0) / 1000}
    reference = {"reference_temperature": 273.0, "reference_pressure": 101.325}
    standard = c.to_standard_state(one(85.0), **state, **reference)
    assert standard == pytest.approx(126.8216957605985, rel=1e-14)
    assert c.to_dry(standard, 0.085) == pytest.approx(138.60294618644645, rel=1e-14)
    flow = q.stack_flow(one(12.4), 9.62, profile=1.05)
    assert flow == pytest.approx(450_908.64, rel=1e-14)
    dry = q.standard_flow(flow, **state, moisture=0.085, **reference)
    assert dry == pytest.approx(276_525.39469430054, rel=1e-14)


@pytest.mark.parametrize(
    ("molar_mass", "volume", "expected"),
    [
        (64.066, 22.414, 285.8303),
        (46.0055, 22.414, 205.2534),
        (28.01, 22.414, 124.9665),
        (36.461, 22.414, 162.6707),
        (17.031, 22.414, 75.9838),
        (64, 22.4, 285.7143),
    ],
)
def test_100_ppm(molar_mass: float, volume: float, expected: float) -> None:
    found = q.mass_concentration(one(100), molar_mass, molar_volume=volume)
    assert round_decimals(found, 4) == expected


def test_nox_as_no2() -> None:
    assert q.nox_of_ppm(one(90), 10) == pytest.approx(205.35714285714286, rel=1e-14)
    assert q.nox_of_mass(one(120), 16) == 200.0


def test_mass_flow() -> None:
    assert q.kilograms_per_hour(one(180), 250_000) == 45.0
    assert q.grams_per_second(one(180), 250_000) == 12.5
    assert q.tonnes(one(45.0), 24) == 1.08


def test_american_masses() -> None:
    so2 = q.pounds_per_hour(one(412.3), 28_450_000, q.SO2_POUNDS)
    assert round_decimals(so2, 1) == 1947.2
    assert q.pounds_per_hour(one(43.2), 5780 * 60, q.NOX_POUNDS) == pytest.approx(1.788822144)
    rate = q.pounds_per_heat(one(45.3), 14.2, q.NOX_POUNDS, 8710)
    assert round_decimals(rate, 3) == 0.147
    rate = q.pounds_per_heat(one(43.2), 4.2, q.NOX_POUNDS, 8991)
    assert rate == pytest.approx(0.05803979719473054, rel=1e-14)


@pytest.mark.parametrize(
    ("span", "reference", "measured", "error", "passed", "by_difference"),
    [
        (200, 120, 124.0, 2.0, True, False),
        (200, 120, 131.0, 5.5, False, False),
        (40, 30, 33.5, 8.8, True, True),
    ],
)
def test_daily_calibrations(  # noqa: PLR0917 - a row of the table
    span: float,
    reference: float,
    measured: float,
    error: float,
    passed: bool,  # noqa: FBT001
    by_difference: bool,  # noqa: FBT001
) -> None:
    found = daily_calibration(reference, measured, span)
    assert (found.error, found.passed, found.by_difference) == (error, passed, by_difference)
    assert found.difference == abs(reference - measured)


@pytest.mark.parametrize(
    ("measured", "reference", "error"),
    [([33.3, 33.1, 33.1], 33.4, 0.7), ([15.1, 15.0, 15.0], 15.3, 1.7)],
)
def test_linearity(measured: list[float], reference: float, error: float) -> None:
    assert linearity_error(np.array(measured), reference) == error


def test_relative_accuracy_of_nine_runs() -> None:
    reference = np.array([101.2, 99.8, 103.5, 100.1, 98.7, 102.3, 104.0, 101.9, 100.5])
    measured = np.array([98.4, 97.9, 100.2, 98.3, 96.0, 99.1, 101.7, 98.8, 97.6])
    found = relative_accuracy(reference, measured, 2.306)
    assert found.mean_difference == pytest.approx(2.6667, abs=5e-5)
    assert found.deviation == pytest.approx(0.55, abs=5e-5)
    assert found.confidence == pytest.approx(0.4228, abs=5e-5)
    assert (found.accuracy, found.bias_factor) == (3.05, 1.027)
    with pytest.raises(ValueError, match="two or more"):
        relative_accuracy(reference[:1], measured[:1], 2.306)


def test_availability() -> None:
    assert monitor_availability(8000, 8200) == 97.6


def test_a_calibration_function_of_fifteen_pairs() -> None:
    signal = np.array(
        [4.9, 5.6, 6.1, 6.6, 7.2, 7.7, 8.3, 8.8, 9.4, 10.0, 10.5, 11.1, 11.7, 12.2, 12.8]
    )
    reference = np.array(
        [18.2, 35.9, 51.0, 66.2, 84.5, 100.9, 117.3, 134.2, 151.1, 170.3, 185.2, 202.8, 222.0,
         236.1, 256.4]
    )  # fmt: skip
    line = calibration_function(signal, reference)
    assert line.slope == pytest.approx(30.31537, abs=5e-6)
    assert line.intercept == pytest.approx(-133.1209, abs=5e-5)
    assert line.deviation == pytest.approx(1.0599, abs=5e-5)
    sigma = allowed_deviation(200, 0.20)
    assert sigma == pytest.approx(20.4082, abs=5e-5)
    assert variability_passes(line.deviation, sigma, 15)
    assert not variability_passes(20.0, sigma, 15)
    with pytest.raises(ValueError, match="three or more"):
        calibration_function(signal[:2], reference[:2])


def test_validated_means() -> None:
    hours = np.array([180.0, 210.0, 250.0, 30.0])
    assert validated(hours, of_limit(200, 0.2)).tolist() == [140, 170, 210, 0]
    assert validated(hours, of_value(hours, 200, 0.2)).tolist() == [144, 170, 210, 24]
    assert np.isnan(validated(one(np.nan), 40.0)).all()


@pytest.mark.parametrize(
    ("total", "share", "most"), [(8760, "0.95", 438), (17520, "0.97", 525), (0, "0.95", 0)]
)
def test_shares_of_a_year(total: int, share: str, most: int) -> None:
    counts = np.array([most, most + 1])
    assert complies(counts, np.array([total]), Fraction(share)).tolist() == [True, False]
    assert left(counts, np.array([total]), Fraction(share)).tolist() == [0, -1]


def test_the_order_of_averaging_and_normalising_matters() -> None:
    values, oxygen = np.array([100.0, 200.0]), np.array([5.0, 15.0])
    assert c.to_reference_oxygen(values, oxygen, 6).mean() == 296.875
    first = c.to_reference_oxygen(one(values.mean()), oxygen.mean(), 6)
    assert first == pytest.approx(204.54545454545453, rel=1e-14)
