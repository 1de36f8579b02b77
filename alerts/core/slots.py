"""Slots: sums and counts of a channel's valid readings over equal stretches of time.

A rolling mean is made of the slots of its window, so that a reading is added once and no running
difference drifts. Sums are added strictly in time order, the slots of a window from the oldest to
the newest, everywhere in the same way: results agree bit for bit whatever the batches were.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from alerts.core.ring import Ring
from alerts.core.vocabulary import HOUR, LONG_STEP, MINUTE

__all__ = ["Ring", "granule_for", "group_for", "rolling", "slot_sums", "step_for"]

Sums = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]


def step_for(window: int) -> int:
    """Return how far apart the evaluations of a window are: a minute, beyond 1 h 20 minutes."""
    return MINUTE if window <= HOUR else LONG_STEP


def granule_for(window: int, period: int, grid: int = LONG_STEP) -> int:
    """Return the slot length that windows of ``window`` and ``period`` slots can be made of.

    It is the evaluation's step wherever that works, else (a period of 45 s or of 7 min, a window
    of 90 s) the longest that divides step, period and window. Beyond an hour ``zones.grid`` of the
    reporting zone takes the step's place, so that its days are made of whole slots. All in
    microseconds.
    """
    step = MINUTE if window <= HOUR else grid
    if window % step == 0 and (step % period == 0 or period % step == 0):
        return step
    return gcd(step, period, window)


def group_for(period: int, granule: int) -> int:
    """Return how many slots make one period, 1 where a slot holds one period or more."""
    return max(1, period // granule)


def slot_sums(  # noqa: PLR0913, PLR0917 - the readings and the grid, three figures each
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    period: int,
    granule: int,
    first: int,
    n: int,
) -> Sums:
    """Return (total, samples, filled) of ``n`` slots of one channel.

    ``time`` (ascending, int64 microseconds) and ``value`` are its valid readings; those outside
    the slots are left out. Slot i covers first + i x granule <= time < first + (i + 1) x granule.
    ``filled`` is the number of ``period`` slots that have a value; where a period is longer than
    the granule, it is 1 for a slot with any value. Periods are counted from ``first``.
    """
    begin, end = np.searchsorted(time, [first, first + n * granule])
    since, value = time[begin:end] - first, value[begin:end]
    slot = since // granule
    # Adds in the order of time.
    total = np.bincount(slot, value, n).astype(np.float64, copy=False)
    samples = np.bincount(slot, minlength=n).astype(np.int32)
    least = min(period, granule)
    part = slot if least == granule else since // least
    fresh = np.diff(part, prepend=-1) != 0
    if fresh.all():
        return total, samples, samples
    return total, samples, np.bincount(slot[fresh], minlength=n).astype(np.int32)


def rolling(
    total: NDArray[np.float64],
    samples: NDArray[np.int32],
    filled: NDArray[np.int32],
    k: int,
    group: int = 1,
) -> Sums:
    """Return (total, samples, count) of every run of ``k`` adjoining slots, along axis 0.

    Row j covers slots j to j + k - 1 and equals what ``Ring.window`` says of them, bit for bit;
    T slots make T - k + 1 rows, none when T < k. ``count`` is the number of periods with a value:
    the sum of ``filled``, or with ``group`` > 1 (slots to a period) the number of groups, from the
    window's start on and the last one maybe cut short, with any sample.
    """
    rows = max(0, total.shape[0] - k + 1)
    sums = np.zeros((rows, *total.shape[1:]))
    for j in range(k):
        sums += total[j : j + rows]
    numbers = _counts(samples, k, rows)
    if group == 1:
        return sums, numbers, numbers if filled is samples else _counts(filled, k, rows)
    counts = np.zeros_like(numbers)
    anything = np.zeros_like(numbers, dtype=np.bool_)
    for j in range(k):
        anything |= samples[j : j + rows] > 0
        if j % group == group - 1 or j == k - 1:
            counts += anything
            anything[...] = False
    return sums, numbers, counts


def _counts(numbers: NDArray[np.int32], k: int, rows: int) -> NDArray[np.int32]:
    """Return the sum of every run of ``k`` numbers: of integers a running difference is exact."""
    if rows <= 1:
        whole: NDArray[np.int32] = numbers[:k].sum(axis=0, dtype=np.int32, keepdims=True)
        return whole[:rows]
    upto = np.cumsum(numbers, axis=0, dtype=np.int32)
    counts: NDArray[np.int32] = upto[k - 1 :].copy()
    counts[1:] -= upto[: rows - 1]
    return counts
