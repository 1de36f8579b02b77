"""Adding up the slots of a window: what ``Ring`` and its callers get back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.unsignedinteger]


class WindowSums:
    """The slots of one window of ``n`` channels added up, oldest first.

    ``k`` slots are to come, counted in ``counts``; ``group`` slots make a period where that is
    longer than a slot.
    """

    def __init__(self, n: int, k: int, group: int, counts: np.dtype[np.unsignedinteger]) -> None:
        # Bytes added up in 16 bits cost a quarter of what they do in 32, and 257 of them fit.
        narrow = counts == np.uint8 and k <= 257  # noqa: PLR2004 - 257 x 255 = 65,535
        self.total = np.zeros(n)
        self.samples: Counts = np.zeros(n, np.uint16 if narrow else np.uint32)
        self.count: Counts = np.zeros_like(self.samples)
        self._group = group
        self._slots = 0
        self._last = k
        self._anything = np.zeros(n if group > 1 else 0, np.bool_)

    def add(self, total: NDArray[np.float64], samples: Counts, filled: Counts) -> None:
        """Add the next slot."""
        self.total += total
        self.samples += samples
        if self._group == 1:
            self.count += filled
            return
        np.logical_or(self._anything, samples > 0, out=self._anything)
        self._slots += 1
        if self._slots % self._group == 0 or self._slots == self._last:
            self.count += self._anything
            self._anything[:] = False
