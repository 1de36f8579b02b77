"""Short-term averages as they are stored: what daily means and yearly shares are made of.

Time-major: row t is one short-term window, column c one channel. Every window of the range has its
row, also one in which nothing was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from alerts.core.chain import Chains, Role
    from alerts.core.means import IntArray


def _none() -> IntArray:
    return np.zeros((1, 1), np.int32)


def _unknown() -> NDArray[np.float64]:
    return np.full((1, 1), np.nan)


def _all_quarters() -> NDArray[np.int8]:
    return np.full((1, 1), 4, np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortTerm:
    """T short-term averages of n channels that share their windows.

    ``start``, ``finish`` (T,): int64 microseconds, ascending, windows that do not overlap.
    ``mean`` (T, n): in the channels' unit of measure; NaN where nothing was measured.
    All others are integers of shape (T, n), or of one row or column that stands for all:
    ``count``: slots with a valid value; ``expected``: slots in all.
    ``idle``: slots known to be outside normal operation; ``stopped``: of these, the ones in which
    the plant did not operate at all. A slot of which nothing is known counts as in operation.
    ``quarters``: 15-minute quadrants with a value (4 where nobody asked).
    ``marked``: slots that rest on a substitute value. ``serviced``: slots in which the AMS was
    calibrated or maintained.
    ``load`` (T, n): the source's load in any unit, float64, NaN where it is not known. ``made``:
    the members of averages that are computed of some, where gaps of each are filled apart.

    Raises ValueError, saying what was expected, for shapes that do not fit and unordered windows.
    """

    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    mean: NDArray[np.float64]
    count: IntArray
    expected: IntArray
    idle: IntArray = field(default_factory=_none)
    stopped: IntArray = field(default_factory=_none)
    quarters: NDArray[np.int8] = field(default_factory=_all_quarters)
    marked: IntArray = field(default_factory=_none)
    serviced: IntArray = field(default_factory=_none)
    load: NDArray[np.float64] = field(default_factory=_unknown)
    made: Made | None = None

    def __post_init__(self) -> None:
        """Check the shapes and the order."""
        rows = self.mean.shape[0]
        if self.start.shape != (rows,) or self.finish.shape != (rows,):
            raise ValueError(f"expected {rows} starts and finishes, one for each row of mean")
        for name in _FIGURES:
            shape = getattr(self, name).shape
            if not fits(shape, self.mean.shape):
                raise ValueError(f"expected {name} of shape {self.mean.shape}, not {shape}")
        if np.any(self.start[1:] < self.finish[:-1]):
            raise ValueError("expected windows in order of time that do not overlap")

    @property
    def rows(self) -> int:
        """Return T."""
        return len(self.mean)

    @property
    def channels(self) -> int:
        """Return n."""
        channels: int = self.mean.shape[1]
        return channels

    def first(self, rows: int) -> Self:
        """Return the first ``rows`` windows, as views."""
        return self.between(0, rows)

    def between(self, low: int, high: int) -> Self:
        """Return the windows from ``low`` to before ``high``, as views."""
        return self.part(slice(low, high), slice(None))

    def part(self, rows: slice, columns: NDArray[np.intp] | slice) -> Self:
        """Return some windows of some channels, one maybe twice; of slices views."""
        found: dict[str, Any] = {"start": self.start[rows], "finish": self.finish[rows]}
        for name in ("mean", *_FIGURES):
            found[name] = _part(getattr(self, name), self.mean.shape, rows, columns)
        if self.made is not None:
            found["made"] = self.made.part(rows, columns)
        return type(self)(**found)


@dataclass(frozen=True, slots=True)
class Made:
    """The members of averages that chains make of other averages: mass flows, of concentration.

    ``chains``: n of them. ``means``: by role the members' means (T, n), each in its channel's unit,
    NaN where it has too few values. ``counts``, ``quarters``: slots with a valid value and
    15-minute quadrants with one, of each member as ``ShortTerm`` has them of averages; without
    quarters they are those of the averages. ``later``: the same by later versions of the chains,
    each of the averages that end within its chains' ``since`` and ``until``.
    """

    chains: Chains
    means: Mapping[Role, NDArray[np.float64]]
    counts: Mapping[Role, IntArray]
    quarters: Mapping[Role, NDArray[np.int8]] = field(default_factory=dict)
    later: tuple[Made, ...] = ()

    def part(self, rows: slice, columns: NDArray[np.intp] | slice) -> Self:
        """Return some windows of some channels."""
        return type(self)(
            self.chains.take(columns),
            {role: one[rows][:, columns] for role, one in self.means.items()},
            {role: one[rows][:, columns] for role, one in self.counts.items()},
            {role: one[rows][:, columns] for role, one in self.quarters.items()},
            tuple(one.part(rows, columns) for one in self.later),
        )


_FIGURES = ("count", "expected", "idle", "stopped", "quarters", "marked", "serviced", "load")


def _part(
    values: NDArray[Any], whole: tuple[int, ...], rows: slice, columns: NDArray[np.intp] | slice
) -> NDArray[Any]:
    """Return a part of what is of shape ``whole``; a row or column that stands for all stays."""
    found = values[:, columns] if values.shape[1] == whole[1] else values
    return found[rows] if len(values) == whole[0] else found


def fits(shape: tuple[int, ...], whole: tuple[int, int]) -> bool:
    """Tell whether ``shape`` is (T, n), or of one row or one column that stands for all."""
    return len(shape) == len(whole) and all(
        have in {1, need} for have, need in zip(shape, whole, strict=True)
    )


def first_rows(values: NDArray[Any], of: int, rows: int) -> NDArray[Any]:
    """Return the first ``rows`` rows ``of`` so many, as a view; one that stands for all stays."""
    return values[:rows] if len(values) == of else values
