"""Versions of what a registry says: from when on two registries say otherwise of a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of limits or recipes: parallel arrays, each (``number``, ``version``) once.

    One applies to windows of ``channel`` that end after ``since`` and not after ``until`` (us).
    """

    number: NDArray[np.int32]
    version: NDArray[np.int32]
    channel: NDArray[np.int32]
    since: NDArray[np.int64]
    until: NDArray[np.int64]

    def after(self, version: int) -> dict[int, int]:
        """Return by channel the time from which versions later than ``version`` apply."""
        later = self.version > version
        return _earliest(self.channel[later], self.since[later])

    @property
    def keys(self) -> NDArray[np.int64]:
        """Number and version as one number."""
        return (self.number.astype(np.int64) << 32) | self.version


def changed(
    old: Versions,
    new: Versions,
    differ: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]],
) -> dict[int, int]:
    """Return by channel the time from which windows are judged otherwise than before.

    ``differ`` tells of rows of both whether they say otherwise, apart from their ends. A new,
    changed or vanished version counts from its ``since``; one that merely ends otherwise (a
    successor came) from the earlier of the two ends.
    """
    was, now = old.keys, new.keys
    _, before, after = np.intersect1d(was, now, assume_unique=True, return_indices=True)
    gone, come = np.setdiff1d(np.arange(len(was)), before), np.setdiff1d(np.arange(len(now)), after)
    other = differ(before, after)
    ends = np.minimum(old.until[before], new.until[after])
    moved = ~other & (old.until[before] != new.until[after])
    channels = (
        *(old.channel[gone], new.channel[come]),
        *(old.channel[before[other]], old.channel[before[moved]]),
    )
    starts = (
        *(old.since[gone], new.since[come]),
        *(old.since[before[other]], ends[moved]),
    )
    return _earliest(np.concatenate(channels), np.concatenate(starts))


def _earliest(channel: NDArray[np.int32], start: NDArray[np.int64]) -> dict[int, int]:
    """Return the earliest start of each channel."""
    order = np.lexsort((start, channel))
    channel, start = channel[order], start[order]
    first = np.flatnonzero(np.diff(channel, prepend=-1))
    return dict(zip(channel[first].tolist(), start[first].tolist(), strict=True))


def earlier_of(*some: dict[int, int]) -> dict[int, int]:
    """Return the earliest start of each channel that any of ``some`` names."""
    starts: dict[int, int] = {}
    for one in some:
        for channel, start in one.items():
            starts[channel] = min(start, starts.get(channel, start))
    return starts
