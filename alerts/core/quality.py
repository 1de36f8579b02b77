"""Checks of an AMS against references: calibration, linearity, relative accuracy, availability.

One-dimensional float64 arrays of one check's runs. Results are rounded half away from zero to the
decimals that the rules print. Errors are ValueError where a check has too few runs to be one.

Sources: 40 CFR part 75, appendix A, as the EPA's check engine computes it (daily calibration,
linearity, RATA), 75.32 (availability); EN 14181:2014, 6.4 to 6.6 (QAL2; k_v from memory).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.rounding import round_decimals

if TYPE_CHECKING:
    from alerts.core.conditions import Floats

CALIBRATION_LIMIT = 5.0  # % of the span
SMALL_SPANS = ((50.0, 5.0), (200.0, 10.0))  # ppm: up to this span this difference passes as well
K_V = {15: 0.9761}  # of the variability test, by the number of pairs


@dataclass(frozen=True, slots=True)
class Calibration:
    """A daily calibration: error [% of span], difference [ppm], whether it passed and by what."""

    error: float
    difference: float
    passed: bool
    by_difference: bool


@dataclass(frozen=True, slots=True)
class RelativeAccuracy:
    """A relative accuracy test: d, s and cc in the unit of measure, RA in %, bias factor."""

    mean_difference: float
    deviation: float
    confidence: float
    accuracy: float
    bias_factor: float


@dataclass(frozen=True, slots=True)
class CalibrationFunction:
    """y = intercept + slope x of a QAL2, and the standard deviation of its residuals."""

    intercept: float
    slope: float
    deviation: float


def daily_calibration(reference: float, measured: float, span: float) -> Calibration:
    """Judge a daily calibration of SO2 or NOx: 5.0 % of the span, or a few ppm of a small one."""
    difference = abs(reference - measured)
    error = _rounded(100 * difference / span, 1)
    by_error = error <= CALIBRATION_LIMIT
    allowed = next((most for upto, most in SMALL_SPANS if span <= upto), 0.0)
    by_difference = not by_error and _rounded(difference, 1) <= allowed
    return Calibration(error, difference, by_error or by_difference, by_difference)


def linearity_error(measured: Floats, reference: float) -> float:
    """Return |R - mean| / R in %, to one decimal."""
    return _rounded(100 * abs(reference - float(np.mean(measured))) / reference, 1)


def relative_accuracy(reference: Floats, measured: Floats, t: float) -> RelativeAccuracy:
    """Return the outcome of a RATA; ``t`` is Student's t at 97.5 % for the number of runs less one.

    The bias factor is 1 + |d| / mean of the AMS where the mean difference exceeds the confidence
    coefficient, else 1.
    """
    if len(reference) != len(measured) or len(reference) < 2:  # noqa: PLR2004 - for a deviation
        raise ValueError("a relative accuracy test needs two or more pairs of runs")
    differences = reference - measured
    mean, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    confidence = t * deviation / np.sqrt(len(differences))
    accuracy = 100 * (abs(mean) + abs(confidence)) / float(np.mean(reference))
    biased = mean > abs(confidence)
    factor = 1 + abs(mean) / float(np.mean(measured)) if biased else 1.0
    return RelativeAccuracy(
        mean, deviation, float(confidence), _rounded(accuracy, 2), _rounded(factor, 3)
    )


def monitor_availability(quality_hours: float, operating_hours: float) -> float:
    """Return the share of operating hours with quality-assured data in %, to one decimal."""
    return _rounded(100 * quality_hours / operating_hours, 1)


def calibration_function(signal: Floats, reference: Floats) -> CalibrationFunction:
    """Return the straight line through the pairs of a QAL2 (EN 14181, method A).

    ``signal`` is the AMS's, ``reference`` the reference method's, of at least 15 pairs by the
    standard; fewer than 3 raise ValueError.
    """
    if len(signal) != len(reference) or len(signal) < 3:  # noqa: PLR2004 - for a line and its spread
        raise ValueError("a calibration function needs three or more pairs")
    off = signal - np.mean(signal)
    slope = float(np.sum(off * reference) / np.sum(off * off))
    intercept = float(np.mean(reference)) - slope * float(np.mean(signal))
    residuals = reference - (intercept + slope * signal)
    return CalibrationFunction(intercept, slope, float(np.std(residuals, ddof=1)))


def allowed_deviation(limit: float, share: float) -> float:
    """Return sigma_0: the share of the limit that a 95 % interval may take, as a deviation."""
    return limit * share / 1.96


def variability_passes(deviation: float, sigma: float, pairs: int) -> bool:
    """Tell whether a QAL2 passes its variability test: s_D <= sigma_0 x k_v.

    KeyError for a number of pairs whose k_v is not known here.
    """
    return deviation <= sigma * K_V[pairs]


def _rounded(value: float, decimals: int) -> float:
    return float(round_decimals(np.array([value]), decimals)[0])
