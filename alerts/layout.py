"""Where each channel's limits and block windows stand: look-up arrays made once a registry."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.derived import Derived
from alerts.core.limits import Limits
from alerts.core.slots import granule_for, group_for, step_for
from alerts.core.vocabulary import HOUR, LONG_STEP, MINUTE, NEVER
from alerts.core.zones import grid
from alerts.recompute import STANDARD_WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW_BITS = 37  # a day in microseconds
_MINUTES = 60  # more than any grid has


def _key(channel: NDArray[np.int32], window: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Return channel and window as one number that sorts by channel."""
    return (channel.astype(np.int64) << _WINDOW_BITS) | window


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that belong to each channel: ``order[start[c] : start[c + 1]]``."""

    order: NDArray[np.intp]
    start: NDArray[np.intp]

    @classmethod
    def of(cls, channel: NDArray[np.int32], channels: int) -> Rows:
        """Group rows by their channel."""
        order = np.argsort(channel, kind="stable")
        counts = np.bincount(channel, minlength=channels)
        return cls(order, np.concatenate([[0], np.cumsum(counts)]).astype(np.intp))

    def of_channels(self, channels: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (owner, row) for all rows of some channels; owner indexes ``channels``."""
        owner, place = _ranges(self.start[channels], self.start[channels + 1])
        return owner, self.order[place]


