"""Bringing readings into order, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def by_row(rows: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64] | slice:
    """Return what sorts ``rows`` (0 and up) stably: places, or a slice where they are sorted."""
    if (rows[1:] >= rows[:-1]).all():
        return slice(None)
    # Row and place in one number: numpy's plain sort is several times as fast as a stable argsort.
    bits = len(rows).bit_length()
    keys = np.sort((rows.astype(np.int64) << bits) | np.arange(len(rows)))
    return keys & ((1 << bits) - 1)
