"""Published and computed figures (vectors.json), and what works each of them out.

A module of this package enters functions under the ids of the vectors that they are for: each takes
what the vector puts in and returns what it expects. What a source prints rounded is rounded the
same way, all else has to agree to a few units of the last digit of a double.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.rounding import round_decimals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Given = dict[str, Any]

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
}
CHECKS: dict[str, Callable[[Any], Any]] = {}


def check(*ids: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Let a function work out what the vectors ``ids`` expect from what they put in."""

    def enter(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        assert not CHECKS.keys() & set(ids)
        CHECKS.update(dict.fromkeys(ids, function))
        return function

    return enter


def one(value: float) -> NDArray[np.float64]:
    return np.array([value])


def rounded(value: NDArray[np.float64] | float, decimals: int) -> float:
    return float(round_decimals(np.atleast_1d(value), decimals).item())
