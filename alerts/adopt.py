"""A changed registry: the board carried over, and what is to be judged again because of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from alerts.board import Board
from alerts.core.limits import Limits
from alerts.core.vocabulary import MINUTE, NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.ring import Ring
    from alerts.layout import Layout


def carry_over(old: Board, layout: Layout) -> Board:
    """Return a board for a new layout with everything of the old one that still holds.

    Channels whose period or zone changed, or that need slots they did not have, become cold: they
    are read back from the database when they are next judged.
    """
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
    return new


def _copy_ring(old: Board, new: Board, granule: int, ring: Ring, n: int) -> NDArray[np.bool_]:
    """Copy the slots of channels that have them in both; return which lack them in the old."""
    to = new.rows[granule][:n]
    came_from = old.rows.get(granule, np.full(n, -1, np.int32))[:n]
    both = (to >= 0) & (came_from >= 0)
    if both.any():
        source = old.rings[granule]
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
    """Return by channel the time from which its windows are judged otherwise than before.

    A limit's new or changed version counts from its ``valid_after``, a vanished one from where the
    limit now ends.
    """
    before, after = _table(old), _table(new)
    changed: dict[int, int] = {}
    for row in before.keys() ^ after.keys():
        channel, start = before.get(row) or after[row]
        changed[channel] = min(start, changed.get(channel, start))
    return changed


def _table(limits: Limits) -> dict[tuple[object, ...], tuple[int, int]]:
    columns = [getattr(limits, one.name).tolist() for one in fields(Limits)]
    rows = zip(*columns, strict=True)
    return {
        row: (int(channel), int(start) // MINUTE * MINUTE)
        for row, channel, start in zip(
            rows, limits.channel.tolist(), limits.valid_after.tolist(), strict=True
        )
    }
