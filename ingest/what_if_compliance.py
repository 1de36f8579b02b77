"""Compliance by rule sets judged under two registries, from stored block means.

Where the supposed registry judges what has no stored blocks (a channel derived in another way, a
window that nobody asked for yet) they are made from the readings, as far back as those are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.compliance import VERDICT
from alerts.core.vocabulary import DAY, HOUR, NEVER
from alerts.deriving import with_derived
from alerts.matrix import NO_ROWS
from alerts.scope import changes_of, judge_scopes
from ingest.archive import Archive, Needed, bulk_of, groups, valid_of
from ingest.compliance import CELLS, CHANNELS_AT_ONCE, SETTLED
from ingest.compliance_begun import begun_of
from ingest.compliance_data import Chunk, arranged
from ingest.what_if_compare import compared_verdicts
from storage.compliance import read_conditions
from storage.parts import read_parts
from storage.rehearsal import first_readings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from alerts.bulk import Bulk
    from alerts.core.compliance import Condition
    from alerts.layout import Layout
    from ingest.what_if_differences import Differences, Tally
    from storage.parts import Parts

    Channels = NDArray[np.int32]
    Rows = NDArray[np.void]
    Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class View:
    """A registry as history is judged by it: ``layout`` by the engine, the rest by rule sets."""

    layout: Layout
    conditions: list[Condition]
    parts: list[Parts]

    def reads_alike(self, other: View, channels: Channels) -> NDArray[np.bool_]:
        """Tell which channels ``other`` has too, with the same period, days and derivation."""
        mine, theirs = self.layout, other.layout
        alike = channels < min(mine.channels, theirs.channels)
        known = channels[alike]
        zones = np.array([*mine.zones, *theirs.zones], object)
        days = zones[mine.zone[known]] == zones[theirs.zone[known] + len(mine.zones)]
        same = ~np.isin(known, list(mine.derived.changed_since(theirs.derived)))
        alike[alike] = (mine.period[known] == theirs.period[known]) & days & same
        return alike

    def keeps(self, channels: Channels, window: int) -> NDArray[np.bool_]:
        """Tell of which channels blocks of ``window`` are stored."""
        here = self.layout.block_window == window
        return np.isin(channels, self.layout.block_channel[here])


async def view_of(
    conn: asyncpg.Connection, layout: Layout, channels: Sequence[int], default_zone: str
) -> View:
    """Return a registry as ``conn`` sees it, with the conditions on some channels."""
    conditions = await read_conditions(conn, channels, default_zone)
    judged = sorted({one.channel for one in conditions})
    return View(layout, conditions, await read_parts(conn, judged))


async def compare_compliance(
    archive: Archive, views: tuple[View, View], span: Span, tally: Tally
) -> AsyncIterator[Differences]:
    """Yield the periods of [start, end) that would be judged otherwise; ``tally`` counts all."""
    present, changed = views
    channels = sorted({one.channel for view in views for one in view.conditions})
    pending = [
        channels[at : at + CHANNELS_AT_ONCE] for at in range(0, len(channels), CHANNELS_AT_ONCE)
    ]
    while pending:
        some = pending.pop(0)
        chunks = [await _chunk(archive, views, view, some, span) for view in (present, changed)]
        rows = max(chunk.rows for chunk in chunks)
        if len(some) > 1 and len(some) * rows > CELLS:
            half = len(some) // 2
            pending[:0] = [some[:half], some[half:]]
            continue
        before, after = [await _judged(archive, chunk) for chunk in chunks]
        yield compared_verdicts(before, after, tally)


async def _judged(archive: Archive, chunk: Chunk) -> Rows:
    if not len(chunk.changes):
        return np.zeros(0, VERDICT)
    averages = await chunk.averages(archive.conn)
    until = archive.now - SETTLED
    return judge_scopes(chunk.scopes, averages, chunk.columns, chunk.changes, until).rows


async def _chunk(
    archive: Archive, views: tuple[View, View], view: View, some: Sequence[int], span: Span
) -> Chunk:
    until = archive.now - SETTLED
    conditions = [one for one in view.conditions if one.channel in set(some)]
    parts = [one for one in view.parts if one.channel in set(some)]
    begun = await begun_of(archive.conn, conditions, parts)
    if view is views[1]:
        # Of one that is only supposed to be there, its blocks outside normal operation may be.
        every, known = (one.channel for one in parts), views[0].layout.channels
        lacking = [one for one in every if one >= known or one not in begun]
        begun |= {
            channel: min(since, begun.get(channel, since))
            for channel, since in (await _first(archive, view, lacking)).items()
        }
    spans = dict.fromkeys(some, span)
    judged = dict.fromkeys((one.limit for one in conditions), span[0])
    # A change in a span that begins later than all judged: only its own periods are asked for.
    changes = changes_of(conditions, spans, judged, begun, until)
    changes = changes[changes["first"] <= min(span[1], until)]
    channels = [one.channel for one in parts]
    chunk = arranged(conditions, parts, channels, changes, until)
    if view is views[0]:
        return chunk
    named = (chunk.conditions, chunk.parts, chunk.columns, chunk.changes, chunk.scopes, chunk.spans)
    return Supposed(*named, archive, views, span[0])


async def _first(archive: Archive, view: View, channels: Sequence[int]) -> dict[int, int]:
    """Return where channels begin of which no blocks are stored: by their readings."""
    wanted = np.array(channels, np.int32)
    derived = view.layout.derived
    found = await first_readings(archive.conn, derived.sources(wanted).tolist())
    first = np.full(view.layout.channels, NEVER)
    first[list(found)] = list(found.values())
    first = with_derived(derived, first)
    return {
        channel: max(int(first[channel]) // HOUR * HOUR, archive.kept_from)
        for channel in channels
        if first[channel] != NEVER
    }


@dataclass(frozen=True, slots=True)
class Supposed(Chunk):
    """What is judged under a registry that is not in force, effective from ``since`` on."""

    archive: Archive
    views: tuple[View, View]
    since: int

    async def blocks(
        self, conn: asyncpg.Connection, channels: Channels, window: int, *span: int
    ) -> Rows:
        """Return stored blocks, and those made from readings of which none are stored."""
        stored = await Chunk.blocks(self, conn, channels, window, *span)
        wanted = np.unique(channels[channels > 0]).astype(np.int32)
        present, changed = self.views
        alike = changed.reads_alike(present, wanted)
        lacking = wanted[~(alike & present.keeps(wanted, window))]
        known_otherwise = wanted[~alike & (wanted < present.layout.channels)]
        lacked = groups(changed.layout, lacking, *span)
        made = [await self._made(group, window, *span) for group in lacked]
        rows = np.concatenate([no_rows(), *made])
        # What is derived otherwise than before was so until the change.
        earlier = rows["start"] + window <= self.since
        rows = rows[~(np.isin(rows["channel"], known_otherwise) & earlier)]
        kept = ~np.isin(_keys(stored), _keys(rows))
        later = stored["start"] + window > self.since
        later &= stored["start"] >= self.archive.kept_from  # what is older stays as decided
        kept &= ~(np.isin(stored["channel"], known_otherwise) & later)
        return np.concatenate([rows, _figures(stored[kept])])

    async def _made(self, group: Channels, window: int, start: int, end: int) -> Rows:
        layout, archive = self.views[1].layout, self.archive
        if window % int(layout.period[group[0]]):
            return no_rows()
        until = np.minimum(end, archive.judged_until(layout, group)[1])
        begin = max(start, archive.kept_from)
        if begin >= until.max():
            return no_rows()
        rows = await archive.read(layout, group, begin - DAY, until)
        valid = valid_of(layout, group, rows, Needed(begin - DAY, begin), until)
        made = _block_rows(bulk_of(layout, group, valid, until), group, window, until)
        return made[made["start"] >= begin]


def _figures(stored: Rows) -> Rows:
    rows: Rows = np.zeros(len(stored), NO_ROWS.dtype)
    for name in NO_ROWS.dtype.names:
        rows[name] = stored[name]
    return rows


def no_rows() -> Rows:
    """Return no blocks."""
    return np.zeros(0, NO_ROWS.dtype)


def _block_rows(bulk: Bulk, group: Channels, window: int, until: NDArray[np.int64]) -> Rows:
    blocks, first = bulk.blocks(window), bulk.valid.first
    finish = blocks.finish[:, None]
    there = (finish > first) & (first != NEVER) & (finish <= until)
    place, column = np.nonzero(there)
    rows: Rows = np.zeros(len(place), NO_ROWS.dtype)
    rows["channel"], rows["start"] = group[column], blocks.start[place]
    rows["expected"] = blocks.expected[place]
    for name in ("mean", "total", "count"):
        rows[name] = getattr(blocks, name)[place, column]
    return rows


def _keys(rows: Rows) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = (rows["channel"].astype(np.int64) << 34) | (
        rows["start"] // 1_000_000
    )
    return keys
