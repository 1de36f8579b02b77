"""Chains of conversions moved on with the board: step by step, once all members are there.

A step of a derived channel is complete when every member was judged up to its end: by a newer
reading, or by the clock. A member that is silent for longer than its windows, or was never heard
of, holds nothing back: without it the value is missing. What comes later touches what was judged
already and is computed anew, like any late reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.chain import Role
from alerts.core.converted import derived
from alerts.core.vocabulary import HOUR, MINUTE, NEVER
from alerts.rounds import FARTHEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.board import Board
    from alerts.core.chain import Chains
    from alerts.core.derived import Derived
    from alerts.core.records import Readings
    from alerts.layout import Layout

FOREVER = np.iinfo(np.int64).max
_ABREAST = 16_384  # chains that are computed together: they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows of ``chains`` that a batch has readings for, from ``first`` to ``last``.

    ``begin`` is the first reading of the main member; ``fresh``: all are newer than what was known.
    """

    row: NDArray[np.intp]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    begin: NDArray[np.int64]
    fresh: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Touched:
        """Return some of them."""
        return Touched(
            self.row[rows], self.first[rows], self.last[rows], self.begin[rows], self.fresh[rows]
        )


def touched(board: Board, readings: Readings) -> Touched:
    """Return the chains that readings are for, once their main member was heard of."""
    layout = board.layout
    chains = layout.derived.chains
    channel, inverse = np.unique(readings.channel, return_inverse=True)
    owner, chain = layout.chains_by_member.of_channels(channel)
    row, place = np.unique(chain, return_inverse=True)
    first, last = _extent(len(channel), inverse, readings.time, readings.time)
    fresh = np.ones(len(channel), np.bool_)
    np.logical_and.at(fresh, inverse, readings.fresh)
    main = chains.member[Role.MAIN, row]
    begin = np.full(len(row), FOREVER)
    is_main = channel[owner] == main[place]
    begin[place[is_main]] = first[owner[is_main]]
    firsts, lasts = _extent(len(row), place, first[owner], last[owner])
    all_fresh = np.ones(len(row), np.bool_)
    np.logical_and.at(all_fresh, place, fresh[owner])
    found = Touched(row.astype(np.intp), firsts, lasts, begin, all_fresh)
    return found.take(board.newest[main] != NEVER)


