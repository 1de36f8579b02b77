"""Short-term averages as they are stored: what daily means and yearly shares are made of.

Time-major: row t is one short-term window, column c one channel. Every window of the range has its
row, also one in which nothing was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.means import IntArray


def _none() -> IntArray:
    return np.zeros((1, 1), np.int32)


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

    def __post_init__(self) -> None:
        """Check the shapes and the order."""
        rows = self.mean.shape[0]
        if self.start.shape != (rows,) or self.finish.shape != (rows,):
            raise ValueError(f"expected {rows} starts and finishes, one for each row of mean")
        for name in ("count", "expected", "idle", "stopped", "quarters", "marked", "serviced"):
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
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        whole = self.rows
        cut = {name: part[low:high] if len(part) == whole else part for name, part in named.items()}
        return type(self)(**cut)


def fits(shape: tuple[int, ...], whole: tuple[int, int]) -> bool:
    """Tell whether ``shape`` is (T, n), or of one row or one column that stands for all."""
    return len(shape) == len(whole) and all(
        have in {1, need} for have, need in zip(shape, whole, strict=True)
    )


def first_rows(values: NDArray[Any], of: int, rows: int) -> NDArray[Any]:
    """Return the first ``rows`` rows ``of`` so many, as a view; one that stands for all stays."""
    return values[:rows] if len(values) == of else values