def _ranges(
    first: NDArray[np.intp], end: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (owner, place) for all places of some ranges; owner is the number of the range."""
    counts = end - first
    owner = np.repeat(np.arange(len(first)), counts)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, first[owner] + offset


@dataclass(frozen=True, slots=True)
class Memberships:
    """The members that chains have, had or will have: ``chain`` is a row of ``derived.chains``.

    Parallel arrays; ``by_member`` gives their rows. What is measured from ``until`` (us) on is of
    no use to the chain.
    """

    chain: NDArray[np.intp]
    until: NDArray[np.int64]
    by_member: Rows

    @classmethod
    def of(cls, derived: Derived, channels: int) -> Memberships:
        """Join the versions of each chain: until the last one ends that names the member."""
        recipes = derived.recipes
        role, recipe = np.nonzero(recipes.member >= 0)
        chain = derived.chain_of(recipes.channel)[recipe]
        pairs = recipes.member[role, recipe].astype(np.int64) << 32 | chain
        pairs, place = np.unique(pairs, return_inverse=True)
        until = np.full(len(pairs), NEVER)
        np.maximum.at(until, place, recipes.until[recipe])
        member, chain = (pairs >> 32).astype(np.int32), pairs & 0xFFFFFFFF
        return cls(chain.astype(np.intp), until, Rows.of(member, channels))


@dataclass(frozen=True, slots=True)
class Kind:
    """A window over channels of one period: how its slots are made and counted.

    ``grid``: what its blocks end at multiples of, where they are longer than an hour.
    """

    window: int
    period: int
    grid: int
    granule: int
    group: int
    step: int

    @classmethod
    def of(cls, window: int, period: int, grid: int) -> Kind:
        """Return what a window needs where the days fit ``grid``."""
        granule = granule_for(window, period, grid)
        return cls(window, period, grid, granule, group_for(period, granule), step_for(window))


@dataclass(frozen=True, slots=True)
class Layout:
    """A registry as the engine looks it up.

    ``limit_*`` arrays have a row for each limit: its number, channel, window and the first and
    last of its versions (rows of ``versions``). ``block_*`` arrays have a row for each window of
    a channel that block means are kept of; ``limit_block`` is the row of a limit's own blocks.
    ``limit_kind`` and ``block_kind`` index ``kinds``: rows of one kind are computed at once.
    ``memberships`` tell which of ``derived.chains`` each channel is a member of; ``chained`` marks
    the channels that they compute.
    """

    versions: Limits
    period: NDArray[np.int64]
    zone: NDArray[np.int32]
    zones: tuple[str, ...]
    active: NDArray[np.bool_]
    limit_number: NDArray[np.int32]
    limit_channel: NDArray[np.int32]
    limit_window: NDArray[np.int64]
    limit_first: NDArray[np.intp]
    limit_last: NDArray[np.intp]
    limit_block: NDArray[np.intp]
    limit_kind: NDArray[np.intp]
    limits_by_channel: Rows
    block_channel: NDArray[np.int32]
    block_window: NDArray[np.int64]
    block_kind: NDArray[np.intp]
    kinds: tuple[Kind, ...]
    blocks_by_channel: Rows
    longest: NDArray[np.int64]
    derived: Derived
    memberships: Memberships
    chained: NDArray[np.bool_]

    @property
    def channels(self) -> int:
        """One more than the highest channel number."""
        return len(self.period)

    def limits_of(self, rows: NDArray[np.intp]) -> Limits:
        """Return all versions of some limits."""
        return self.versions.take(_ranges(self.limit_first[rows], self.limit_last[rows] + 1)[1])

    def lapses_of(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return (owner, M) for each time that some limits are found no longer in force."""
        owner, version = _ranges(self.limit_first[rows], self.limit_last[rows] + 1)
        at = self.versions.take(version).lapses()
        return owner[at != NEVER], at[at != NEVER]

    def says_the_same_as(self, other: Layout) -> bool:
        """Whether both were made of the same registry: then all their look-ups are the same."""
        return (
            self.zones == other.zones
            and self.derived.says_the_same_as(other.derived)
            and all(
                np.array_equal(getattr(self, name), getattr(other, name))
                for name in ("active", "period", "zone")
            )
            and all(
                np.array_equal(getattr(self.versions, one.name), getattr(other.versions, one.name))
                for one in fields(Limits)
            )
        )

    @classmethod
    def of(  # noqa: PLR0913 - a registry's arrays
        cls,
        versions: Limits,
        *,
        active: NDArray[np.bool_],
        period: NDArray[np.int64],
        zone: NDArray[np.int32],
        zones: tuple[str, ...],
        derived: Derived | None = None,
    ) -> Layout:
        """Arrange the limits' versions (sorted by limit and version) by channel."""
        channels, derived = len(period), derived or Derived()
        number, first, counts = np.unique(versions.limit, return_index=True, return_counts=True)
        channel, window = versions.channel[first], versions.window[first]
        known = np.flatnonzero(active).astype(np.int32)
        keys = np.concatenate(
            [
                _key(channel, window),
                *(_key(known[width % period[known] == 0], width) for width in STANDARD_WINDOWS),
            ]
        )
        blocks, inverse = np.unique(keys, return_inverse=True)
        block_channel = (blocks >> _WINDOW_BITS).astype(np.int32)
        block_window = blocks & ((1 << _WINDOW_BITS) - 1)
        of_zones = np.array([grid(one) for one in zones], np.int64)
        grids = np.where(block_window > HOUR, of_zones[zone[block_channel]], LONG_STEP)
        kinds, kind = _kinds(block_window, period[block_channel], grids)
        limit_block = inverse[: len(number)].astype(np.intp)
        longest = np.full(channels, HOUR)
        np.maximum.at(longest, channel, window)
        return cls(
            versions=versions,
            period=period,
            zone=zone,
            zones=zones,
            active=active,
            limit_number=number.astype(np.int32),
            limit_channel=channel,
            limit_window=window,
            limit_first=first.astype(np.intp),
            limit_last=(first + counts - 1).astype(np.intp),
            limit_block=limit_block,
            limit_kind=kind[limit_block],
            limits_by_channel=Rows.of(channel, channels),
            block_channel=block_channel,
            block_window=block_window,
            block_kind=kind,
            kinds=kinds,
            blocks_by_channel=Rows.of(block_channel, channels),
            longest=longest + LONG_STEP,
            derived=derived,
            memberships=Memberships.of(derived, channels),
            chained=np.isin(np.arange(channels), derived.chains.channel),
        )


def _kinds(
    window: NDArray[np.int64], period: NDArray[np.int64], grid: NDArray[np.int64]
) -> tuple[tuple[Kind, ...], NDArray[np.intp]]:
    """Return the kinds that rows are of, and the place of each row's kind; parallel arrays."""
    widths, width = np.unique(window, return_inverse=True)
    periods, which = np.unique(period, return_inverse=True)
    code = (width * len(periods) + which) * _MINUTES + grid // MINUTE
    codes, kind = np.unique(code, return_inverse=True)
    rest, minutes = np.divmod(codes, _MINUTES)
    columns = widths[rest // len(periods)], periods[rest % len(periods)], minutes * MINUTE
    sorts = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(Kind.of(*sort) for sort in sorts), kind
