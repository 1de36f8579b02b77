"""The newest time known of each channel: what is newer needs no look-up in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = np.iinfo(np.int64).min


class Newest:
    """Newest time (int64 us) by channel number, as of everything decoded so far.

    It is optimistic: what was decoded may yet fail to be committed. A time that is too high is
    always safe, since a reading that is not newer is only looked up; one that is too low is not.
    """

    def __init__(self, times: NDArray[np.int64]) -> None:
        """Take the array as ``storage`` restores it: 0 for a channel without readings."""
        self.times = np.where(times == 0, NONE, times)
        self._row = np.zeros(len(times), np.int64)

    def grow(self, size: int) -> None:
        """Make room for channel numbers below ``size``."""
        more = size - len(self.times)
        if more > 0:
            self.times = np.append(self.times, np.full(more, NONE))
            self._row = np.append(self._row, np.zeros(more, np.int64))

    def saved(self) -> NDArray[np.int64]:
        """Return the times as ``storage`` keeps them: 0 for a channel without readings."""
        return np.where(self.times == NONE, 0, self.times)

    def take(self, channel: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which readings are newer than all before them, and remember their times.

        Readings are in order of receipt; those of one channel must ascend to be all fresh.
        """
        fresh: NDArray[np.bool_] = time > self.times[channel]
        rows = np.arange(len(channel))
        self._row[channel] = rows  # of a channel with several readings, one wins
        if len(rows) and (repeated := self._row[channel] != rows).any():
            self._row[channel[repeated]] = -1
            several = self._row[channel] == -1
            fresh[several] &= _ascending(channel[several], time[several])
        self.times[channel[fresh]] = time[fresh]  # of several, numpy keeps the last: the newest
        return fresh


def _ascending(channel: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which readings are later than every one of their channel before them."""
    order = np.argsort(channel, kind="stable")
    first = np.append(True, np.diff(channel[order]) != 0)
    if (first[1:] | (np.diff(time[order]) > 0)).all():  # nearly always
        return np.ones(len(channel), np.bool_)
    _, rank = np.unique(time[order], return_inverse=True)
    # One running maximum serves all channels when each starts above what the last one reached.
    base = (np.cumsum(first) - 1) * (len(rank) + 1)
    highest = np.maximum.accumulate(rank + base)
    before = np.append(-1, highest[:-1])
    result = np.empty(len(channel), np.bool_)
    result[order] = first | (rank + base > before)
    return result
