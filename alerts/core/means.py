"""Means, their coverage, and what a block mean is judged to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alerts.core.rounding import round_significant
from alerts.core.vocabulary import Judgement

IntArray = NDArray[np.int64] | NDArray[np.int32]


def mean(total: NDArray[np.float64], samples: IntArray) -> NDArray[np.float64]:
    """Return total / samples, half away from zero to 9 significant digits; NaN without samples.

    ``total`` is the sum of all valid values of a window, in the channel's unit of measure;
    ``samples`` is how many they are.
    """
    quotient = np.full(np.shape(total), np.nan)
    np.divide(total, samples, out=quotient, where=samples > 0)
    return round_significant(quotient)


def assessable(
    count: IntArray,
    expected: IntArray | int,
    numerator: IntArray | int,
    denominator: IntArray | int,
) -> NDArray[np.bool_]:
    """Tell where count / expected reaches the coverage numerator / denominator, exactly.

    ``count`` is the number of period slots with a valid value, ``expected`` of all the window's
    slots. A window without any value is never assessable, whatever the coverage asked for.
    """
    have = count.astype(np.int64) * denominator
    need = np.multiply(expected, numerator, dtype=np.int64)
    return (have >= need) & (count > 0)


def judge(  # noqa: PLR0913, PLR0917 - the six figures that a judgement rests on
    mean: NDArray[np.float64],
    count: IntArray,
    expected: IntArray | int,
    value: NDArray[np.float64] | float,
    numerator: IntArray | int,
    denominator: IntArray | int,
) -> NDArray[np.int8]:
    """Judge block means (already rounded) against limits: a ``Judgement`` for each, as int8.

    Too little valid data, or a mean of NaN, is ``NOT_ASSESSABLE``; a mean strictly above the limit
    ``EXCEEDED``; any other ``COMPLIANT``.
    """
    enough = assessable(count, expected, numerator, denominator) & ~np.isnan(mean)
    verdict = np.where(mean > value, Judgement.EXCEEDED, Judgement.COMPLIANT)
    return np.where(enough, verdict, Judgement.NOT_ASSESSABLE).astype(np.int8)
