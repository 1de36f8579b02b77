"""When versions of the registry's entries apply: each until a later one takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import FOREVER

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


def superseded_at(entry: NDArray[Any], effective: NDArray[Any]) -> NDArray[np.int64]:
    """Return when each version gives way: the earliest start of any later version of its entry.

    Rows are sorted by entry and version. A later version that starts earlier hides this one.
    """
    until = np.full(len(entry), FOREVER, np.int64)
    same = entry[1:] == entry[:-1]
    while True:
        following = np.minimum(effective[1:], until[1:])
        changed = same & (following < until[:-1])
        if not changed.any():
            return until
        until[:-1][changed] = following[changed]
