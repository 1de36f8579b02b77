"""Checks of an AMS, validity, shares, flags and frames."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from alerts.core import quality
from alerts.core.flags import Course, course_flags, range_flags
from alerts.core.means import assessable, judge
from alerts.core.rounding import thresholds
from alerts.core.shares import complies
from alerts.core.substitution import Method, neighbours, with_deviations
from alerts.core.validated import of_limit, validated
from alerts.core.vocabulary import SECOND, Flag, Judgement
from tests.core.golden import Given, check, rounded
from tests.core.golden.days import validity_of_a_day
from tests.core.hj212 import frame, segment_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@check("C1", "C2", "C4")
def daily_calibration(given: Given) -> Given:
    found = quality.daily_calibration(given["ref"], given["meas"], given["span"])
    passed = "PASSAPS" if found.by_difference else "PASSED"
    result = passed if found.passed else "FAILED"
    return {"CE": found.error, "diff": found.difference, "result": result}


@check("R1")
def relative_accuracy(given: Given) -> dict[str, float]:
    found = quality.relative_accuracy(np.array(given["RM"]), np.array(given["CEM"]), given["t"])
    return {
        "mean_diff": rounded(found.mean_difference, 4),
        "sd": rounded(found.deviation, 4),
        "cc": rounded(found.confidence, 4),
        "RA": found.accuracy,
        "BAF": found.bias_factor,
    }


@check("L_MID", "L_LOW")
def linearity(given: Given) -> dict[str, float]:
    measured = np.array(given["meas"])
    error = quality.linearity_error(measured, given["ref"])
    return {"mean": rounded(measured.mean(), 3), "LE": error}


@check("D1")
def availability(given: Given) -> float:
    return quality.monitor_availability(given["qa"], given["op"])


@check("D2")
def hour_before_and_hour_after(given: Given) -> float:
    value = np.array([[given["before"]], [np.nan], [given["after"]]])
    found = neighbours(value, np.ones_like(value, np.bool_))
    assert found.method[:, 0].tolist() == [Method.MEASURED, Method.NEIGHBOURS, Method.MEASURED]
    return float(found.value[1, 0])


@check("V1")
def less_the_uncertainty(given: Given) -> list[float]:
    return list(validated(np.array(given["h"], np.float64), of_limit(200, 0.20)))


@check("V4")
def hours_of_a_year(given: Given) -> list[bool]:
    return list(complies(np.array(given["exc"]), np.array(given["n"]), Fraction("0.95")))


@check("W1")
def half_hours_of_a_year(given: Given) -> list[bool]:
    return list(complies(np.array(given["exc"]), np.array(given["n"]), Fraction("0.97")))


@check("V5")
def days_up_to_110_percent(given: Given) -> list[bool]:
    limit, _, _ = thresholds(given["elv"], "1.1", "1")
    day, hours = np.array(given["day"]), np.array([24, 24])
    return list(judge(day, hours, 24, limit, 2, 3) == Judgement.COMPLIANT)


@check("K1")
def calibration_function(given: Given) -> Given:
    line = quality.calibration_function(np.array(given["x"]), np.array(given["y"]))
    sigma = quality.allowed_deviation(200, 0.20)
    return {
        "b": rounded(line.slope, 5),
        "a": rounded(line.intercept, 4),
        "sD": rounded(line.deviation, 4),
        "sigma0": rounded(sigma, 4),
        "pass_kv": quality.variability_passes(line.deviation, sigma, len(given["x"])),
    }


@check("A2")
def mean_and_two_deviations(given: Given) -> float:
    return with_deviations(float(given["avg"]), float(given["sd"]))


@check("X_0101", "X_0094")
def chinese_frame(given: str) -> str:
    whole = frame(given.encode("ascii"))
    assert segment_of(whole).decode("ascii") == given
    return f"{whole[:6].decode()}...{whole[-6:-2].decode()}"


@check("I1")
def gross_range(given: list[float | None]) -> list[int]:
    value = np.array(given, np.float64)
    outside = [range_flags(value, *span, np.True_) > 0 for span in ((0, 100), (5, 95))]
    return qartod(value, failed=outside[0], suspect=outside[1])


@check("I3")
def rate_of_change(given: list[float | None]) -> list[int]:
    whole = np.array(given, np.float64)
    value = whole[~np.isnan(whole)]
    each = np.ones(len(value), np.int64)
    period = 60 * SECOND
    course = Course(
        channel=np.zeros(len(value), np.int32),
        time=np.arange(len(value)) * period,
        value=value,
        period=period * each,
        stuck_after=0 * each,
        max_step=np.full(len(value), 0.5 * 60),  # 0.5 a second, in a period
    )
    jump = np.zeros(len(whole), np.bool_)
    jump[~np.isnan(whole)] = course_flags(course) & Flag.JUMP > 0
    return qartod(whole, failed=np.zeros_like(jump), suspect=jump)


def qartod(
    value: NDArray[np.float64], *, failed: NDArray[np.bool_], suspect: NDArray[np.bool_]
) -> list[int]:
    """The flags of QARTOD: 1 good, 3 suspect, 4 fail, 9 missing."""
    return list(np.select([np.isnan(value), failed, suspect], [9, 4, 3], 1))


@check("Q0")
def invalid_parts_of_a_day(given: Given) -> dict[str, list[bool]]:
    rules = {"LCP_invalid_h": (24, 3), "waste_invalid_hh": (48, 5), "DE_invalid_hh": (48, 6)}
    found = [
        [validity_of_a_day(parts, invalid, allowed) for invalid in given[name]]
        for name, (parts, allowed) in rules.items()
    ]
    return {"valid": same(found)}


@check("Q2")
def coverage(given: Given) -> dict[str, list[bool]]:
    rules = {"STA30": (30, "2/3"), "CN_hour": (60, "3/4"), "MRR60": (60, "4/5")}
    found = []
    for name, (slots, text) in rules.items():
        share = Fraction(text)
        counts = np.array(given[name])
        enough = assessable(counts, slots, share.numerator, share.denominator)
        found.append(enough.tolist())
    return {"valid": same(found)}


def same(found: list[list[bool]]) -> list[bool]:
    """What all rules say alike."""
    assert all(row == found[0] for row in found)
    return found[0]
