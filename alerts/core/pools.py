"""Pools: which short-term averages belong together, and sums over them that do not drift.

A pool is made of bases (short-term averages, blocks of them, operating days), ``back`` of which
are taken together at each step. Sums are added in runs of at most 32, and runs of runs, so that
a year of hours is no more than 96 additions in a row (see ``rounding.round_significant``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.periods import Duration, edges, rolling_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from alerts.core.periods import Instants

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]

_RUN = 32


@dataclass(frozen=True, slots=True)
class Pool:
    """P pools of T rows, each with its ``start`` and ``finish`` (P,), int64 microseconds.

    ``first`` (B,): the row that each base begins with; None: each row is one. ``back``: how many
    bases are taken together. ``operates`` (B, n): only those bases are taken, channel by channel,
    and P is B; None: all, and P is B - back + 1. ``rows`` is T.
    """

    start: Instants
    finish: Instants
    rows: int
    first: Instants | None = None
    back: int = 1
    operates: Flags | None = None

    def sum(self, values: Floats) -> Floats:
        """Return the sums of ``values`` (T, n) over each pool, (P, n)."""
        return self._window(values if self.first is None else _sums(values, self.first), np.add)

    def count(self, which: Flags | Numbers) -> Numbers:
        """Return in how many rows of each pool ``which`` (T, n) is true, or their sum, (P, n)."""
        if self.first is None:
            based = which.astype(np.int32)
        else:
            narrow = which.view(np.uint8) if which.dtype == np.bool_ else which
            based = np.add.reduceat(narrow, self.first, axis=0, dtype=np.int32)
        return self._window(based, np.add)

    def most(self, numbers: Numbers) -> Numbers:
        """Return the highest of ``numbers`` (T, n), at least 0, of each pool, (P, n)."""
        based = numbers if self.first is None else np.maximum.reduceat(numbers, self.first, axis=0)
        return self._window(based, np.maximum)

    def base(self) -> Instants:
        """Return which base each row lies in, (T,)."""
        if self.first is None:
            return np.arange(self.rows)
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=self.rows))

    def rolled(self, based: Floats) -> Floats:
        """Return the sums of figures of the bases (B, n) over each pool, (P, n)."""
        return self._window(based, np.add)

    def ends_with(self, which: Flags) -> Flags:
        """Tell of which pools the last base has a row where ``which`` (T, n) is true, (P, n)."""
        any_row = which if self.first is None else np.logical_or.reduceat(which, self.first, axis=0)
        return any_row if self.operates is not None else any_row[self.back - 1 :]

    def full(self) -> Flags | None:
        """Tell which pools have all their bases, (P, n); None: all of them."""
        if self.operates is None:
            return None
        return self.operates & (np.cumsum(self.operates, axis=0) >= self.back)

    def _window(self, based: NDArray[Any], combine: Callable[..., NDArray[Any]]) -> NDArray[Any]:
        if self.operates is None:
            return _windows(based, self.back, combine)
        # The operating bases of each channel moved together, after as many empty ones as make the
        # first window whole; what operates then is found by its rank.
        order = np.argsort(~self.operates, axis=0, kind="stable")
        packed = np.take_along_axis(based * self.operates, order, axis=0)
        before = np.zeros((self.back - 1, packed.shape[1]), packed.dtype)
        found = _windows(np.concatenate([before, packed]), self.back, combine)
        spread = np.empty_like(found)
        np.put_along_axis(spread, order, found, axis=0)
        return spread * self.operates


def blocks(period: Duration, zone: str, start: Instants, finish: Instants, grid: int = 1) -> Pool:
    """Return the blocks of ``period`` that have any of the rows; a row lies where it starts.

    ``grid``: see ``periods.edges``.
    """
    if not len(start):
        return Pool(start, finish, 0)
    starts, finishes = edges(period, zone, int(start[0]), int(finish[-1]), grid)
    block = np.searchsorted(starts, start, side="right") - 1
    first = np.flatnonzero(np.diff(block, prepend=-1))
    here = block[first]
    if len(first) == len(start):
        return Pool(starts[here], finishes[here], len(start))
    return Pool(starts[here], finishes[here], len(start), first)


def rolling(period: Duration, zone: str, start: Instants, finish: Instants, grid: int = 1) -> Pool:
    """Return the pools of the last ``period`` at the end of each row, day or month.

    Only those that begin with a row. Raises ValueError for a period of up to a day that is no
    whole multiple of the rows.
    """
    step = rolling_step(period)
    if step is None:
        base = Pool(start, finish, len(start))
        length = int(finish[0] - start[0]) if len(start) else period.exact
        back, rest = divmod(period.exact, length)
        if rest:
            raise ValueError(f"expected a multiple of {length} microseconds, not {period.exact}")
    else:
        base = blocks(step, zone, start, finish, grid)
        back = period.days or period.months or period.number
    whole = max(0, len(base.start) - back + 1)
    return Pool(base.start[:whole], base.finish[back - 1 :], base.rows, base.first, back)


def operating_days(back: int, days: Pool, operates: Flags) -> Pool:
    """Return pools of the last ``back`` operating days, one for each of ``days``.

    ``operates`` (D, n). ``start`` is that of the day at the end of which the pool stands; a day
    without operation has an empty one. 40 CFR 60.48Da(b).
    """
    return Pool(days.start, days.finish, days.rows, days.first, back, operates)


def _sums(values: Floats, first: Instants) -> Floats:
    """Return the sums of the rows from each ``first`` to the next, of at least one row each."""
    while True:
        lengths = np.diff(first, append=len(values))
        if lengths.max(initial=0) <= _RUN:
            return np.add.reduceat(values, first, axis=0) if len(first) else values[:0]
        runs = -(-lengths // _RUN)
        begin = np.cumsum(runs) - runs
        within = np.arange(runs.sum()) - np.repeat(begin, runs)
        values = np.add.reduceat(values, np.repeat(first, runs) + _RUN * within, axis=0)
        first = begin


def _windows(based: NDArray[Any], back: int, combine: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Combine every ``back`` adjoining rows, along axis 0: B rows make B - back + 1.

    Windows of 1, 2, 4 … rows are made of two of half the length, and ``back`` of those.
    """
    rows = max(0, len(based) - back + 1)
    level, width, offset = based, 1, 0
    found: NDArray[Any] | None = None
    while rows:
        if back & width:
            piece = level[offset : offset + rows]
            found = piece if found is None else combine(found, piece)
            offset += width
        if 2 * width > back:
            break
        level = combine(level[:-width], level[width:])
        width *= 2
    return based[:0] if found is None else found
