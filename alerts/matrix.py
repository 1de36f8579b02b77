"""Short-term averages as a matrix of time and channels, made of stored blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.shortterm import Made, ShortTerm
from alerts.core.vocabulary import HOUR, MINUTE
from alerts.core.zones import block_edges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from alerts.core.chain import Chains, Role

    Rows = NDArray[np.void]
    Channels = NDArray[np.int32]

QUARTER = 15 * MINUTE
NO_ROWS: Any = np.zeros(
    0,
    [("channel", "i4"), ("start", "i8"), ("mean", "f8"), ("total", "f8"), ("count", "i4"),
     ("expected", "i4")],
)  # fmt: skip


class _Grid:
    """Blocks of some channels put where they belong: T windows of n columns.

    ``channels`` (n,): of which channel each column is, 0 for none; one may stand in several. Or
    (T, n), where that changes.
    """

    def __init__(self, rows: Rows, starts: NDArray[np.int64], channels: Channels) -> None:
        numbers = np.unique(channels)
        self._column = np.searchsorted(numbers, channels)
        place = np.minimum(np.searchsorted(starts, rows["start"]), len(starts) - 1)
        column = np.minimum(np.searchsorted(numbers, rows["channel"]), len(numbers) - 1)
        ours = (starts[place] == rows["start"]) & (numbers[column] == rows["channel"])
        self._rows, self._at = rows[ours], (place[ours], column[ours])
        self._shape = (len(starts), len(numbers))

    def of(self, field: str, empty: float, kind: str) -> NDArray[Any]:
        """Return a field of the blocks, (T, n); ``empty`` where there is none."""
        found = np.full(self._shape, empty, kind)
        found[self._at] = self._rows[field]
        if self._column.ndim == 1:
            return found[:, self._column]
        return np.take_along_axis(found, self._column, axis=1)


def load_of(rows: Rows, starts: NDArray[np.int64], channels: Channels) -> NDArray[np.float64]:
    """Return the means of some channels' blocks, (T, n); NaN where there is none."""
    found: NDArray[np.float64] = _Grid(rows, starts, channels).of("mean", np.nan, "f8")
    return found


