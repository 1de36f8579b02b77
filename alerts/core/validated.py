"""Validated averages: what a mean is after its uncertainty was subtracted, never below zero.

Which amount is subtracted differs by rule set: a share of the limit (``of_limit``), the same share
of the measured value but no more than of the limit (``of_value``), or the uncertainty that the
calibration determined (then it is given). Raw and validated means are kept side by side.

Sources: Directive 2000/76/EC, annex III, 3 and 13. BImSchV, annex 4 (the shares); 44. BImSchV,
annex 2 (the calibration's). The cap of ``of_value`` is British practice, not verified in a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from alerts.core.conditions import Floats

# The 95 % confidence interval of a single result must not exceed this share of the limit.
CONFIDENCE_SHARES = {
    "co": 0.10, "so2": 0.20, "nox": 0.20, "dust": 0.30, "toc": 0.30, "hcl": 0.40, "hf": 0.40,
    "ch4": 0.20, "hcho": 0.30, "hg": 0.40, "nh3": 0.40,
}  # fmt: skip


def of_limit(limit: Floats | float, share: float) -> Floats:
    """Return the uncertainty as a fixed share of the limit, in its unit of measure."""
    return np.asarray(limit) * share


def of_value(mean: Floats, limit: Floats | float, share: float) -> Floats:
    """Return the uncertainty as a share of the mean, no more than that share of the limit.

    NaN (no mean) gives NaN.
    """
    return np.minimum(mean * share, of_limit(limit, share))


def validated(mean: Floats, uncertainty: Floats | float) -> Floats:
    """Return means less their uncertainty, at least zero; NaN (no mean) gives NaN."""
    return np.maximum(mean - uncertainty, 0.0)