def _extent(
    n: int, at: NDArray[np.intp], low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, last = np.full(n, FOREVER), np.full(n, NEVER)
    np.minimum.at(first, at, low)
    np.maximum.at(last, at, high)
    return first, last


def begun(board: Board, found: Touched) -> None:
    """Let channels that were never judged begin at the step of their main member's first value."""
    chains = board.layout.derived.chains
    channel = chains.channel[found.row]
    new = (board.evaluated[channel] == NEVER) & ~board.cold[channel] & (found.begin != FOREVER)
    step = chains.step[found.row[new]]
    board.evaluated[channel[new]] = found.begin[new] // step * step


def simple(board: Board, found: Touched, until: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which chains can be moved on to ``until``, step by step, or have no step to go."""
    channel = board.layout.derived.chains.channel[found.row]
    judged = board.evaluated[channel]
    can: NDArray[np.bool_] = (
        ~board.cold[channel]
        & (judged != NEVER)
        & (found.first >= judged)
        & (until - judged <= FARTHEST)
        & ((until <= judged) | in_memory(board, found.row))
    )
    return can


def in_memory(board: Board, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell for which rows of ``chains`` the slots since the last judged step are in memory.

    Of steps of more than an hour they are not: the minutes of all channels are kept for one hour,
    and sums of longer slots, added up in another order, would not be those of a recomputation. Such
    a chain is read from the database once a step, when that is complete.
    """
    chains = board.layout.derived.chains
    ring, member = board.rings.get(MINUTE), chains.member[:, rows]
    if ring is None:
        return np.zeros(len(rows), np.bool_)
    slots = board.rows[MINUTE][member]
    begin = board.evaluated[chains.channel[rows]]
    unread = board.cold[member] & (board.newest[member] >= begin)
    kept = (slots >= 0) & (ring.head[slots] < begin // MINUTE + ring.size) & ~unread
    whole = np.asarray(((member < 0) | kept).all(axis=0), np.bool_)
    return whole & (chains.step[rows] <= HOUR)


def to_read(board: Board, rows: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the members of rows of ``chains`` that are to be read into memory beside them.

    A channel that selects statuses no reading has now would stay unread for long.
    """
    selects = board.layout.derived.selects.channel
    member = np.unique(board.layout.derived.chains.member[:, rows])
    member = member[np.isin(member, selects)]
    return member[board.cold[member]]


def complete_until(
    board: Board, rows: NDArray[np.intp], clock: int | None = None
) -> NDArray[np.int64]:
    """Return where the steps end that are complete, for rows of ``chains``.

    ``clock``: the time up to which the clock decides where nothing more is to be heard of.
    """
    layout = board.layout
    chains = layout.derived.chains
    member = chains.awaited[:, rows]
    evaluated, newest = board.evaluated[member], board.newest[member]
    judged = np.where(evaluated != NEVER, evaluated, newest)
    judged = np.where(member >= 0, judged, NEVER)
    longest = layout.longest[member]
    # One that is not in memory holds nothing back: no clock moves it on, and what it still brings
    # makes its chains be computed anew.
    held = slowest(np.where(board.cold[member], NEVER, judged), newest, longest)
    if clock is None:
        until = np.where(held != FOREVER, held, judged.max(axis=0, initial=NEVER))
    else:
        channel = chains.channel[rows]
        horizon = np.maximum(board.newest[channel], 0) + layout.longest[channel]
        until = np.minimum(np.minimum(held, clock), horizon)
    step = chains.step[rows]
    complete: NDArray[np.int64] = until // step * step
    return complete


def slowest(
    judged: NDArray[np.int64], newest: NDArray[np.int64], longest: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how far the slowest member has come that may still be heard of; shape (chains,).

    ``judged``, ``newest`` (NEVER: none) and ``longest``, the longest window, are of the members,
    shape (roles, chains). ``FOREVER`` where nothing more is to be heard of any.
    """
    horizon = (np.maximum(newest, 0) + longest) // MINUTE * MINUTE
    farthest = judged.max(axis=0, initial=NEVER)
    holding = (judged != NEVER) & (horizon > np.maximum(judged, farthest))
    held: NDArray[np.int64] = np.where(holding, judged, FOREVER).min(axis=0, initial=FOREVER)
    return held


def complete_by_readings(
    layout: Layout, channels: NDArray[np.int32], newest: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return where the steps of derived channels end that readings alone have completed.

    ``newest`` is the newest reading of each channel of the layout (0: none).
    """
    member = layout.derived.chains.awaited[:, layout.derived.chain_of(channels)]
    judged = np.where((member >= 0) & (newest[member] > 0), newest[member], NEVER)
    held = slowest(judged, newest[member], layout.longest[member])
    step = layout.period[channels]
    complete: NDArray[np.int64] = np.minimum(held, judged.max(axis=0, initial=NEVER)) // step * step
    return complete


def step_values(
    board: Board, rows: NDArray[np.intp], begin: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the value of each chain for the step that begins at ``begin``, from the slots."""
    chains = board.layout.derived.chains
    values = np.empty(len(rows))
    for first in range(0, len(rows), _ABREAST):
        part = slice(first, first + _ABREAST)
        some = rows[part]
        adjoining = len(some) == some[-1] - some[0] + 1 and bool((np.diff(some) == 1).all())
        cut = slice(int(some[0]), int(some[-1]) + 1) if adjoining else some
        values[part] = _values(board, chains.take(cut), begin[part])
    return values


def _values(board: Board, chains: Chains, begin: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = {}
    alike = bool((chains.step == chains.step[0]).all())
    steps = chains.step[:1].tolist() if alike else np.unique(chains.step).tolist()
    for role in Role:
        there = chains.member[role] >= 0
        if there.any():
            total, samples = np.zeros(len(chains)), np.zeros(len(chains), np.int32)
            for step in steps:
                at = np.flatnonzero(there & (chains.step == step))
                end = begin[at] + step
                total[at], samples[at] = _sums(board, chains.member[role, at], end, step)
            sums[role] = total, samples
    return derived(chains, begin, sums)


def _sums(
    board: Board, channel: NDArray[np.int32], end: NDArray[np.int64], step: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return sum and number of the values of channels over [end - step, end)."""
    slots, granule = board.rows[MINUTE][channel], end // MINUTE
    together = len(granule) > 0 and bool((granule == granule[0]).all())
    total, samples, _ = board.rings[MINUTE].window(
        slots, int(granule[0]) if together else granule, step // MINUTE
    )
    return total, samples


def with_derived(made: Derived, newest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the newest reading of each channel, of derived ones that of what they are made of."""
    extended = newest.copy()
    extended[made.selects.channel] = newest[made.selects.of]
    extended[made.chains.channel] = extended[made.chains.member[Role.MAIN]]
    return extended
