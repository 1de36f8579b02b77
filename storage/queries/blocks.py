"""Pages of blocks: what is stored, and the empty blocks where nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.queries.cells import Cells, Series, cells
from storage.queries.page import FIRST_INSTANT, Key, Part
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from asyncpg import Record

    from storage.queries.page import Span

BEFORE_ALL: Key = (FIRST_INSTANT, -1)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a series: a stored row, or None where no valid reading was; row of the series."""

    id: int
    start: datetime
    end: datetime
    stored: Record | None
    row: int | None

    @property
    def key(self) -> Key:
        """Where it stands in the list."""
        return self.start, self.id


@dataclass(frozen=True, slots=True)
class Stored:
    """How stored blocks are found.

    ``between(after, last, limit)`` returns current rows with ``start``, ``finish`` and ``id`` whose
    key (start, id) is above the one and not above the other, in that order. ``overlapping(ids,
    starts, ends)`` returns the positions of those blocks that a stored one overlaps.
    """

    between: Callable[[Key, Key, int], Awaitable[Sequence[Record]]]
    overlapping: Callable[[list[int], list[datetime], list[datetime]], Awaitable[set[int]]]


async def blocks_page(
    series: Series, stored: Stored, span: Span, part: Part
) -> tuple[list[Block], Key | None]:
    """Return the next blocks, and the key behind which more follow if there are more.

    A stored block is shown as it was stored, whatever the series says, and hides the empty ones
    that it overlaps: blocks follow another grid where an enterprise moved to another zone.
    """
    found: list[Block] = []
    after = part.after
    while True:
        some, last = await _some(series, stored, span, Part(after, part.limit))
        found += some
        if last is None or len(found) > part.limit:
            break
        after = last
    if len(found) <= part.limit:
        return found, None
    return found[: part.limit], found[part.limit - 1].key


async def _some(
    series: Series, stored: Stored, span: Span, part: Part
) -> tuple[list[Block], Key | None]:
    """Return blocks behind a key, and the key up to which they are complete (None: to the end)."""
    begin, end = to_micros(span.start), to_micros(span.end)
    after = to_micros(part.after[0]), part.after[1]
    wanted = cells(series, begin, end, after, part.limit + 1)
    last: Key | None = None
    if len(wanted) > part.limit:
        last = from_micros(int(wanted.start[-1])), int(wanted.id[-1])
    first = max(part.after, (span.start, -1))
    rows = await stored.between(first, last or (span.end, -1), part.limit + 1)
    if len(rows) > part.limit:
        last = _key(rows[-1])
    empty = await _empty(wanted, rows, stored, last or (span.end, -1))
    known = (Block(row["id"], row["start"], row["finish"], row, None) for row in rows)
    return sorted(chain(known, empty), key=lambda block: block.key), last


async def _empty(wanted: Cells, rows: Sequence[Record], stored: Stored, last: Key) -> list[Block]:
    have = {_key(row) for row in rows}
    blocks = [
        Block(int(number), from_micros(int(start)), from_micros(int(end)), None, int(row))
        for number, start, end, row in zip(
            *(part.tolist() for part in (wanted.id, wanted.start, wanted.end, wanted.row)),
            strict=True,
        )
    ]
    blocks = [block for block in blocks if block.key not in have and block.key <= last]
    hidden = await stored.overlapping(
        [block.id for block in blocks],
        [block.start for block in blocks],
        [block.end for block in blocks],
    )
    return [block for place, block in enumerate(blocks) if place not in hidden]


def _key(row: Record) -> Key:
    return row["start"], row["id"]


def series_of(rows: Sequence[tuple[int, int, str, int, int]]) -> Series:
    """Return the series of rows (id, window, zone, low, high)."""
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 5
    numbers = [np.array(column, np.int64) for column in (*columns[:2], *columns[3:])]
    return Series(numbers[0], numbers[1], columns[2], numbers[2], numbers[3])