def made_of(
    chains: Chains,
    members: Mapping[Role, Channels],
    rows: Rows,
    quarters: Rows | None,
    short: ShortTerm,
) -> Made:
    """Return the members that ``chains`` make averages of, from their blocks of the same windows.

    ``members`` (n,) by role, 0 where a chain has none. A member's mean counts with the values that
    its chain requires. ``quarters``: blocks of 15 min, None where nobody asks for quadrants.
    """
    means, counts, have = {}, {}, {}
    for role, channels in members.items():
        grid = _Grid(rows, short.start, channels)
        enough = grid.of("count", 0, "i4") >= chains.required[role]
        means[role] = np.where(enough, grid.of("mean", np.nan, "f8"), np.nan)
        slots = np.maximum(grid.of("expected", 0, "i4"), 1)
        counts[role] = grid.of("count", 0, "i4") * np.maximum(short.expected // slots, 1)
        if quarters is not None and short.rows:
            have[role] = _quarters(quarters, short.start, short.finish, channels)
    return Made(chains, means, counts, have)


def windows(
    window: int, zone: str, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (start, finish) of the short-term averages that lie in [start, end), whole ones."""
    starts, finishes = block_edges(window, zone, start, end)
    whole = (starts >= start) & (finishes <= end)
    return starts[whole], finishes[whole]


def short_term(
    starts: NDArray[np.int64],
    finishes: NDArray[np.int64],
    columns: Mapping[str, Channels],
    rows: Mapping[str, Rows],
) -> ShortTerm:
    """Return the short-term averages of ``windows``.

    ``columns`` names for "value", "idle", "mark", "serviced" and "main" the channel of each of the
    n columns, 0 where it has none, the "main" one maybe of each window (T, n); ``rows`` holds the
    blocks of each as stored, "quarters" those of 15 min of the "main" and of the value channel;
    absent where nobody asks for quadrants. A block is an array of ``channel``, ``start``, ``mean``,
    ``total``, ``count`` and ``expected``.

    A slot is what value and idle blocks have in common: where a derived value is made each minute
    of a channel that is measured every 10 s, it is 10 s. Where a "main" channel stands behind the
    value (first averaged, then normalised: one value a window), its slots are the value's. Where
    several values make a window, each had all that it is computed from, and they are counted.
    """
    shape = (len(starts), len(columns["value"]))
    if not all(shape):
        none = np.zeros(shape, np.int32)
        return ShortTerm(
            start=starts, finish=finishes, mean=np.full(shape, np.nan), count=none, expected=none
        )
    value = _Grid(rows["value"], starts, columns["value"])
    count, expected = value.of("count", 0, "i4"), value.of("expected", 0, "i4")
    # Of each hour: the recipe may have changed meanwhile. Without values it is as the others are.
    few = np.where(expected > 0, expected, expected.max(axis=0)) <= 1
    behind = (columns["main"] > 0) & few
    if behind.any():
        main = _Grid(rows.get("main", NO_ROWS), starts, columns["main"])
        made = (count > 0) & behind
        count = np.where(behind, np.where(made, main.of("count", 0, "i4"), 0), count)
        expected = np.where(behind, main.of("expected", 0, "i4"), expected)
    mark = _Grid(rows.get("mark", NO_ROWS), starts, columns["mark"]).of("count", 0, "i4")
    marked = np.where(behind, np.where(mark > 0, count, 0), mark)
    service = _Grid(rows.get("serviced", NO_ROWS), starts, columns["serviced"])
    outside = _Grid(rows.get("idle", NO_ROWS), starts, columns["idle"])
    idle, slots = outside.of("count", 0, "i4"), outside.of("expected", 0, "i4")
    starting = np.rint(outside.of("total", 0.0, "f8")).astype(np.int32)
    expected = np.where(expected > 0, expected, _usual(expected, slots))
    slots = np.where(slots > 0, slots, expected)
    common = np.lcm(expected, slots)
    times, idle_times = common // expected, common // slots
    quarters = np.full((1, 1), 4, np.int8)
    if "quarters" in rows:
        quarters = _quarters(rows["quarters"], starts, finishes, columns["value"])
        if behind.any():
            others = _quarters(rows["quarters"], starts, finishes, columns["main"])
            quarters = np.where(behind, others, quarters)
    return ShortTerm(
        start=starts,
        finish=finishes,
        mean=value.of("mean", np.nan, "f8"),
        count=count * times,
        expected=common,
        idle=idle * idle_times,
        stopped=np.maximum(idle - starting, 0) * idle_times,
        quarters=quarters,
        marked=marked * times,
        serviced=service.of("count", 0, "i4"),
    )


def _usual(expected: NDArray[np.int32], slots: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return how many slots to expect where nothing was stored: as many as there are elsewhere."""
    usual = expected.max(axis=0)
    found: NDArray[np.int32] = np.where(usual > 0, usual, np.maximum(slots.max(axis=0), 1))
    return np.broadcast_to(found, expected.shape)


def _quarters(
    rows: Rows, starts: NDArray[np.int64], finishes: NDArray[np.int64], channels: Channels
) -> NDArray[np.int8]:
    """Return in how many of its 15-minute blocks each window has a value, 4 of an hour at most."""
    if int(finishes[0] - starts[0]) != HOUR:
        return np.full((1, 1), 4, np.int8)
    four = (starts[:, None] + np.arange(4) * QUARTER).reshape(-1)
    if channels.ndim > 1:
        channels = channels.repeat(4, axis=0)
    have = _Grid(rows, four, channels).of("count", 0, "i4") > 0
    counted: NDArray[np.int8] = have.reshape(len(starts), 4, -1).sum(axis=1).astype(np.int8)
    return counted
