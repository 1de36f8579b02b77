"""Channels that are computed from others: which, from which, and their readings.

Two ways: the readings of a channel with some statuses (``Selects``), and the chain of conversions,
step by step of time (``alerts.core.converted``). Members of a chain may be selected channels;
nothing is derived from a chain. What is derived is a pure function of its members' stored readings,
so it is never stored itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.chain import Chains, Role
from alerts.core.converted import derived
from alerts.core.records import Series, unequal
from alerts.core.slots import slot_sums
from alerts.core.vocabulary import MINUTE, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from alerts.core.records import Readings


@dataclass(frozen=True, slots=True)
class Selects:
    """Channels made of the readings of ``of`` whose status is a bit of ``statuses``.

    Parallel arrays, sorted by ``of``. ``idle``: the value is 0 for a plant that is stopped, 1 for
    one that starts up or shuts down; else it is the reading's own.
    """

    channel: NDArray[np.int32]
    of: NDArray[np.int32]
    statuses: NDArray[np.int64]
    idle: NDArray[np.bool_]

    def values(
        self, rows: NDArray[np.intp], value: NDArray[np.float64], status: NDArray[np.int8]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return values and which of them count, of readings that ``rows`` may select."""
        running = np.where(status == Status.STOPPED, 0.0, 1.0)
        taken = np.where(self.idle[rows], running, value)
        within = (self.statuses[rows] >> status) & 1 == 1
        return taken, within & ~np.isnan(taken)


