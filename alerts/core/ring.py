"""The newest slots of all channels, in rings: what rolling means are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alerts.core.order import by_row
from alerts.core.sums import WindowSums
from alerts.core.vocabulary import NEVER

Rows = NDArray[np.int64] | NDArray[np.int32] | slice
Window = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]
Counts = NDArray[np.unsignedinteger]

_ABREAST = 131_072  # rows whose sums are made together: they stay in the processor's cache


@dataclass(slots=True)
class Ring:
    """The newest ``size`` slots of ``granule`` microseconds of ``rows`` channels.

    Arrays are slot-major, (size, rows): granule g lies in slot g % size. ``head`` is the newest
    granule that a row holds (its time // granule), ``last_period`` the number of its newest
    period slot (time // period, or the granule where a period is longer); NEVER where nothing was
    ever added.

    Memory: 10 bytes a slot (8 for the sum, 1 each for the two counts) and 16 a row. A channel with
    64 minute slots and 80 slots of 20 minutes takes 144 x 10 + 2 x 16 = 1,472 bytes. Counts start
    as bytes and widen, the whole ring at once, when one slot outgrows them (more than 255 values).
    """

    granule: int
    size: int
    rows: int
    total: NDArray[np.float64] = field(init=False)
    samples: Counts = field(init=False)
    filled: Counts = field(init=False)
    head: NDArray[np.int64] = field(init=False)
    last_period: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.zeros((self.size, self.rows))
        self.samples = np.zeros((self.size, self.rows), np.uint8)
        self.filled = np.zeros((self.size, self.rows), np.uint8)
        self.head = np.full(self.rows, NEVER)
        self.last_period = np.full(self.rows, NEVER)

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        arrays = (self.total, self.samples, self.filled, self.head, self.last_period)
        return sum(array.nbytes for array in arrays)

    def advance(self, rows: Rows, granule_index: NDArray[np.int64] | int) -> None:
        """Make ``granule_index`` the newest slot of ``rows`` (each once), emptying those passed.

        Rows that are as far already stay as they are.
        """
        numbers = np.arange(self.rows)[rows] if isinstance(rows, slice) else rows
        behind = self.head[rows]
        ahead = np.broadcast_to(granule_index, behind.shape)
        moving = np.flatnonzero(ahead > behind)
        if len(moving) == self.rows and self._advance_all(ahead):
            return
        numbers, behind, ahead = numbers[moving], behind[moving], ahead[moving]
        self.head[numbers] = ahead
        empty = np.maximum(behind, ahead - self.size) + 1
        while len(numbers):
            slot = empty % self.size
            self.total[slot, numbers] = 0.0
            self.samples[slot, numbers] = 0
            self.filled[slot, numbers] = 0
            more = empty < ahead
            numbers, empty, ahead = numbers[more], empty[more] + 1, ahead[more]

    def _advance_all(self, ahead: NDArray[np.int64]) -> bool:
        """Empty whole slots at once where all rows take the same step; False where they do not."""
        behind, to = int(self.head[0]), int(ahead[0])
        if (self.head != behind).any() or (ahead != to).any():
            return False
        for empty in range(max(behind, to - self.size) + 1, to + 1):
            slot = empty % self.size
            self.total[slot], self.samples[slot], self.filled[slot] = 0.0, 0, 0
        self.head[:] = to
        return True

    def add(
        self,
        rows: NDArray[np.int64] | NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        period: NDArray[np.int64] | int,
    ) -> None:
        """Add valid readings: parallel arrays, in any order of rows, each row's times ascending.

        Each must be newer than all that its row was given before and within ``size`` slots of the
        row's newest; what is older than that belongs to ``slot_sums``. ``period`` (microseconds)
        may be one for each reading.
        """
        if not len(rows):
            return
        order = by_row(rows)
        rows, time, value = rows[order], time[order], value[order]
        step = np.minimum(period, self.granule)
        part = time // (step[order] if step.ndim else step)
        granule = time // self.granule
        last = np.flatnonzero(np.diff(rows, append=-1))  # of each row's readings
        self.advance(rows[last], granule[last])
        assert (granule + self.size > self.head[rows]).all(), "a reading older than the ring"  # noqa: S101 - the caller's fault, never a user's

        before = np.empty_like(part)
        before[1:] = part[:-1]
        begin = np.concatenate(([0], last[:-1] + 1))
        before[begin] = self.last_period[rows[begin]]
        self.last_period[rows[last]] = part[last]

        flat = (granule % self.size) * self.rows + rows
        np.add.at(self.total.reshape(-1), flat, value)
        starts = np.flatnonzero(np.diff(flat, prepend=-1))
        self.samples = _added(
            self.samples, flat[starts], np.diff(starts, append=len(flat)).astype(np.int64)
        )
        self.filled = _added(
            self.filled, flat[starts], np.add.reduceat((part != before).astype(np.int64), starts)
        )

    def window(
        self, rows: Rows, end_index: NDArray[np.int64] | int, k: int, group: int = 1
    ) -> Window:
        """Return (total, samples, count) of the ``k`` slots before granule ``end_index``.

        One result a row. Slots beyond a row's head count as empty; the caller sees to it that
        none is older than the ring. ``count`` is the number of periods with a value; ``group`` is
        the number of slots to a period where that is longer than a slot (``group_for``).
        """
        if isinstance(rows, slice) and np.ndim(end_index) == 0:
            return self._window_of_all(rows, int(end_index), k, group)
        if isinstance(rows, slice):
            rows = np.arange(self.rows)[rows]
        head, end = self.head[rows], np.asarray(end_index)
        assert (end - k + self.size > head).all(), "a window older than the ring"  # noqa: S101 - the caller's fault, never a user's
        sums = WindowSums(len(rows), k, group, self.samples.dtype)
        for j in range(k):
            granule = end - k + j
            slot = granule % self.size
            there = granule <= head
            sums.add(
                np.where(there, self.total[slot, rows], 0.0),
                np.where(there, self.samples[slot, rows], 0),
                np.where(there, self.filled[slot, rows], 0),
            )
        return sums.total, sums.samples.astype(np.int32), sums.count.astype(np.int32)

    def _window_of_all(self, rows: slice, end: int, k: int, group: int) -> Window:
        """Do what ``window`` does without copying slots, for adjoining rows and one end."""
        numbers = np.arange(self.rows)[rows]
        head = self.head[rows]
        assert (end - k + self.size > head).all(), "a window older than the ring"  # noqa: S101 - the caller's fault, never a user's
        total, samples, count = np.zeros(len(head)), *np.zeros((2, len(head)), np.int32)
        for begin in range(0, len(head), _ABREAST):
            part = slice(begin, min(begin + _ABREAST, len(head)))
            some = numbers[part]
            cut = slice(some[0], some[-1] + 1)
            sums = WindowSums(len(some), k, group, self.samples.dtype)
            for granule in range(end - k, end):
                slot = granule % self.size
                sums.add(self.total[slot, cut], self.samples[slot, cut], self.filled[slot, cut])
            total[part], samples[part], count[part] = sums.total, sums.samples, sums.count
        stale = np.flatnonzero(head < end - 1)
        if len(stale):
            total[stale], samples[stale], count[stale] = self.window(
                numbers[stale], np.full(len(stale), end), k, group
            )
        return total, samples, count

    def load(  # noqa: PLR0913, PLR0917 - one row's whole state
        self,
        row: int,
        head_index: int,
        total: NDArray[np.float64],
        samples: NDArray[np.int32],
        filled: NDArray[np.int32],
        last_period: int,
    ) -> None:
        """Set a row from adjoining slots, the last of which is granule ``head_index``.

        Slots older than those given are empty; of more than ``size`` the newest count.
        """
        n = min(len(total), self.size)
        slot = np.arange(head_index - n + 1, head_index + 1) % self.size
        self.total[:, row], self.samples[:, row], self.filled[:, row] = 0.0, 0, 0
        flat = slot * self.rows + row
        self.total[slot, row] = total[len(total) - n :]
        self.samples = _added(self.samples, flat, samples[len(samples) - n :].astype(np.int64))
        self.filled = _added(self.filled, flat, filled[len(filled) - n :].astype(np.int64))
        self.head[row], self.last_period[row] = head_index, last_period

    def read(self, row: int, first_index: int, n: int) -> Window:
        """Return copies of a row's ``n`` slots from granule ``first_index`` on, in time order.

        What the ring does not hold, before or after, is empty.
        """
        granule = np.arange(first_index, first_index + n)
        there = (granule <= self.head[row]) & (granule + self.size > self.head[row])
        slot = granule % self.size
        return (
            np.where(there, self.total[slot, row], 0.0),
            np.where(there, self.samples[slot, row], 0).astype(np.int32),
            np.where(there, self.filled[slot, row], 0).astype(np.int32),
        )


def _added(counts: Counts, flat: NDArray[np.int64], more: NDArray[np.int64]) -> Counts:
    """Add ``more`` to distinct places of ``counts``, in wider numbers where they outgrow theirs."""
    sums = counts.reshape(-1)[flat] + more
    while len(sums) and sums.max() > np.iinfo(counts.dtype).max:
        counts = counts.astype(np.uint16 if counts.dtype == np.uint8 else np.uint32)
    counts.reshape(-1)[flat] = sums
    return counts
