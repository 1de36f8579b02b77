"""Channels made of the readings of another that have some statuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Selects:
    """Channels made of the readings of ``of`` whose status is a bit of ``statuses``.

    Parallel arrays, sorted by ``of``: a row for each version of each. ``idle``: the value is 0 for
    a plant that is stopped, 1 for one that starts up or shuts down; else it is the reading's own.
    A version is of readings from ``since`` to before ``until`` (us).
    """

    channel: NDArray[np.int32]
    of: NDArray[np.int32]
    statuses: NDArray[np.int64]
    idle: NDArray[np.bool_]
    version: NDArray[np.int32]
    since: NDArray[np.int64]
    until: NDArray[np.int64]

    def values(
        self,
        rows: NDArray[np.intp],
        value: NDArray[np.float64],
        status: NDArray[np.int8],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return values and which of them count, of readings that ``rows`` may select."""
        running = np.where(status == Status.STOPPED, 0.0, 1.0)
        taken = np.where(self.idle[rows], running, value)
        within = (self.statuses[rows] >> status) & 1 == 1
        return taken, within & ~np.isnan(taken)

    def apply(self, rows: NDArray[np.intp], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of ``rows`` are the versions for readings taken at ``time``."""
        applies: NDArray[np.bool_] = (time >= self.since[rows]) & (time < self.until[rows])
        return applies


def no_selects() -> Selects:
    """Return what selects nothing."""
    numbers, times = np.zeros(0, np.int32), np.zeros(0, np.int64)
    return Selects(numbers, numbers, times, np.zeros(0, np.bool_), numbers, times, times)
