"""Block and rolling means of many channels at once, each made from their readings only once.

Time-major: row t is a slot, column c a channel; all channels of a ``Bulk`` share period and zone.
Figures agree bit for bit with those of a ``Track``, which does the same for one channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.means import mean
from alerts.core.slots import Sums, group_for, rolling
from alerts.core.vocabulary import DAY, HOUR
from alerts.core.zones import block_edges, expected_slots
from alerts.rolling import Rolling, lowered
from alerts.track import granule_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Valid:
    """Valid readings of n channels from ``start`` on, by column and time (int64 µs).

    They are for windows that end after ``since``. ``first`` and ``newest`` (n,): each channel's
    first and newest reading, valid or not; NEVER where it has none.
    """

    column: NDArray[np.intp]
    time: Times
    value: NDArray[np.float64]
    first: Times
    newest: Times
    start: int
    since: int

    def later(self, first: int) -> Valid:
        """Leave out what is before ``first``."""
        if first <= self.start:
            return self
        kept = self.time >= first
        column, time, value = self.column[kept], self.time[kept], self.value[kept]
        return Valid(column, time, value, self.first, self.newest, first, self.since)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one window: ``start``, ``finish``, ``expected`` (B,), the rest (B, n)."""

    start: Times
    finish: Times
    expected: NDArray[np.int32]
    mean: NDArray[np.float64]
    total: NDArray[np.float64]
    samples: NDArray[np.int32]
    count: NDArray[np.int32]


@dataclass(slots=True)
class Bulk:
    """Means of n channels up to ``until``; ``period`` int64 µs, ``zone`` where days begin."""

    valid: Valid
    period: int
    zone: str
    until: int
    _slots: dict[tuple[int, bool], tuple[int, Sums]] = field(default_factory=dict)
    _blocks: dict[int, Blocks] = field(default_factory=dict)
    _rolling: dict[int, Rolling] = field(default_factory=dict)
    _highest: NDArray[np.float64] | None = None

    @property
    def channels(self) -> int:
        """Return n."""
        return len(self.valid.first)

    def slots(self, window: int) -> tuple[int, Sums]:
        """Return where the slots for ``window`` begin; total, samples, filled of each, (S, n)."""
        key = granule_in(self.zone, window, self.period), window > HOUR
        if key not in self._slots:
            # A day may have 25 hours where a zone changes its offset.
            reach = DAY + 4 * HOUR if window > HOUR else 3 * HOUR
            read = self.valid.later((self.valid.since - reach) // HOUR * HOUR)
            self._slots[key] = self._summed(read, key[0])
        return self._slots[key]

    def _summed(self, read: Valid, granule: int) -> tuple[int, Sums]:
        n = self.channels
        first = read.start // granule * granule
        end = max(self.until, int(read.newest.max(initial=self.until))) + 1
        shape = (-(-(end - first) // granule), n)
        since = read.time - first
        slot = since // granule
        at = slot if n == 1 else slot * n + read.column
        size = shape[0] * n
        total = np.bincount(at, read.value, size).astype(np.float64, copy=False).reshape(shape)
        samples: NDArray[np.int32] = np.bincount(at, minlength=size).astype(np.int32).reshape(shape)
        least = min(self.period, granule)
        part = slot if least == granule else since // least
        fresh = np.empty(len(part), np.bool_)
        fresh[:1] = True
        np.not_equal(part[1:], part[:-1], out=fresh[1:])
        if n > 1:
            fresh[1:] |= read.column[1:] != read.column[:-1]
        if fresh.all():
            filled: NDArray[np.int32] = samples
        else:
            filled = np.bincount(at[fresh], minlength=size).astype(np.int32).reshape(shape)
        return first, (total, samples, filled)

    def blocks(self, window: int) -> Blocks:
        """Return the blocks of ``window`` that lie between the readings' start and ``until``."""
        if window not in self._blocks:
            self._blocks[window] = self._added_up(window)
        return self._blocks[window]

    def _added_up(self, window: int) -> Blocks:
        granule = granule_in(self.zone, window, self.period)
        first, slots = self.slots(window)
        start, finish = block_edges(window, self.zone, first, self.until)
        whole = (start >= first) & (finish <= self.until)
        start, finish = start[whole], finish[whole]
        shape = (len(start), self.channels)
        total, samples, count = (
            np.zeros(shape),
            np.zeros(shape, np.int32),
            np.zeros(shape, np.int32),
        )
        lengths = (finish - start) // granule
        group = group_for(self.period, granule)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            at = (start[rows] - first) // granule + np.arange(length)[:, None]
            sums = rolling(slots[0][at], slots[1][at], slots[2][at], length, group)
            total[rows], samples[rows], count[rows] = (part[0] for part in sums)
        expected = expected_slots(start, finish, self.period).astype(np.int32)
        return Blocks(start, finish, expected, mean(total, samples), total, samples, count)

    def may_reach(
        self, columns: NDArray[np.intp] | NDArray[np.int32], low: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell for which of ``columns`` any mean may reach ``low``; parallel arrays.

        Where no single value reaches it, no mean can.
        """
        if self._highest is None:
            self._highest = np.full(self.channels, -np.inf)
            np.maximum.at(self._highest, self.valid.column, self.valid.value)
        may: NDArray[np.bool_] = self._highest[columns] >= lowered(low)
        return may

    def rolling_means(self, window: int, columns: NDArray[np.intp]) -> Rolling:
        """Return the rolling means of ``columns`` (k,), ascending, and maybe of more."""
        known = self._rolling.get(window)
        whole = known is not None and len(known.columns) == self.channels
        if known is None or not (whole or np.isin(columns, known.columns).all()):
            first, slots = self.slots(window)
            if len(columns) < self.channels:
                slots = (slots[0][:, columns], slots[1][:, columns], slots[2][:, columns])
            granule = granule_in(self.zone, window, self.period)
            group = group_for(self.period, granule)
            known = Rolling.of(columns, first, slots, window, granule, group)
            self._rolling[window] = known
        return known
