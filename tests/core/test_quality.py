"""Checks of an AMS and validated averages, beyond the published figures."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alerts.core import quality
from alerts.core.shares import complies, left
from alerts.core.validated import of_limit, of_value, validated

HOURS = np.array([180.0, 210.0, 250.0, 30.0])


def test_the_uncertainty_of_the_value_is_capped_by_that_of_the_limit() -> None:
    assert validated(HOURS, of_value(HOURS, 200, 0.2)).tolist() == [144, 170, 210, 24]


def test_no_mean_has_no_validated_one() -> None:
    assert np.isnan(validated(np.array([np.nan]), of_limit(200, 0.2))).all()


@pytest.mark.parametrize(
    ("total", "share", "most"), [(8760, "0.95", 438), (17520, "0.97", 525), (0, "0.95", 0)]
)
def test_how_many_of_a_year_are_left(total: int, share: str, most: int) -> None:
    counts = np.array([most, most + 1])
    assert complies(counts, np.array([total]), Fraction(share)).tolist() == [True, False]
    assert left(counts, np.array([total]), Fraction(share)).tolist() == [0, -1]


def test_too_few_runs_are_no_check() -> None:
    few = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="two or more"):
        quality.relative_accuracy(few[:1], few[:1], 2.306)
    with pytest.raises(ValueError, match="two or more"):
        quality.relative_accuracy(few, few[:1], 2.306)
    with pytest.raises(ValueError, match="three or more"):
        quality.calibration_function(few, few)


def test_a_calibration_that_scatters_fails() -> None:
    assert not quality.variability_passes(20.0, quality.allowed_deviation(200, 0.20), 15)
    with pytest.raises(KeyError):
        quality.variability_passes(1.0, 20.0, 14)


@pytest.mark.parametrize(
    ("span", "difference", "passed"),
    [(50, 5.0, True), (50, 5.1, False), (200, 10.0, True), (201, 10.0, True), (201, 10.2, False)],
)
def test_a_few_ppm_of_a_small_span(span: float, difference: float, passed: bool) -> None:  # noqa: FBT001
    found = quality.daily_calibration(30.0, 30.0 + difference, span)
    assert found.passed is passed


def test_an_ams_that_reads_higher_is_not_corrected_downwards() -> None:
    reference = np.array([100.0, 101.0, 99.0])
    found = quality.relative_accuracy(reference, reference + 5, 4.303)
    assert (found.mean_difference, found.bias_factor) == (-5.0, 1.0)
