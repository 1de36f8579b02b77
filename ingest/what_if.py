"""Judging history under another registry or rule set: what would differ, and nothing is stored.

The registry is applied in a transaction that is taken back, with its changes effective from the
beginning of the span; then stored readings are judged under the present registry and under that
one, as a server would judge them after it were applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.course import Alerts
from alerts.core.records import JudgementRows
from alerts.core.vocabulary import DAY, NEVER
from alerts.history import History, judge_history, no_limits
from alerts.track import iso
from ingest.archive import Archive, Needed, asked, bulk_of, groups, limits_of, valid_of
from ingest.judge import layout_of
from ingest.registry_rows import registry_rows
from ingest.what_if_compare import compared_alerts, compared_judgements, judgement_rows
from ingest.what_if_compliance import View, compare_compliance, view_of
from ingest.what_if_differences import Tally
from storage.registry_apply import apply_registry
from storage.registry_load import load_registry
from storage.rehearsal import read_names, read_touched, rehearsal
from storage.times import from_micros

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    import asyncpg
    from numpy.typing import NDArray

    from alerts.core.limits import Limits
    from alerts.layout import Layout
    from ingest.registry_read import RegistryDocument
    from ingest.what_if_differences import Differences
    from storage.registry_apply import Changes
    from storage.rehearsal import LimitName

    Channels = NDArray[np.int32]
    Judged = tuple[History, Limits]

NOTHING_JUDGED = History(JudgementRows.joined([]), Alerts.joined([])), no_limits()


@dataclass(frozen=True, slots=True)
class Supposed:
    """The present registry and the supposed one, what of them differs, and the limits' names."""

    changes: Changes
    present: View
    changed: View
    channels: Channels
    names: dict[int, LimitName]


