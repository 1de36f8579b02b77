"""Stored readings of many channels, read together to be judged again.

Channels that share period and zone are read and computed together: so many that what they need
stays within a processor's cache, one at a time where their history is long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.bulk import Bulk, Valid
from alerts.core.vocabulary import DAY, HOUR, MINUTE, NEVER
from alerts.deriving import complete_by_readings, with_derived
from alerts.history import Asked, earliest, needed_from
from ingest.judging import series_of
from storage.alerts import read_alerts_since
from storage.followers import load_newest
from storage.judging import read_progress, read_series, readings_kept_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from alerts.core.limits import Limits
    from alerts.core.records import Alert
    from alerts.layout import Layout

    Channels = NDArray[np.int32]
    Times = NDArray[np.int64]

CELLS = 250_000  # slots of channels that are computed together
MOST = 1250  # channels
AT_ONCE = 3_000_000  # readings in one query, some 150 bytes each while they are read
_REACH = DAY + 4 * HOUR  # before what is judged: of the longest window


@dataclass(frozen=True, slots=True)
class Shelf:
    """Readings at hand: all of ``sources`` in [start, end], as ``read_series`` returned them."""

    sources: Channels
    start: int
    end: int
    rows: NDArray[np.void]
    edges: NDArray[np.intp]

    @classmethod
    def of(cls, sources: Channels, start: int, end: int, rows: NDArray[np.void]) -> Shelf:
        """Note where the readings of each source begin and end."""
        channel = np.ascontiguousarray(rows["channel"])
        sides = [np.searchsorted(channel, sources, side) for side in ("left", "right")]
        return cls(sources, start, end, rows, np.stack(sides, axis=1))

    def find(self, sources: Channels, start: int, end: int) -> NDArray[np.void] | None:
        """Return the readings of some sources, more than asked for maybe; None: not at hand."""
        if start < self.start or end > self.end or not np.isin(sources, self.sources).all():
            return None
        low, high = self.edges[np.searchsorted(self.sources, sources)].T
        if np.array_equal(high[:-1], low[1:]):
            return self.rows[low[0] : high[-1]]
        parts = [self.rows[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        return np.concatenate(parts)


class Needed(NamedTuple):
    """Readings are read from ``start`` on, to judge windows that end after ``since``."""

    start: int
    since: int


@dataclass(frozen=True, slots=True)
class Archive:
    """Readings of batches up to ``batch``, as of ``now``; older than ``kept_from`` none are kept.

    ``newest``: of each channel's measured readings, 0 for none.
    """

    conn: asyncpg.Connection
    batch: int
    now: int
    kept_from: int
    newest: Times
    _shelf: list[Shelf] = field(default_factory=list)

    @classmethod
    async def of(cls, conn: asyncpg.Connection, channels: int, now: int) -> Archive:
        """Look at what is there of channels 0 … ``channels`` - 1."""
        kept = await readings_kept_from(conn)
        return cls(
            conn,
            await read_progress(conn, "alerts"),
            now,
            NEVER if kept is None else kept,
            await load_newest(conn, channels),
        )

    def newest_of(self, layout: Layout) -> Times:
        """Return each channel's newest reading, of derived ones that of what they are made of."""
        return with_derived(layout.derived, self.newest[: layout.channels])

    def judged_until(self, layout: Layout, channels: Channels) -> tuple[Times, Times]:
        """Return the last M that each channel's readings had judged, and the last of the clock's.

        How far the clock came nobody wrote down: at most so far.
        """
        every = self.newest_of(layout)
        newest = every[channels]
        by_readings = newest // MINUTE * MINUTE
        chained = np.flatnonzero(layout.chained[channels])
        if len(chained):
            by_readings[chained] = complete_by_readings(layout, channels[chained], every)
        clock = (self.now - MINUTE) // MINUTE * MINUTE
        owner, rows = layout.limits_by_channel.of_channels(channels)
        limit, at = layout.lapses_of(rows)
        ended = np.full(len(channels), NEVER)
        over = at <= clock  # a limit that ended resolves its alert, however long after
        np.maximum.at(ended, owner[limit[over]], at[over])
        horizon = np.maximum(newest + layout.longest[channels], ended) // MINUTE * MINUTE
        return by_readings, np.maximum(by_readings, np.minimum(clock, horizon))

    async def read(
        self, layout: Layout, channels: Channels, start: int, until: Times
    ) -> NDArray[np.void]:
        """Return what is stored of channels, or of what they are derived from, from ``start``."""
        sources, end = layout.derived.sources(channels), int(until.max(initial=start))
        for shelf in self._shelf:
            found = shelf.find(sources, start, end)
            if found is not None:
                return found
        return await read_series(self.conn, sources.tolist(), start, end, self.batch)

    async def shelved(
        self, layout: Layout, parts: Iterable[Channels], since: int, end: int
    ) -> AsyncIterator[Channels]:
        """Yield ``parts`` with their readings of [since, end) at hand, read for many at once."""
        waiting: list[Channels] = []
        room = AT_ONCE
        for part in parts:
            sources = len(layout.derived.sources(part))
            readings = sources * ((end - since + _REACH) // int(layout.period[part].min()))
            if waiting and readings > room:
                await self._fetch(layout, waiting, since, end)
                for one in waiting:
                    yield one
                waiting, room = [], AT_ONCE
            waiting.append(part)
            room -= readings
        if waiting:
            await self._fetch(layout, waiting, since, end)
            for one in waiting:
                yield one
        self._shelf.clear()

    async def _fetch(self, layout: Layout, parts: Sequence[Channels], since: int, end: int) -> None:
        self._shelf.clear()
        sources = layout.derived.sources(np.unique(np.concatenate(parts)))
        start = since - _REACH
        rows = await read_series(self.conn, sources.tolist(), start, end, self.batch)
        self._shelf.append(Shelf.of(sources, start, end, rows))

    async def alerts(self, limits: Limits, since: int) -> dict[int, list[Alert]]:
        """Return the alerts of limits that were not over before ``since``."""
        known: dict[int, list[Alert]] = {}
        numbers = np.unique(limits.limit).tolist()
        for alert in await read_alerts_since(self.conn, numbers, since):
            known.setdefault(alert.limit, []).append(alert)
        return known


def groups(layout: Layout, channels: Channels, since: int, end: int) -> Iterator[Channels]:
    """Yield channels that are judged together: of one period, zone and kind, not too many."""
    if not len(channels):
        return
    derived = np.isin(channels, layout.derived.selects.channel) | layout.chained[channels]
    columns = (derived, layout.zone[channels], layout.period[channels])
    order = np.lexsort((channels, *columns))
    kinds = np.stack([column[order] for column in columns])
    edges = 1 + np.flatnonzero((kinds[:, 1:] != kinds[:, :-1]).any(axis=0))
    for part in np.split(channels[order], edges):
        slots = (end - since + 3 * HOUR) // min(int(layout.period[part[0]]), MINUTE)
        most = int(np.clip(CELLS // max(1, slots), 1, MOST))
        for begin in range(0, len(part), most):
            yield part[begin : begin + most]


def limits_of(layout: Layout, channels: Channels) -> Limits:
    """Return all versions of the limits of channels, by limit and version."""
    _, rows = layout.limits_by_channel.of_channels(channels)
    return layout.limits_of(np.sort(rows))


def valid_of(
    layout: Layout, channels: Channels, rows: NDArray[np.void], needed: Needed, until: Times
) -> Valid:
    """Return the valid readings of channels (all measured, or all derived) from what was read."""
    if channels[0] in layout.derived.selects.channel or layout.chained[channels[0]]:
        return _derived(layout, channels, rows, needed, until)
    low = np.searchsorted(rows["channel"], channels)
    count = np.searchsorted(rows["channel"], channels, side="right") - low
    column = np.repeat(np.arange(len(channels)), count)
    ends = np.append(rows["time"], NEVER)
    first = np.where(count > 0, ends[low], NEVER)
    newest = np.where(count > 0, ends[low + count - 1], NEVER)
    valid = (rows["valid"] == 1) & (rows["time"] >= needed.start)
    time, value = rows["time"][valid], rows["value"][valid]
    return Valid(column[valid], time, value, first, newest, *needed)


def _derived(
    layout: Layout, channels: Channels, rows: NDArray[np.void], needed: Needed, until: Times
) -> Valid:
    read = series_of(rows, layout.derived.sources(channels).tolist())
    ends = until.tolist()
    found = [
        layout.derived.series(channel, read, end)
        for channel, end in zip(channels.tolist(), ends, strict=True)
    ]
    valid = [one.valid & (one.time >= needed.start) for one in found]
    return Valid(
        np.repeat(np.arange(len(found)), [int(kept.sum()) for kept in valid]),
        np.concatenate([one.time[kept] for one, kept in zip(found, valid, strict=True)]),
        np.concatenate([one.value[kept] for one, kept in zip(found, valid, strict=True)]),
        np.array([one.time[0] if len(one.time) else NEVER for one in found]),
        np.array([one.time[-1] if len(one.time) else NEVER for one in found]),
        *needed,
    )


def bulk_of(layout: Layout, channels: Channels, valid: Valid, until: Times) -> Bulk:
    """Return the means of channels up to the latest ``until``."""
    zone = layout.zones[layout.zone[channels[0]]]
    return Bulk(valid, int(layout.period[channels[0]]), zone, int(until.max()))


async def asked(
    archive: Archive, layout: Layout, channels: Channels, since: Times, until: Times
) -> tuple[Asked, Needed]:
    """Return what is to be judged of channels, and from when on readings are needed for it."""
    limits, first = limits_of(layout, channels), int(since.min())
    known = await archive.alerts(limits, first)
    period = int(layout.period[channels[0]])
    start = needed_from(first, limits, known) // period * period
    needed = Needed(start, earliest(first, known))
    return Asked(channels, since, until, limits, known), needed
