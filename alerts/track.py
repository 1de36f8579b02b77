"""One channel's readings summed into slots, from which any window of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.means import mean
from alerts.core.slots import Sums, granule_for, group_for, rolling, slot_sums, step_for
from alerts.core.vocabulary import NEVER
from alerts.core.zones import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.records import Series


@lru_cache(maxsize=4096)  # to look through a zone's offsets takes a millisecond
def granule_in(zone: str, window: int, period: int) -> int:
    """Return the slot length that windows are made of where days begin as in ``zone``."""
    return granule_for(window, period, grid(zone))


@dataclass(frozen=True, slots=True)
class Track:
    """Slots of ``granule`` microseconds from ``first`` on: sums, values and filled periods.

    ``last_period`` is the period slot of the newest valid reading, as a ``Ring`` counts them;
    ``newest`` the time of the newest reading, valid or not. Both NEVER without one.
    """

    granule: int
    period: int
    first: int
    total: NDArray[np.float64]
    samples: NDArray[np.int32]
    filled: NDArray[np.int32]
    last_period: int
    newest: int

    @classmethod
    def of(cls, series: Series, period: int, granule: int, start: int, end: int) -> Track:
        """Sum the series into slots that cover [start, end)."""
        first = start // granule * granule
        slots = max(0, -(-(end - first) // granule))
        time = series.time[series.valid]
        sums = slot_sums(time, series.value[series.valid], period, granule, first, slots)
        last = int(time[-1]) // min(period, granule) if len(time) else NEVER
        newest = int(series.time[-1]) if len(series.time) else NEVER
        return cls(granule, period, first, *sums, last, newest)

    @property
    def _group(self) -> int:
        return group_for(self.period, self.granule)

    def rolling(
        self, start: int, until: int, window: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]:
        """Return (M, mean, count) of the windows [M - window, M) for each M in [start, until]."""
        step = step_for(window)
        at = np.arange(start, until + 1, step, dtype=np.int64)
        if not len(at):
            return at, np.zeros(0), np.zeros(0, np.int32)
        low = (start - window - self.first) // self.granule
        high = (int(at[-1]) - self.first) // self.granule
        cut = slice(low, high)
        sums, samples, count = rolling(
            self.total[cut],
            self.samples[cut],
            self.filled[cut],
            window // self.granule,
            self._group,
        )
        every = slice(None, None, step // self.granule)
        return at, mean(sums[every], samples[every]), count[every]

    def blocks(
        self, start: NDArray[np.int64], finish: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        """Return (total, samples, count) of the blocks [start, finish), each within the track."""
        total = np.zeros(len(start))
        samples = np.zeros(len(start), np.int32)
        count = np.zeros(len(start), np.int32)
        slots = (finish - start) // self.granule
        for length in np.unique(slots):
            rows = np.flatnonzero(slots == length)
            at = (start[rows] - self.first) // self.granule + np.arange(length)[:, None]
            sums = rolling(
                self.total[at], self.samples[at], self.filled[at], int(length), self._group
            )
            total[rows], samples[rows], count[rows] = (part[0] for part in sums)
        return total, samples, count

    def evidence(self, at: int, window: int) -> dict[str, Any]:
        """Return the window [at - window, at): its mean and the mean of each slot in it."""
        low = (at - window - self.first) // self.granule
        high = (at - self.first) // self.granule
        cut = slice(low, high)
        slots = (self.total[cut], self.samples[cut], self.filled[cut])
        return describe(at, window, self.period, self.granule, slots)


def describe(at: int, window: int, period: int, granule: int, slots: Sums) -> dict[str, Any]:
    """Describe the window [at - window, at) of slots for the reader of a notice."""
    total, samples, _ = slots
    sums = rolling(*slots, len(total), group_for(period, granule))
    means = mean(total, samples)
    expected = window // period
    count = int(sums[2][0])
    value = float(mean(sums[0], sums[1])[0])
    return {
        "start": iso(at - window),
        "end": iso(at),
        "mean": None if np.isnan(value) else value,
        "count": count,
        "expected": expected,
        "coverage": count / expected,
        "values": [
            {"time": iso(at - window + int(slot) * granule), "mean": float(means[slot])}
            for slot in np.flatnonzero(samples)
        ],
    }


def iso(moment: int) -> str:
    """Return microseconds since 1970 as RFC 3339 UTC."""
    return str(np.datetime_as_string(np.datetime64(moment, "us"), unit="s")) + "Z"
