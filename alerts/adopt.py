"""A changed registry: the board carried over, and what is to be judged again because of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from alerts.board import Board
from alerts.core.limits import Limits
from alerts.core.versions import Versions, changed, earlier_of
from alerts.core.vocabulary import FOREVER, NEVER
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
    other = (old.layout.period[:n] != layout.period[:n]) | (was != now)
    for granule, ring in new.rings.items():
        other |= _copy_ring(old, new, granule, ring, n)
    new.cold[:n] |= other & (new.newest[:n] != NEVER)
    _copy_machines(old, new)
    _derive_anew(old, new)
    return new


def _derive_anew(old: Board, new: Board) -> None:
    """Make derived channels cold that are new, or computed otherwise than before."""
    now = new.layout.derived
    otherwise = np.array(sorted(now.changed_since(old.layout.derived)), np.int32)
    derived = np.append(now.selects.channel, now.chains.channel)
    anew = np.intersect1d(otherwise, derived)
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


def changed_since(old: Layout, new: Layout) -> dict[int, int]:
    """Return by channel the time from which windows are judged otherwise than before.

    Because a limit is another, or the recipe of what it judges.
    """
    limits = limits_since(old.versions, new.versions)
    return _judged_since(new, limits, new.derived.changed_since(old.derived))


def limits_since(old: Limits, new: Limits) -> dict[int, int]:
    """Return by channel the time from which its limits judge otherwise than before."""

    def differ(before: NDArray[np.intp], after: NDArray[np.intp]) -> NDArray[np.bool_]:
        other = np.zeros(len(before), np.bool_)
        for one in fields(Limits):
            if one.name != "valid_until":
                other |= getattr(old, one.name)[before] != getattr(new, one.name)[after]
        return other

    return changed(_versions(old), _versions(new), differ)


def not_judged_by(layout: Layout, version: int) -> dict[int, int]:
    """Return by channel the time from which registries later than ``version`` judge it."""
    limits = _versions(layout.versions).after(version)
    return _judged_since(layout, limits, layout.derived.after(version))


def _judged_since(
    layout: Layout, limits: dict[int, int], recipes: dict[int, int]
) -> dict[int, int]:
    """Return by channel from when on changed limits and recipes judge it.

    What is derived for the first time is judged for the sake of its limits, selected channels for
    that of the limits of the chains that are made of them.
    """
    dated = {channel: start for channel, start in recipes.items() if start != NEVER}
    members = list(layout.derived.selected_members())
    if not members:
        return earlier_of(limits, dated)
    begins: dict[int, int] = {}
    limited = _versions(layout.versions).after(NEVER)
    for member, chain in members:
        begin = limited.get(chain, FOREVER)
        if recipes.get(member) == NEVER or limits.get(chain, FOREVER) <= begin < FOREVER:
            begins[member] = min(begin, begins.get(member, FOREVER))
    return earlier_of(limits, dated, begins)


def _versions(limits: Limits) -> Versions:
    return Versions(
        limits.limit, limits.version, limits.channel, limits.valid_after, limits.valid_until
    )
