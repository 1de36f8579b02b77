"""What compliance of some channels is judged by, read from the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from alerts.carrying import NO_KEPT
from alerts.core.chain import Role
from alerts.core.periods import duration
from alerts.core.vocabulary import FOREVER, NEVER
from alerts.core.zones import block_edges
from alerts.matrix import QUARTER, load_of, made_of, short_term, windows
from alerts.scope import changes_of, scopes
from ingest.compliance_begun import begun_of
from storage import compliance
from storage.begun import read_begun
from storage.carried import read_carried
from storage.parts import Behind, Making, read_parts
from storage.registry_derived import chains_of
from storage.verdicts import judged_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from alerts.carrying import Kept
    from alerts.core.chain import Chains
    from alerts.core.compliance import Condition
    from alerts.core.shortterm import ShortTerm
    from alerts.scope import Scope
    from storage.parts import Parts

    Span = tuple[int, int]

_SECOND = 1_000_000
NOTHING_BEHIND = Behind(0, FOREVER, NEVER)
NO_MAKING = Making({"kind": "none"}, {}, FOREVER, NEVER)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Conditions on some channels, what changed for each, and what is to be judged of it.

    ``columns``: the column of each channel in the averages. ``spans``: of short-term averages that
    are needed, by their name.
    """

    conditions: list[Condition]
    parts: list[Parts]
    columns: dict[int, int]
    changes: NDArray[np.void]
    scopes: list[Scope]
    spans: dict[str, Span]

    @property
    def rows(self) -> int:
        """How many short-term averages of a channel are needed."""
        return sum(
            (end - start) // duration(name).exact for name, (start, end) in self.spans.items()
        )

    def reading(self, more: int) -> set[int]:
        """Return the channels of which a condition needs ``more`` short-term averages or more."""
        return {
            one.channel
            for scope in self.scopes
            if self._needed(scope) > more
            for one in scope.conditions
        }

    def _needed(self, scope: Scope) -> int:
        name = scope.rule.short_term
        start, end = scope.span
        return (min(end, self.spans[name][1]) - start) // duration(name).exact

    async def averages(self, conn: asyncpg.Connection) -> dict[str, ShortTerm]:
        """Return the short-term averages that are needed, by name."""
        return {name: await self._averages(conn, name) for name in self.spans}

    async def _averages(self, conn: asyncpg.Connection, name: str) -> ShortTerm:
        mine = [scope for scope in self.scopes if scope.rule.short_term == name]
        start, end = self.spans[name]
        window = duration(name).exact
        # Beyond an hour blocks begin where the days of a zone do: that is then the same for all.
        starts, finishes = windows(window, mine[0].zone, start, end)
        columns = {
            "value": self._column("channel"),
            "idle": self._column("idle"),
            "mark": self._column("mark"),
            "serviced": self._column("serviced"),
            "main": self._behind("mains", finishes),
        }
        rows = {}
        for role, channels in columns.items():
            rows[role] = await self.blocks(conn, channels, window, start, end)
        if any(scope.rule.quadrants for scope in mine):
            both = np.append(columns["main"], columns["value"])
            rows["quarters"] = await self.blocks(conn, both, QUARTER, start, end)
        short = await asyncio.to_thread(short_term, starts, finishes, columns, rows)
        return await self._with_gaps(conn, mine, short, window, start, end)

    async def _with_gaps(
        self, conn: asyncpg.Connection, mine: Sequence[Scope], short: ShortTerm, *span: int
    ) -> ShortTerm:
        """Return the averages with what their gaps are filled by, where any rule asks for it."""
        if any(scope.rule.load for scope in mine):
            load = self._behind("loads", short.finish)
            blocks = await self.blocks(conn, load, *span)
            short = replace(short, load=load_of(blocks, short.start, load))
        if any(scope.rule.apart for scope in mine):
            every = [
                member
                for part in self.parts
                for making in part.makings
                for member in making.members.values()
            ]
            members, quarters = np.array(every, np.int32), None
            blocks = await self.blocks(conn, members, *span)
            if any(scope.rule.quadrants for scope in mine):
                quarters = await self.blocks(conn, members, QUARTER, *span[1:])
            first, *later = (
                made_of(*self._chains(version), blocks, quarters, short)
                for version in range(max(len(part.makings) for part in self.parts))
            )
            short = replace(short, made=replace(first, later=tuple(later)))
        return short

    def _chains(self, version: int) -> tuple[Chains, dict[Role, NDArray[np.int32]]]:
        """Return how each column's averages are made by so many-th recipe, and of what."""
        makings = [
            part.makings[version] if version < len(part.makings) else NO_MAKING
            for part in self._ordered()
        ]
        chains = chains_of([one.recipe for one in makings])
        chains.since[:] = [one.since for one in makings]
        chains.until[:] = [one.until for one in makings]
        members = {
            role: np.array([one.members.get(role, 0) for one in makings], np.int32)
            for role in sorted({Role.MAIN, *(role for one in makings for role in one.members)})
        }
        for role, channels in members.items():
            chains.member[role] = np.where(channels > 0, channels, -1)
        return chains, members

    def _behind(self, what: str, finish: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return what stands behind each column, (n,), or each average (T, n) where it changed."""
        by_column = [getattr(part, what) for part in self._ordered()]
        versions = [*zip_longest(*by_column, fillvalue=NOTHING_BEHIND)]
        found = np.zeros(len(self.parts), np.int32)
        for one in versions:
            channel, since, until = np.array(one).T
            applies = (finish[:, None] > since) & (finish[:, None] <= until)
            found = np.where(applies, channel, found) if len(versions) > 1 else channel
        return found.astype(np.int32)

    def _column(self, role: str) -> NDArray[np.int32]:
        return np.array([getattr(part, role) for part in self._ordered()], np.int32)

    def _ordered(self) -> list[Parts]:
        return sorted(self.parts, key=lambda part: self.columns[part.channel])

    async def blocks(
        self, conn: asyncpg.Connection, channels: NDArray[np.int32], window: int, *span: int
    ) -> NDArray[np.void]:
        """Return the blocks of ``window`` of some channels (0: none) that start in a span."""
        wanted = np.unique(channels[channels > 0]).tolist()
        return await compliance.read_blocks(conn, wanted, window // _SECOND, *span)

    def begun(self) -> dict[int, int]:
        """Return where the data of the channels that are judged begin."""
        since = dict(
            zip(*(self.changes[name].tolist() for name in ("limit", "begun")), strict=True)
        )
        return {
            one.channel: since[one.limit]
            for one in self.conditions
            if one.versions and one.limit in since
        }

    def alternatives(self) -> dict[int, set[int]]:
        """Return the other limits of each limit's group of alternatives."""
        groups: dict[str, set[int]] = {}
        for one in self.conditions:
            if one.versions and (group := one.versions[-1].rule.group):
                groups.setdefault(f"{one.family} {group}", set()).add(one.limit)
        return {limit: group - {limit} for group in groups.values() for limit in group}


async def chunk_of(
    conn: asyncpg.Connection, spans: Mapping[int, Span], default_zone: str, until: int
) -> Chunk:
    """Return what has to be judged because blocks of channels changed in ``spans``."""
    channels = list(spans)
    conditions = await compliance.read_conditions(conn, channels, default_zone)
    parts = await read_parts(conn, channels)
    noted = await read_begun(conn, channels)
    begun = await begun_of(conn, conditions, parts, spans)
    spans = {  # what begins earlier than was known is another from there on
        channel: (min(first, begun[channel]), last)
        if channel in noted and channel in begun and begun[channel] < noted[channel]
        else (first, last)
        for channel, (first, last) in spans.items()
    }
    judged = await judged_until(conn, [one.limit for one in conditions])
    kept = await read_carried(conn, [one.limit for one in conditions])
    changes = changes_of(conditions, spans, judged, begun, until, kept)
    return arranged(conditions, parts, channels, changes, until, kept)


def arranged(  # noqa: PLR0913, PLR0917 - what is judged, by what and from what
    conditions: list[Condition],
    parts: list[Parts],
    channels: Sequence[int],
    changes: NDArray[np.void],
    until: int,
    kept: Mapping[int, Kept] = NO_KEPT,
) -> Chunk:
    """Return what has to be judged of ``changes``, and from which averages and what is ``kept``."""
    wanted = scopes(conditions, changes, kept)
    needed: dict[str, Span] = {}
    for scope in wanted:
        start, end = scope.span
        before = needed.get(scope.rule.short_term, (start, end))
        name = scope.rule.short_term
        needed[name] = (min(start, before[0]), max(end, before[1]))
    needed = {
        name: _aligned(name, wanted, start, min(end, until))
        for name, (start, end) in needed.items()
    }
    columns = {channel: column for column, channel in enumerate(channels)}
    return Chunk(conditions, parts, columns, changes, wanted, needed)


def _aligned(name: str, wanted: Sequence[Scope], start: int, end: int) -> Span:
    """Return the span without the short-term average that ``start`` cuts."""
    zone = next(scope.zone for scope in wanted if scope.rule.short_term == name)
    starts, _ = block_edges(duration(name).exact, zone, start, max(start + 1, end))
    return int(starts[0]), max(int(starts[0]), end)
