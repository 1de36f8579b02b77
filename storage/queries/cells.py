"""The blocks that a list must show, whether anything is stored of them or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.zones import block_edges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_WIDER = 4  # times, after a stretch of time without any block to show


@dataclass(frozen=True, slots=True)
class Series:
    """Rows of blocks, one after the other; parallel arrays.

    Row i shows, under ``id``, the blocks of ``window`` in ``zone`` that end after ``low`` and not
    after ``high``. Ids may repeat where their stretches do not overlap. All int64 microseconds.
    """

    id: NDArray[np.int64]
    window: NDArray[np.int64]
    zone: Sequence[str]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """Blocks in order of start and id; ``row`` is the row of the series. Parallel arrays."""

    row: NDArray[np.int64]
    id: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many blocks there are."""
        return len(self.row)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Cells:
        """Return some of the blocks."""
        return Cells(self.row[rows], self.id[rows], self.start[rows], self.end[rows])


def cells(series: Series, start: int, end: int, after: tuple[int, int], n: int) -> Cells:
    """Return the first ``n`` blocks with start <= block start < end, behind the key ``after``.

    The key is (block start, id); fewer than ``n`` are all that there are.
    """
    found: list[Cells] = []
    for part in _stretches(series, max(start, after[0]), end, n):
        behind = (part.start > after[0]) | ((part.start == after[0]) & (part.id > after[1]))
        found.append(part.take(behind))
        if sum(map(len, found)) >= n:
            break
    return joined(found).take(slice(n))


def joined(parts: Sequence[Cells]) -> Cells:
    """Return the blocks of all parts, in the order of the parts."""
    none = np.zeros(0, np.int64)
    return Cells(
        *(
            np.concatenate([none, *(getattr(part, name) for part in parts)])
            for name in ("row", "id", "start", "end")
        )
    )


def _stretches(series: Series, start: int, end: int, n: int) -> Iterator[Cells]:
    """Yield the blocks of one stretch of time after the other, each about ``n`` of them."""
    if not len(series.id):
        return
    longest = int(series.window.max())
    start = max(start, int(series.low.min()) - longest)
    end = min(end, int(series.high.max()))
    length = max(longest, int(n / float((1.0 / series.window).sum())))
    while start < end:
        until = min(start + length, end)
        part = _blocks(series, start, until)
        yield part
        start = until
        length = length if len(part) else length * _WIDER


def _blocks(series: Series, start: int, end: int) -> Cells:
    parts = []
    for (window, zone), rows in _grids(series).items():
        starts, ends = block_edges(window, zone, start, end)
        begun = starts >= start
        starts, ends = starts[begun], ends[begun]
        shown = (ends > series.low[rows, None]) & (ends <= series.high[rows, None])
        member, block = np.nonzero(shown)
        row = rows[member]
        parts.append(Cells(row, series.id[row], starts[block], ends[block]))
    everything = joined(parts)
    return everything.take(np.lexsort((everything.id, everything.start)))


def _grids(series: Series) -> dict[tuple[int, str], NDArray[np.int64]]:
    members: dict[tuple[int, str], list[int]] = {}
    for row, grid in enumerate(zip(series.window.tolist(), series.zone, strict=True)):
        members.setdefault(grid, []).append(row)
    return {grid: np.array(rows, np.int64) for grid, rows in members.items()}
