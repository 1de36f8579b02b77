"""Unbroken runs of evaluations that meet a condition of the alert machine, of many limits at once.

A spell is a run, cut where another version of its limit begins, since versions may differ in how
long a run must last. Everything here is found from the edges of runs: one look at each evaluation,
and the rest is of the size of what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.machine import Comparison

    Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Evaluations:
    """N evaluations of limits in force, all assessed: stretch after stretch, in order of time.

    ``at`` (N,) int64 microseconds, ``mean`` (N,), and how they stand to their thresholds.
    A stretch (S of them) is the time through which one limit was in force: ``limit`` (S,) ascends,
    each limit has one at least; ``first`` (S + 1,) are the rows, none maybe, with which stretches
    begin, and N. ``lapse`` (S,) is the evaluation that found the limit no longer in force, NEVER
    where it still is: the last stretch of a limit alone.
    ``piece`` (P,): the rows with which stretches and versions begin, ascending; ``opening`` and
    ``clearing`` (P,): how many evaluations in a row a version asks for.
    """

    at: NDArray[np.int64]
    mean: NDArray[np.float64]
    now: Comparison
    limit: Rows
    first: Rows
    lapse: NDArray[np.int64]
    piece: Rows
    opening: NDArray[np.int64]
    clearing: NDArray[np.int64]

    @property
    def carrying(self) -> Rows:
        """Return the first stretch of each limit, which goes on from what was before."""
        return np.flatnonzero(np.diff(self.limit, prepend=-1))

    def stretch(self, rows: Rows) -> Rows:
        """Return the stretches that rows are in."""
        return np.searchsorted(self.first[:-1], rows, side="right") - 1


@dataclass(frozen=True, slots=True)
class Spells:
    """Rows ``start`` to before ``end``, of a run that began at row ``begin``, all (K,).

    ``begin`` lies before the stretch's first row by what was ``carried`` into it, (S,).
    """

    start: Rows
    end: Rows
    begin: Rows
    carried: NDArray[np.int32]

    def lasted(self, given: Evaluations, needed: NDArray[np.int64]) -> tuple[Rows, Rows]:
        """Return the first row of each spell at which its run has lasted; and the run's begin."""
        piece = np.searchsorted(given.piece, self.start, side="right") - 1
        row = np.maximum(self.start, self.begin + needed[piece] - 1)
        found = row < self.end
        return row[found], self.begin[found]

    def at_the_end(self, given: Evaluations) -> Rows:
        """Return how long the run is that goes on at the end of each stretch, (S,)."""
        length = np.where(given.first[:-1] == given.first[1:], self.carried, 0)
        if not len(self.start):
            return length
        stretch = given.stretch(self.start)
        last = given.first[stretch + 1] == self.end
        length[stretch[last]] = (self.end - self.begin)[last]
        return length


def spells(given: Evaluations, condition: NDArray[np.bool_], carried: NDArray[np.int32]) -> Spells:
    """Return the spells of a condition (N,); ``carried`` (S,): runs that stretches begin with."""
    n = len(condition)
    if not condition.any():
        nothing = np.zeros(0, np.intp)
        return Spells(nothing, nothing, nothing, carried)
    cut = np.zeros(n + 1, np.bool_)
    cut[given.piece] = True
    cut[0] = cut[n] = True
    np.logical_or(cut[1:-1], condition[1:] != condition[:-1], out=cut[1:-1])
    edges = np.flatnonzero(cut)
    holds = condition[edges[:-1]]
    start, end = edges[:-1][holds], edges[1:][holds]
    stretch = given.stretch(start)
    leads = given.first[stretch] == start
    goes_on = ~leads
    goes_on[0:1] = False
    goes_on[1:] &= start[1:] == end[:-1]
    owner = np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(start))))
    begin = start - np.where(leads, carried[stretch], 0)
    return Spells(start, end, begin[owner], carried)
