"""Rows of two accounts of the same history, stored and made again or made in two ways, paired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.records import unequal
from alerts.core.vocabulary import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Rows = NDArray[np.void]
    Places = NDArray[np.intp]


def rows_of(
    table: Any,  # noqa: ANN401 - whatever has the columns
    here: NDArray[np.bool_],
    dtype: np.dtype[np.void],
    columns: Iterable[str] | None = None,
) -> Rows:
    """Return some rows of parallel arrays as records of ``dtype``; other columns stay zero."""
    rows = np.zeros(int(here.sum()), dtype)
    for name in columns or dtype.names or ():
        rows[name] = getattr(table, name)[here]
    return rows


def paired(ours: Rows, theirs: Rows, owner: str, time: str) -> tuple[Places, Places]:
    """Return the places, in each, of the rows of one ``owner`` and ``time`` (us, whole seconds)."""
    mine, other = (
        (rows[owner].astype(np.int64) << 34) | (rows[time] // SECOND) for rows in (ours, theirs)
    )
    _, a, b = np.intersect1d(mine, other, assume_unique=True, return_indices=True)
    return a, b


def differ(
    ours: Rows, theirs: Rows, pairs: tuple[Places, Places], columns: Iterable[str]
) -> NDArray[np.bool_]:
    """Tell which pairs differ in any of ``columns``; NaN is the same as NaN."""
    a, b = pairs
    other = np.zeros(len(a), np.bool_)
    for name in columns:
        other |= unequal(ours[name][a], theirs[name][b])
    return other


def lone(rows: Rows, pairs: Places, holds: str | None = None) -> Places:
    """Return the places of rows that no pair has; only of those whose ``holds`` is not 0."""
    alone = np.ones(len(rows), np.bool_) if holds is None else rows[holds] > 0
    alone[pairs] = False
    return np.flatnonzero(alone)
