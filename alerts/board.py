"""The present state of every channel and limit, moved on minute by minute in arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.machine import State, Thresholds, step
from alerts.core.means import assessable, judge, mean
from alerts.core.records import BlockRows, JudgementRows
from alerts.core.ring import Ring
from alerts.core.vocabulary import HOUR, NEVER
from alerts.core.zones import in_block
from alerts.track import describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from alerts.layout import Kind, Layout
    from alerts.recompute import Recomputed

SPARE_SLOTS = 2  # beyond the longest window: the slot that is being filled, and one more


@dataclass(frozen=True, slots=True)
class Moved:
    """What evaluating limits at their M changed: parallel arrays over rows of the layout."""

    limit: NDArray[np.intp]
    version: NDArray[np.intp]
    at: NDArray[np.int64]
    before: State
    after: State


class Board:
    """State of all channels and limits: slots, alert machines, and how far each is evaluated.

    ``evaluated`` is the M up to which a channel is judged (``NEVER``: no reading yet), ``newest``
    its newest reading, ``received`` when its last reading came. A ``cold`` channel has readings in
    the database that are not in memory.
    """

    def __init__(self, layout: Layout) -> None:
        n = layout.channels
        self.layout = layout
        self.evaluated = np.full(n, NEVER, np.int64)
        self.newest = np.full(n, NEVER, np.int64)
        self.received = np.full(n, NEVER, np.int64)
        self.cold = np.zeros(n, np.bool_)
        self.machine = State.empty(len(layout.limit_number))
        self.version = layout.limit_first.copy()
        self._block_place = np.full(len(layout.block_channel), -1, np.intp)
        self.rings: dict[int, Ring] = {}
        self.rows: dict[int, NDArray[np.int32]] = {}
        self._make_rings(layout)

    def _make_rings(self, layout: Layout) -> None:
        """Make a ring for each slot width, with a row for each channel that needs it.

        ``rows`` gives a channel's row in each, -1 where it has none.
        """
        granule_of_block = np.array([kind.granule for kind in layout.kinds], np.int64)
        granules = granule_of_block[layout.block_kind]
        for granule in np.unique(granules).tolist():
            members = np.unique(layout.block_channel[granules == granule])
            longest = max(kind.window for kind in layout.kinds if kind.granule == granule)
            if longest > HOUR:
                longest += 2 * HOUR  # a day may have 25 hours
            self.rows[granule] = np.full(layout.channels, -1, np.int32)
            self.rows[granule][members] = np.arange(len(members), dtype=np.int32)
            self.rings[granule] = Ring(granule, longest // granule + SPARE_SLOTS, len(members))

    def add(
        self, channel: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64]
    ) -> None:
        """Add valid readings, per channel ascending and newer than everything added before."""
        period = self.layout.period[channel]
        for granule, ring in self.rings.items():
            row = self.rows[granule][channel]
            here = np.flatnonzero(row >= 0)
            ring.add(row[here], time[here], value[here], period[here])

    def _sums(
        self, kind: Kind, channel: NDArray[np.int32], end: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        """Return (total, samples, count) of [end - length, end)."""
        rows = self.rows[kind.granule][channel]
        return self.rings[kind.granule].window(
            rows, end // kind.granule, length // kind.granule, kind.group
        )

    def evaluate(self, channel: NDArray[np.int32], at: NDArray[np.int64]) -> list[Moved]:
        """Evaluate the limits of some channels, each at its own M, and move their machines on.

        Returns what changed in severity or became pending, or ceased to be.
        """
        owner, limit = self.layout.limits_by_channel.of_channels(channel)
        when = at[owner]
        moved = []
        for kind, rows in self._kinds(self.layout.limit_kind[limit]):
            due = rows[when[rows] % kind.step == 0]
            if len(due):
                moved.append(self._step(kind, limit[due], when[due]))
        return [some for some in moved if len(some.limit)]

    def _kinds(self, kind: NDArray[np.intp]) -> Iterator[tuple[Kind, NDArray[np.intp]]]:
        for number in np.unique(kind).tolist():
            yield self.layout.kinds[number], np.flatnonzero(kind == number)

    def _step(self, kind: Kind, limit: NDArray[np.intp], at: NDArray[np.int64]) -> Moved:
        versions = self.layout.versions
        channel = self.layout.limit_channel[limit]
        total, samples, count = self._sums(kind, channel, at, kind.window)
        version, in_force = self._versions(limit, at)
        enough = assessable(
            count,
            kind.window // kind.period,
            versions.coverage_numerator[version],
            versions.coverage_denominator[version],
        )
        before = self.machine.take(limit)
        limits = Thresholds.of(versions, version)
        after = step(before, at, mean(total, samples), enough, in_force, limits, kind.step)
        self.machine.put(limit, after)
        changed = np.flatnonzero(
            (before.severity != after.severity) | (before.pending != after.pending)
        )
        return Moved(
            limit[changed],
            version[changed],
            at[changed],
            before.take(changed),
            after.take(changed),
        )

    def _versions(
        self, limit: NDArray[np.intp], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the version in force for windows that end at ``ends``, later ones as they come."""
        until = self.layout.versions.valid_until
        row = self.version[limit]
        last = self.layout.limit_last[limit]
        while len(over := np.flatnonzero((ends > until[row]) & (row < last))):
            row[over] += 1
        self.version[limit] = row
        return row, (ends > self.layout.versions.valid_after[row]) & (ends <= until[row])

    def close_blocks(
        self, channel: NDArray[np.int32], at: NDArray[np.int64]
    ) -> tuple[list[BlockRows], list[JudgementRows]]:
        """Return the blocks of some channels that end at their M, where they hold a valid reading.

        A block without one is not kept: whoever reads takes its absence for what it is.
        """
        owner, block = self.layout.blocks_by_channel.of_channels(channel)
        when = at[owner]
        blocks: list[BlockRows] = []
        judgements: list[JudgementRows] = []
        for kind, rows in self._kinds(self.layout.block_kind[block]):
            for ending, length in self._ending(kind, block[rows], when[rows]):
                here = rows[ending]
                kept, closed = self._close(kind, block[here], when[here], length)
                if len(kept):
                    blocks.append(closed)
                    judgements.append(self._judgements(channel, closed, kept))
        return blocks, judgements

    def _ending(
        self, kind: Kind, block: NDArray[np.intp], at: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.intp], int]]:
        """Yield (places, length) of the blocks that end at their M, by length."""
        if kind.window <= HOUR:
            yield np.flatnonzero(at % kind.window == 0), kind.window
            return
        due = np.flatnonzero(at % kind.grid == 0)
        zone = self.layout.zone[self.layout.block_channel[block[due]]]
        for number in np.unique(zone).tolist():
            rows = due[zone == number]
            start, finish = in_block(at[rows] - 1, kind.window, self.layout.zones[number])
            length = np.where(finish == at[rows], finish - start, 0)
            for one in np.unique(length[length > 0]).tolist():
                yield rows[length == one], int(one)

    def _close(
        self, kind: Kind, block: NDArray[np.intp], finish: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.intp], BlockRows]:
        channel = self.layout.block_channel[block]
        total, samples, count = self._sums(kind, channel, finish, length)
        kept = np.flatnonzero(samples > 0)
        total, samples, finish = total[kept], samples[kept], finish[kept]
        n = len(kept)
        return block[kept], BlockRows(
            channel[kept],
            np.full(n, kind.window, np.int64),
            finish - length,
            finish,
            mean(total, samples),
            total,
            samples,
            count[kept],
            np.full(n, -(-length // kind.period), np.int32),
        )

    def _judgements(
        self, channels: NDArray[np.int32], rows: BlockRows, block: NDArray[np.intp]
    ) -> JudgementRows:
        layout = self.layout
        versions = layout.versions
        self._block_place[block] = np.arange(len(block))
        _, limit = layout.limits_by_channel.of_channels(channels)
        place = self._block_place[layout.limit_block[limit]]
        self._block_place[block] = -1
        limit, place = limit[place >= 0], place[place >= 0]
        version, in_force = self._versions(limit, rows.finish[place])
        in_force &= versions.legal[version]
        limit, place, version = limit[in_force], place[in_force], version[in_force]
        states = judge(
            rows.mean[place],
            rows.count[place],
            rows.expected[place],
            versions.value[version],
            versions.coverage_numerator[version],
            versions.coverage_denominator[version],
        )
        return JudgementRows(
            layout.limit_number[limit],
            versions.version[version],
            rows.start[place],
            rows.finish[place],
            rows.mean[place],
            rows.count[place],
            rows.expected[place],
            states.astype(np.int16),
        )

    def evidence(self, limit: int, at: int) -> dict[str, Any]:
        """Return the window of a limit that ends at ``at``, with the mean of each slot."""
        kind = self.layout.kinds[self.layout.limit_kind[limit]]
        row = int(self.rows[kind.granule][self.layout.limit_channel[limit]])
        slots = self.rings[kind.granule].read(
            row, (at - kind.window) // kind.granule, kind.window // kind.granule
        )
        return describe(at, kind.window, kind.period, kind.granule, slots)

    def load(self, channel: int, until: int, newest: int, result: Recomputed) -> None:
        """Take over a channel's state as it was computed from its readings."""
        self.evaluated[channel] = until
        self.newest[channel] = newest
        self.cold[channel] = False
        for granule, track in result.tracks.items():
            row = int(self.rows[granule][channel]) if granule in self.rows else -1
            if row < 0:  # of a channel that ended no slots are kept
                continue
            head = track.first // granule + len(track.total) - 1
            self.rings[granule].load(
                row,
                head,
                track.total,
                track.samples,
                track.filled,
                track.last_period,
            )
        owned = self.layout.limits_by_channel
        for limit in owned.order[owned.start[channel] : owned.start[channel + 1]].tolist():
            found = result.courses[int(self.layout.limit_number[limit])]
            rows = np.array([limit])
            self.machine.put(rows, found.state)
            self.version[rows] = self.layout.limit_first[rows]
            self._versions(rows, np.array([until]))