@dataclass(slots=True)
class WhatIf:
    """History of [start, end) judged both ways.

    ``advance`` is told how many of how many channels are done, ``remark`` what could not be judged.
    """

    archive: Archive
    supposed: Supposed
    start: int
    end: int
    advance: Callable[[int, int], None]
    remark: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)

    async def differences(self) -> AsyncGenerator[Differences, None]:
        """Yield what would differ, by kind and limit; ``tally`` counts all that was judged."""
        if self._begin > self.start:
            kept, begin = iso(self.archive.kept_from), iso(self._begin)
            self.remark(f"readings before {kept} were dropped: judged from {begin} on")
        channels = self._channels()
        done = 0
        async for group, alike in self._groups(channels):
            for some in await self._compare(group, alike=alike):
                yield some
            done += len(group)
            self.advance(done, len(channels))
        async for some in compare_compliance(
            self.archive,
            (self.supposed.present, self.supposed.changed),
            (self.start, self.end),
            self.tally,
        ):
            yield some

    @property
    def _kept_whole(self) -> int:
        """From when on readings tell all: a day's windows reach back into what was dropped."""
        kept = self.archive.kept_from
        return kept if kept == NEVER else kept + 2 * DAY

    @property
    def _begin(self) -> int:
        """Where judging of readings begins."""
        return max(self.start, self._kept_whole)

    def _channels(self) -> Channels:
        """Return the channels that a limit of either registry judges windows of in the span.

        Of a silent one they may hold its last readings, or an alert lapses.
        """
        old, new = self.supposed.present.layout, self.supposed.changed.layout
        limited = np.union1d(old.limit_channel, new.limit_channel)
        found = np.intersect1d(limited, self.supposed.channels).astype(np.int32)
        since = self._since(found)
        upto = self._upto(found, new, since)
        known = found < old.channels  # what was derived may be so no more
        before = self._upto(found[known], old, since[known])
        upto[known] = np.maximum(upto[known], before)
        return found[upto > since]

    async def _groups(self, channels: Channels) -> AsyncIterator[tuple[Channels, bool]]:
        """Yield channels that are read together; True: both registries read them alike."""
        new = self.supposed.changed.layout
        alike = self.supposed.changed.reads_alike(self.supposed.present, channels)
        span = (self._begin, self.end)
        parts = groups(new, channels[alike], *span)
        async for group in self.archive.shelved(new, parts, *span):
            yield group, True
        for channel in channels[~alike]:
            yield np.array([channel], np.int32), False

    async def _compare(self, group: Channels, *, alike: bool) -> list[Differences]:
        """Judge channels under both registries; what is not alike is a single channel."""
        old, new = self.supposed.present.layout, self.supposed.changed.layout
        if alike:
            before, after = await self._together(group, old, new)
        else:
            before = await self._alone(group, old) if group[0] < old.channels else NOTHING_JUDGED
            after = await self._alone(group, new)
        span = (self.start, self.end)
        rows = [judgement_rows(one.judgements, limits, *span) for one, limits in (before, after)]
        return [
            compared_judgements(rows[0], rows[1], self.tally),
            compared_alerts(before[0].alerts, after[0].alerts, span, self.tally),
        ]

    async def _together(self, group: Channels, *layouts: Layout) -> list[Judged]:
        since = self._since(group)
        upto = np.maximum(*(self._upto(group, layout, since) for layout in layouts))
        asks = [await asked(self.archive, layout, group, since, upto) for layout in layouts]
        needed = Needed(*map(min, *(one for _, one in asks)))
        rows = await self.archive.read(layouts[1], group, needed.start, upto)
        bulk = bulk_of(layouts[1], group, valid_of(layouts[1], group, rows, needed, upto), upto)
        return [(judge_history(bulk, ask), ask.limits) for ask, _ in asks]

    async def _alone(self, group: Channels, layout: Layout) -> Judged:
        since = self._since(group)
        upto = self._upto(group, layout, since)
        ask, needed = await asked(self.archive, layout, group, since, upto)
        if not len(ask.limits):
            return NOTHING_JUDGED
        rows = await self.archive.read(layout, group, needed.start, upto)
        bulk = bulk_of(layout, group, valid_of(layout, group, rows, needed, upto), upto)
        return judge_history(bulk, ask), ask.limits

    def _upto(self, group: Channels, layout: Layout, since: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return up to when each channel is judged; ``since``: it was silent before."""
        until = np.minimum(self.end, self.archive.judged_until(layout, group)[1])
        upto: NDArray[np.int64] = np.maximum(until, since)
        return upto

    def _since(self, group: Channels) -> NDArray[np.int64]:
        """Return from when on each channel is judged: a limit that is new from its own start."""
        limits = limits_of(self.supposed.changed.layout, group)
        new = ~np.isin(limits.limit, self.supposed.present.layout.limit_number)
        since = np.full(len(group), self._begin)
        column = np.searchsorted(group, limits.channel[new])
        np.minimum.at(since, column, limits.valid_after[new])
        kept_since: NDArray[np.int64] = np.maximum(since, self._kept_whole)
        return kept_since


async def suppose(
    conn: asyncpg.Connection,
    document: RegistryDocument,
    *,
    since: int,
    now: int,
    default_zone: str,
) -> Supposed:
    """Return what applying a registry, effective from ``since`` on, would make; take it back."""
    async with rehearsal(conn):
        changes = await apply_registry(
            conn,
            registry_rows(document, default_zone),
            effective=from_micros(since),
            source=document.source,
            digest=document.digest,
        )
        channels = await read_touched(conn, changes.version) if changes else []
        changed = layout_of(await load_registry(conn, now, default_zone))
        changed_view = await view_of(conn, changed, channels, default_zone)
        names = await read_names(conn, channels)
    present = layout_of(await load_registry(conn, now, default_zone))
    present_view = await view_of(conn, present, channels, default_zone)
    wanted = np.array(channels, np.int32)
    return Supposed(changes, present_view, changed_view, wanted, names)


async def what_if(  # noqa: PLR0913 - the question and whom to tell
    conn: asyncpg.Connection,
    supposed: Supposed,
    span: tuple[int, int],
    *,
    now: int,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
    remark: Callable[[str], None] = lambda _: None,
) -> WhatIf:
    """Return the comparison of [start, end) under both registries, ready to be made."""
    archive = await Archive.of(conn, supposed.changed.layout.channels, now)
    return WhatIf(archive, supposed, *span, advance, remark)
