"""Channels that are computed from others: which, from which, and their readings.

Two ways: the readings of a channel with some statuses (``Selects``), and the chain of conversions,
step by step of time (``alerts.core.converted``). Members of a chain may be selected channels;
nothing is derived from a chain. What is derived is a pure function of its members' stored readings
and of the versions of its recipe, each for its own time, so it is never stored itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.chain import Chains, Role
from alerts.core.converted import derived
from alerts.core.records import Series, unequal
from alerts.core.selects import Selects, no_selects
from alerts.core.slots import slot_sums
from alerts.core.versions import Versions, changed, earlier_of
from alerts.core.vocabulary import FOREVER, HOUR, MINUTE, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from alerts.core.records import Readings


@dataclass(frozen=True, slots=True)
class Derived:
    """All derived channels of a registry.

    ``recipes``: all versions of all chains, by channel and ``since``. ``chains`` are those in force
    at the time ``at`` (us), one for each channel. They decide steps up to ``decides_until``, where
    the next version begins; a chain that has ended has no step after ``ends``; both (chains,).
    """

    selects: Selects = field(default_factory=no_selects)
    recipes: Chains = field(default_factory=lambda: Chains.neutral(0))
    at: int = FOREVER
    chains: Chains = field(init=False)
    decides_until: NDArray[np.int64] = field(init=False)
    ends: NDArray[np.int64] = field(init=False)
    _select_order: NDArray[np.intp] = field(init=False)
    _selects_now: NDArray[np.intp] = field(init=False)
    _statuses: int = field(init=False)

    def __post_init__(self) -> None:
        made = self.recipes
        row = _in_force(made.channel, made.since, self.at)
        last = np.append(made.channel, -1)[row + 1] != made.channel[row]
        chains = made if len(row) == len(made) else made.take(row)
        following = made.since[np.minimum(row + 1, len(made) - 1)]
        set_ = object.__setattr__
        set_(self, "chains", chains)
        set_(self, "decides_until", np.where(last, FOREVER, following))
        set_(self, "ends", np.where(last, chains.until, FOREVER))
        selects = self.selects
        order = np.lexsort((selects.since, selects.channel))
        now = order[_in_force(selects.channel[order], selects.since[order], self.at)]
        set_(self, "_select_order", order)
        set_(self, "_selects_now", now)
        statuses = int(np.bitwise_or.reduce(selects.statuses, initial=0))
        set_(self, "_statuses", statuses)

    def __bool__(self) -> bool:
        """Tell whether anything is derived."""
        return bool(len(self.selects.channel) or len(self.chains))

    def says_the_same_as(self, other: Derived) -> bool:
        """Whether both derive the same in the same way, now as at any time."""
        return np.array_equal(self.chains.since, other.chains.since) and not self.changed_since(
            other
        )

    def changed_since(self, before: Derived) -> dict[int, int]:
        """Return by channel the time from which it is derived otherwise than by ``before``.

        NEVER for one that is new, or is derived no longer.
        """
        return self._with_dependants(
            {
                channel: start
                for old, new in ((before.selects, self.selects), (before.recipes, self.recipes))
                for channel, start in changed(
                    _versions(old), _versions(new), _Differ(old, new)
                ).items()
            }
        )

    def after(self, version: int) -> dict[int, int]:
        """Return by channel the time from which recipes later than a registry's version apply."""
        return self._with_dependants(
            {**_versions(self.selects).after(version), **_versions(self.recipes).after(version)}
        )

    def _with_dependants(self, starts: dict[int, int]) -> dict[int, int]:
        """Add the chains that start from a selected channel among these, since they do so."""
        member, recipes = self.recipes.member, self.recipes
        role, row = np.nonzero(np.isin(member, self.selects.channel) & np.isin(member, [*starts]))
        columns = member[role, row], recipes.channel[row], recipes.since[row]
        found = zip(*(column.tolist() for column in columns), strict=True)
        return earlier_of(starts, *({chain: max(starts[of], at)} for of, chain, at in found))

    def closing(self, channels: int) -> NDArray[np.bool_]:
        """Mark those of channels 0 … ``channels`` - 1 that ended, but whose last hour did not."""
        ends = np.full(channels, NEVER)
        for table in (self.selects, self.recipes):
            np.maximum.at(ends, table.channel, table.until)
        marked: NDArray[np.bool_] = (ends <= self.at) & (ends > self.at - HOUR)
        return marked

    def selected_members(self) -> Iterator[tuple[int, int]]:
        """Yield (member, chain) for each selected channel that a chain is, or was, made of."""
        member = self.recipes.member
        role, row = np.nonzero(np.isin(member, self.selects.channel))
        columns = member[role, row].tolist(), self.recipes.channel[row].tolist()
        yield from zip(*columns, strict=True)

    def chain_of(self, channels: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the row of ``chains`` that computes each channel, -1 where none does."""
        known = self.chains.channel
        if not len(known):
            return np.full(len(channels), -1, np.intp)
        place = np.minimum(np.searchsorted(known, channels), len(known) - 1)
        return np.where(known[place] == channels, place, -1)

    def _recipes_of(self, channels: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the rows of ``recipes`` of some channels."""
        return _found(self.recipes.channel, channels)

    def _selects_of(self, channels: NDArray[np.int32]) -> NDArray[np.intp]:
        order = self._select_order
        return order[_found(self.selects.channel[order], channels)]

    def measured(self, channels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the measured channel that each is, selects from, or is mainly made of, now."""
        row, found = self.chain_of(channels), channels.copy()
        main = np.full(len(channels), -1, np.int32)
        main[row >= 0] = self.chains.member[Role.MAIN, row[row >= 0]]
        found[main >= 0] = main[main >= 0]
        known = self.selects.channel[self._selects_now]
        place = np.searchsorted(known, found)
        selected = np.append(known, -1)[place] == found
        found[selected] = self.selects.of[self._selects_now[place[selected]]]
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
        kept = np.flatnonzero(
            (valid | ~readings.fresh[at]) & self.selects.apply(row, readings.time[at])
        )
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
        """Return the measured channels that some channels are, were or will be computed from."""
        members = self.recipes.member[:, self._recipes_of(channels)].ravel()
        plain = channels[self.chain_of(channels) < 0]
        channels = np.union1d(plain, members[members >= 0]).astype(np.int32)
        select = self._selects_of(channels)
        plain = channels[~np.isin(channels, self.selects.channel[select])]
        return np.union1d(plain, self.selects.of[select])

    def series(self, channel: int, read: Mapping[int, Series], until: int) -> Series:
        """Return the readings of a channel from those of its sources.

        Of a chain the steps from its main member's first reading to its last, as far as they end
        at ``until`` or before, each by the version of the recipe that applies to it.
        """
        one = np.array([channel], np.int32)
        rows = self._recipes_of(one)
        if not len(rows):
            return self._selected(channel, read)
        recipes = self.recipes.take(rows)
        step = int(self.chains.step[self.chain_of(one)[0]])
        members = np.unique(recipes.member[recipes.member >= 0]).tolist()
        series = {m: self._selected(m, read) for m in members}
        mains = [series[m].time for m in np.unique(recipes.member[Role.MAIN]).tolist()]
        first = min((int(time[0]) for time in mains if len(time)), default=until)
        last = max((int(time[-1]) for time in mains if len(time)), default=until)
        end = min(last // step * step + step, until)
        begin = np.arange(first // step * step, end - step + 1, step, dtype=np.int64)
        value = np.full(len(begin), np.nan)
        for row in range(len(recipes)):
            recipe = recipes.take(slice(row, row + 1))
            ours = (begin + step > recipe.since) & (begin + step <= recipe.until)
            value[ours] = _step_values(recipe, begin[ours], step, series)
        return Series(
            begin + step - MINUTE,
            value,
            ~np.isnan(value),
            np.zeros(len(begin), np.int8),
        )

    def first(self, channel: int, read: Mapping[int, Series]) -> int:
        """Return when the first reading of a channel's sources was, whether it counts or not.

        NEVER where there is none. What counted before it was revised may have been selected.
        """
        one = np.array([channel], np.int32)
        times = [read[source].time for source in self.sources(one).tolist()]
        return min((int(time[0]) for time in times if len(time)), default=NEVER)

    def _selected(self, channel: int, read: Mapping[int, Series]) -> Series:
        rows = self._selects_of(np.array([channel], np.int32))
        if not len(rows):
            return read[channel]
        parts = []
        for row in rows.tolist():
            source = read[int(self.selects.of[row])]
            every = np.full(len(source.time), row)
            value, valid = self.selects.values(every, source.value, source.status)
            ours = self.selects.apply(every, source.time)
            parts.append((source.time[ours], value[ours], valid[ours], source.status[ours]))
        time, value, valid, status = (np.concatenate(column) for column in zip(*parts, strict=True))
        # Data begin with a reading that is not selected too; the newest is one that is.
        end = int(np.flatnonzero(valid)[-1]) + 1 if valid.any() else 0
        return Series(time[:end], value[:end], valid[:end], status[:end])


def _in_force(channel: NDArray[np.int32], since: NDArray[np.int64], at: int) -> NDArray[np.intp]:
    """Return each channel's last row that has begun ``at`` (us), or its first; sorted by both."""
    _, first = np.unique(channel, return_index=True)
    begun = (since <= at).astype(np.intp)
    begun = np.add.reduceat(begun, first) if len(first) else begun
    found: NDArray[np.intp] = first + np.maximum(begun - 1, 0)
    return found


def _versions(table: Chains | Selects) -> Versions:
    return Versions(table.channel, table.version, table.channel, table.since, table.until)


@dataclass(frozen=True, slots=True)
class _Differ:
    """Tells which rows of two tables say otherwise, apart from their ends."""

    mine: Chains | Selects
    theirs: Chains | Selects

    def __call__(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.bool_]:
        different = np.zeros(len(rows), np.bool_)
        for one in fields(self.mine):
            if one.name == "until":
                continue
            a, b = getattr(self.mine, one.name)[..., rows], getattr(self.theirs, one.name)
            b = b[..., others]
            if a.ndim > 1:
                a, b = _as_long(one.name, a, b)
            differs = unequal(a, b)
            different |= differs.any(axis=tuple(range(differs.ndim - 1)))
        return different


def _as_long(name: str, *some: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Return columns of calibrations as long as the longer of the two, by ones never in force."""
    longest = max(one.shape[-2] for one in some)
    if all(one.shape[-2] == longest for one in some):
        return list(some)
    beyond = getattr(Chains.neutral(1, 1), name)
    return [
        np.concatenate(
            [
                one,
                np.broadcast_to(beyond, (*one.shape[:-2], longest - one.shape[-2], one.shape[-1])),
            ],
            axis=-2,
        )
        for one in some
    ]


def _found(known: NDArray[np.int32], channels: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the rows of some channels among the sorted ``known``, channel by channel."""
    first = np.searchsorted(known, channels, "left")
    count = np.searchsorted(known, channels, "right") - first
    skipped = np.repeat(first - (np.cumsum(count) - count), count)
    return skipped + np.arange(len(skipped))


def _step_values(
    recipe: Chains, begin: NDArray[np.int64], step: int, series: Mapping[int, Series]
) -> NDArray[np.float64]:
    """Return the values of one recipe for adjoining steps of ``step`` (us) from ``begin`` on."""
    sums = {
        Role(role): _step_sums(series[member], begin, step)
        for role, member in enumerate(recipe.member[:, 0].tolist())
        if member >= 0
    }
    return derived(recipe.take(np.zeros(len(begin), np.intp)), begin, sums)


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
