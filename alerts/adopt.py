"""A changed registry: the board carried over, and what is to be judged again because of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from alerts.board import Board
from alerts.core.limits import Limits
from alerts.core.vocabulary import NEVER
from alerts.deriving import with_derived

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.ring import Ring
    from alerts.layout import Layout


def carry_over(old: Board, layout: Layout) -> Board:
    """Return a board for a new layout with everything of the old one that still holds.

    Channels whose period or zone changed, or that need slots they did not have, become cold: they
    are read back from the database when they are next judged. Where the layouts say the same the
    old board itself goes on.
    """
    if old.layout.says_the_same_as(layout):
        old.layout = layout
        return old
    new = Board(layout)
    n = min(old.layout.channels, layout.channels)
    for name in ("evaluated", "newest", "received", "cold"):
        getattr(new, name)[:n] = getattr(old, name)[:n]
    zones = np.array([*old.layout.zones, *layout.zones], object)
    was = zones[old.layout.zone[:n]]
    now = zones[layout.zone[:n] + len(old.layout.zones)]
    changed = (old.layout.period[:n] != layout.period[:n]) | (was != now)
    for granule, ring in new.rings.items():
        changed |= _copy_ring(old, new, granule, ring, n)
    new.cold[:n] |= changed & (new.newest[:n] != NEVER)
    _copy_machines(old, new)
    _derive_anew(old, new)
    return new


def _derive_anew(old: Board, new: Board) -> None:
    """Make derived channels cold that are new, or computed otherwise than before."""
    before, now = old.layout.derived, new.layout.derived
    channels = np.append(now.selects.channel, now.chains.channel)
    anew = channels[~now.same_as(before, channels)]
    new.newest[anew] = with_derived(now, new.newest)[anew]
    new.cold[anew] = new.newest[anew] != NEVER


def _copy_ring(old: Board, new: Board, granule: int, ring: Ring, n: int) -> NDArray[np.bool_]:
    """Copy the slots of channels that have them in both; return which lack them in the old."""
    to = new.rows[granule][:n]
    came_from = old.rows.get(granule, np.full(n, -1, np.int32))[:n]
    both = (to >= 0) & (came_from >= 0)
    source = old.rings.get(granule)
    if source is None or source.size != ring.size:
        return to >= 0
    if both.any():
        for name in ("total", "samples", "filled"):
            slots = getattr(source, name)
            wider = getattr(ring, name).astype(slots.dtype)
            wider[:, to[both]] = slots[:, came_from[both]]
            setattr(ring, name, wider)
        for name in ("head", "last_period"):
            getattr(ring, name)[to[both]] = getattr(source, name)[came_from[both]]
    return (to >= 0) & (came_from < 0)


def _copy_machines(old: Board, new: Board) -> None:
    numbers = new.layout.limit_number
    place = np.searchsorted(old.layout.limit_number, numbers)
    place = np.minimum(place, max(len(old.layout.limit_number) - 1, 0))
    if len(old.layout.limit_number):
        same = np.flatnonzero(old.layout.limit_number[place] == numbers)
        new.machine.put(same, old.machine.take(place[same]))


def changed_since(old: Limits, new: Limits) -> dict[int, int]:
    """Return by channel the time from which windows are judged otherwise than before.

    A new, changed or vanished version counts from its ``valid_after``; one that merely ends
    otherwise (a successor came) from the earlier of the two ends.
    """
    was, now = _keys(old), _keys(new)
    _, before, after = np.intersect1d(was, now, assume_unique=True, return_indices=True)
    gone, come = np.setdiff1d(np.arange(len(was)), before), np.setdiff1d(np.arange(len(now)), after)
    other = np.zeros(len(before), np.bool_)
    for one in fields(Limits):
        if one.name != "valid_until":
            other |= getattr(old, one.name)[before] != getattr(new, one.name)[after]
    ends = np.minimum(old.valid_until[before], new.valid_until[after])
    moved = ~other & (old.valid_until[before] != new.valid_until[after])
    channels = (
        *(old.channel[gone], new.channel[come]),
        *(old.channel[before[other]], old.channel[before[moved]]),
    )
    starts = (
        *(old.valid_after[gone], new.valid_after[come]),
        *(old.valid_after[before[other]], ends[moved]),
    )
    return _earliest(np.concatenate(channels), np.concatenate(starts))


def _keys(limits: Limits) -> NDArray[np.int64]:
    """Return limit and version as one number."""
    return (limits.limit.astype(np.int64) << 32) | limits.version


def _earliest(channel: NDArray[np.int32], start: NDArray[np.int64]) -> dict[int, int]:
    """Return the earliest start of each channel."""
    order = np.lexsort((start, channel))
    channel, start = channel[order], start[order]
    first = np.flatnonzero(np.diff(channel, prepend=-1))
    return dict(zip(channel[first].tolist(), start[first].tolist(), strict=True))