def no_selects() -> Selects:
    """Return what selects nothing."""
    numbers = np.zeros(0, np.int32)
    return Selects(numbers, numbers, np.zeros(0, np.int64), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Derived:
    """All derived channels of a registry; ``chains`` are sorted by channel."""

    selects: Selects = field(default_factory=no_selects)
    chains: Chains = field(default_factory=lambda: Chains.neutral(0))
    _select_order: NDArray[np.intp] = field(init=False)
    _statuses: int = field(init=False)

    def __post_init__(self) -> None:
        order = np.argsort(self.selects.channel, kind="stable")
        object.__setattr__(self, "_select_order", order)
        statuses = int(np.bitwise_or.reduce(self.selects.statuses, initial=0))
        object.__setattr__(self, "_statuses", statuses)

    def __bool__(self) -> bool:
        """Tell whether anything is derived."""
        return bool(len(self.selects.channel) or len(self.chains))

    def says_the_same_as(self, other: Derived) -> bool:
        """Whether both derive the same in the same way."""
        return all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            for mine, theirs in ((self.selects, other.selects), (self.chains, other.chains))
            for a, b in (
                (getattr(mine, one.name), getattr(theirs, one.name)) for one in fields(mine)
            )
        )

    def same_as(self, other: Derived, channels: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which derived channels ``other`` derives in the same way."""
        same = np.zeros(len(channels), np.bool_)
        for mine, theirs, of_mine, of_theirs in (
            (self.chains, other.chains, self.chain_of(channels), other.chain_of(channels)),
            (self.selects, other.selects, self._select_of(channels), other._select_of(channels)),
        ):
            both = np.flatnonzero((of_mine >= 0) & (of_theirs >= 0))
            same[both] = _equal(mine, of_mine[both], theirs, of_theirs[both])
        return same

    def chain_of(self, channels: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the row of ``chains`` that computes each channel, -1 where none does."""
        return _found(self.chains.channel, np.arange(len(self.chains)), channels)

    def _select_of(self, channels: NDArray[np.int32]) -> NDArray[np.intp]:
        order = self._select_order
        return _found(self.selects.channel[order], order, channels)

    def measured(self, channels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the measured channel that each channel is, selects from, or mainly is made of."""
        row, found = self.chain_of(channels), channels.copy()
        main = np.full(len(channels), -1, np.int32)
        main[row >= 0] = self.chains.member[Role.MAIN, row[row >= 0]]
        found[main >= 0] = main[main >= 0]
        select = self._select_of(found)
        found[select >= 0] = self.selects.of[select[select >= 0]]
        return found

    def with_selected(self, readings: Readings) -> Readings:
        """Return readings and, after them, those of channels that select from theirs.

        Of a late or revised reading there is one even where it is not selected, not valid: what
        it replaces may have been.
        """
        within = (np.int64(self._statuses) >> readings.status) & 1 == 1
        wanted = np.flatnonzero(within | ~readings.fresh)
        if not len(wanted) or not len(self.selects.of):
            return readings
        channel = readings.channel[wanted]
        first = np.searchsorted(self.selects.of, channel, "left")
        count = np.searchsorted(self.selects.of, channel, "right") - first
        place = np.repeat(np.arange(len(count)), count)
        row = first[place] + np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        at = wanted[place]
        value, valid = self.selects.values(row, readings.value[at], readings.status[at])
        kept = np.flatnonzero(valid | ~readings.fresh[at])
        at, row = at[kept], row[kept]
        return replace(
            readings,
            channel=np.append(readings.channel, self.selects.channel[row]),
            time=np.append(readings.time, readings.time[at]),
            value=np.append(readings.value, value[kept]),
            valid=np.append(readings.valid, valid[kept]),
            fresh=np.append(readings.fresh, readings.fresh[at]),
            status=np.append(readings.status, readings.status[at]),
        )

    def sources(self, channels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the measured channels that some channels are, or are computed from."""
        chain = self.chain_of(channels)
        members = self.chains.member[:, chain[chain >= 0]].ravel()
        channels = np.union1d(channels[chain < 0], members[members >= 0])
        select = self._select_of(channels)
        return np.union1d(channels[select < 0], self.selects.of[select[select >= 0]])

    def series(self, channel: int, read: Mapping[int, Series], until: int) -> Series:
        """Return the readings of a channel from those of its sources.

        Of a chain the steps from its main member's first reading to its last, as far as they end
        at ``until`` or before.
        """
        row = self.chain_of(np.array([channel], np.int32))
        if row[0] < 0:
            return self._selected(channel, read)
        chain = self.chains.take(row)
        members = chain.member[:, 0].tolist()
        series = {m: self._selected(m, read) for m in members if m >= 0}
        step, main = int(chain.step[0]), series[members[Role.MAIN]].time
        first, last = (int(main[0]), int(main[-1])) if len(main) else (until, until)
        end = min(last // step * step + step, until)
        begin = np.arange(first // step * step, end - step + 1, step, dtype=np.int64)
        sums = {
            Role(role): _step_sums(series[member], begin, step)
            for role, member in enumerate(members)
            if member >= 0
        }
        value = derived(self.chains.take(np.repeat(row, len(begin))), begin, sums)
        return Series(
            begin + step - MINUTE,
            value,
            ~np.isnan(value),
            np.zeros(len(begin), np.int8),
        )

    def _selected(self, channel: int, read: Mapping[int, Series]) -> Series:
        row = self._select_of(np.array([channel], np.int32))
        if row[0] < 0:
            return read[channel]
        source = read[int(self.selects.of[row[0]])]
        rows = np.repeat(row, len(source.time))
        value, valid = self.selects.values(rows, source.value, source.status)
        return Series(source.time[valid], value[valid], valid[valid], source.status[valid])


def _equal(
    mine: Chains | Selects,
    rows: NDArray[np.intp],
    theirs: Chains | Selects,
    others: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Tell which rows of two tables say the same."""
    equal = np.ones(len(rows), np.bool_)
    for one in fields(mine):
        a, b = getattr(mine, one.name)[..., rows], getattr(theirs, one.name)[..., others]
        if a.shape != b.shape:  # another number of calibrations
            return np.zeros(len(rows), np.bool_)
        differs = unequal(a, b)
        equal &= ~differs.any(axis=tuple(range(differs.ndim - 1)))
    return equal


def _found(
    known: NDArray[np.int32], rows: NDArray[np.intp], channels: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Return the row of each channel among the sorted ``known``, -1 of one that is not there."""
    if not len(known):
        return np.full(len(channels), -1, np.intp)
    place = np.minimum(np.searchsorted(known, channels), len(known) - 1)
    return np.where(known[place] == channels, rows[place], -1)


def _step_sums(
    series: Series, begin: NDArray[np.int64], step: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return sum and number of each step's values, added up as a ``Ring`` does it."""
    minutes = step // MINUTE
    total, samples, _ = slot_sums(
        series.time[series.valid],
        series.value[series.valid],
        MINUTE,
        MINUTE,
        int(begin[0]) if len(begin) else 0,
        len(begin) * minutes,
    )
    sums, number = np.zeros(len(begin)), np.zeros(len(begin), np.int32)
    for minute in range(minutes):
        sums += total[minute::minutes]
        number += samples[minute::minutes]
    return sums, number
