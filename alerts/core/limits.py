"""Permit limits as arrays: one row for each version of each limit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, LONG_STEP, MINUTE, NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Limits:
    """Versions of permit limits, sorted by (limit, version); parallel arrays of length L.

    A version applies to windows that end after ``valid_after`` and not after ``valid_until``
    (int64 microseconds). Values are in the channel's own unit of measure. Thresholds are decimal
    products of the registry's figures (``warn`` = warn_at x value, ``clear_exceedance`` = clear_at
    x value, ``clear_warning`` = clear_at x warn_at x value), rounded like means are. Coverage is
    the exact fraction ``coverage_numerator`` / ``coverage_denominator``. ``legal``: its blocks are
    judged here; of a rule set's conditions only the rolling means are followed.
    """

    limit: NDArray[np.int32]
    version: NDArray[np.int32]
    channel: NDArray[np.int32]
    window: NDArray[np.int64]
    valid_after: NDArray[np.int64]
    valid_until: NDArray[np.int64]
    value: NDArray[np.float64]
    warn: NDArray[np.float64]
    clear_exceedance: NDArray[np.float64]
    clear_warning: NDArray[np.float64]
    coverage_numerator: NDArray[np.int64]
    coverage_denominator: NDArray[np.int64]
    open_after: NDArray[np.int64]
    clear_after: NDArray[np.int64]
    legal: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many limit versions there are."""
        return len(self.limit)

    def take(self, rows: NDArray[np.intp]) -> Limits:
        """Return some rows."""
        return Limits(*(getattr(self, one.name)[rows] for one in fields(self)))

    def lapses(self) -> NDArray[np.int64]:
        """Return the first M after each version, NEVER where its limit is still in force then."""
        step = np.where(self.window <= HOUR, MINUTE, LONG_STEP)
        at = self.valid_until // step * step + step
        followed = np.zeros(len(self), np.bool_)
        followed[:-1] = (self.limit[1:] == self.limit[:-1]) & (self.valid_after[1:] < at[:-1])
        return np.where(followed, NEVER, at)
