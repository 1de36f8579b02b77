"""Whether a block mean that an operator reports agrees with ours, and the course of disagreement.

A rule of this server and of no standard: what both took from the same signal should be the same
but for sampling and rounding, so that a larger difference shows another formula, another gas state
or another choice of valid values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.episodes import Change, Episode
from alerts.core.rounding import round_significant
from alerts.core.vocabulary import Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 0.01  # of the channel's range: below it a mean is as good as zero


def tolerance(
    ours: NDArray[np.float64],
    share: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return by how much a reported mean may differ from ``ours``, in the channel's unit.

    ``share`` of the larger of our mean and 1 % of the channel's range [low, high]; a range that is
    open has no share. Parallel arrays; NaN where ours is NaN.
    """
    width = np.subtract(high, low)
    floor = np.where(np.isfinite(width), FLOOR * width, 0.0)
    return round_significant(share * np.maximum(np.abs(ours), floor))


def difference(reported: NDArray[np.float64], ours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reported less ours, rounded like means are; NaN where either is."""
    return round_significant(np.subtract(reported, ours))


def course(
    at: NDArray[np.int64],
    apart: NDArray[np.float64],
    disagrees: NDArray[np.bool_],
    running: Episode | None = None,
) -> list[Episode]:
    """Return the episodes of disagreement of one channel and window, oldest first.

    One opens at the end of the first block that disagrees and is over at that of the first one
    that agrees; blocks that cannot be compared are not among the rows. ``at`` are ends of blocks,
    ascending, ``apart`` the magnitudes of the differences. ``running`` goes on: it is the first.
    """
    found = [running] if running else []
    current = running
    for moment, value, apart_here in zip(
        at.tolist(), apart.tolist(), disagrees.tolist(), strict=True
    ):
        if current is not None:
            current.value = value
            if apart_here and value > current.peak:
                current.peak, current.peak_at = value, moment
            elif not apart_here:
                current.resolved_at = moment
                current.changes.append(Change(moment, "resolved", Severity.WARNING, value))
                current = None
        elif apart_here:
            current = _opened(moment, value)
            found.append(current)
    return found


def _opened(at: int, value: float) -> Episode:
    return Episode(
        opened_at=at,
        confirmed=True,
        resolved_at=None,
        severity=Severity.WARNING,
        worst=Severity.WARNING,
        peak=value,
        peak_at=at,
        value=value,
        changes=[Change(at, "open", Severity.WARNING, value)],
    )
