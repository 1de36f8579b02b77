"""Decides what each reading is, given what is stored of its (channel, time).

The rules are those of contracts.md, section 2: equal to the current revision is a duplicate, equal
to an older one is a duplicate if the message was received before, anything else is a revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from storage.received import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Readings to decide on, in order of receipt; ``key`` numbers their (channel, time)."""

    key: NDArray[np.int64]
    value: NDArray[np.float64]
    status: NDArray[np.int16]
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stored:
    """All that is stored of the same keys, sorted by key and revision."""

    key: NDArray[np.int64]
    value: NDArray[np.float64]
    status: NDArray[np.int16]
    revision: NDArray[np.int32]


def classify(rows: Candidates, stored: Stored) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return for each row its Outcome and the number of its revision (0: a first reading).

    NaN, which stands for "no value", equals NaN.
    """
    outcome = np.full(len(rows.key), Outcome.STORED, np.uint8)
    revision = np.zeros(len(rows.key), np.int32)
    if len(rows.key) == 0:
        return outcome, revision
    keys = int(rows.key.max()) + 1
    repeated = np.bincount(rows.key, minlength=keys) > 1
    _single(rows, stored, repeated, outcome, revision)
    _repeated(rows, stored, repeated, outcome, revision)
    return outcome, revision


def _same(
    value: NDArray[np.float64],
    status: NDArray[np.int16],
    other_value: NDArray[np.float64],
    other_status: NDArray[np.int16],
) -> NDArray[np.bool_]:
    equal = (value == other_value) | (np.isnan(value) & np.isnan(other_value))
    same: NDArray[np.bool_] = equal & (status == other_status)
    return same


def _single(
    rows: Candidates,
    stored: Stored,
    repeated: NDArray[np.bool_],
    outcome: NDArray[np.uint8],
    revision: NDArray[np.int32],
) -> None:
    """Decide on the rows that are alone with their key, all at once."""
    row_of_key = np.full(len(repeated), -1, np.int64)
    alone = np.flatnonzero(~repeated[rows.key])
    row_of_key[rows.key[alone]] = alone
    entries = np.flatnonzero(row_of_key[stored.key] >= 0)
    if len(entries) == 0:
        return
    key, row = stored.key[entries], row_of_key[stored.key[entries]]
    equal = _same(rows.value[row], rows.status[row], stored.value[entries], stored.status[entries])
    current = np.append(key[1:] != key[:-1], True)
    older = np.zeros(len(rows.key), np.bool_)
    older[row[equal & ~current]] = True
    at = row[current]
    duplicate = equal[current] | (older[at] & rows.seen[at])
    outcome[at] = np.where(duplicate, Outcome.DUPLICATE, Outcome.REVISED)
    revision[at] = np.where(duplicate, 0, stored.revision[entries][current] + 1)


def _repeated(
    rows: Candidates,
    stored: Stored,
    repeated: NDArray[np.bool_],
    outcome: NDArray[np.uint8],
    revision: NDArray[np.int32],
) -> None:
    """Decide on the rows that share their key, one after the other: they are few."""
    history: dict[int, list[tuple[float | None, int]]] = {}
    latest: dict[int, int] = {}
    for entry in np.flatnonzero(repeated[stored.key]).tolist():
        key = int(stored.key[entry])
        history.setdefault(key, []).append(_item(stored.value[entry], stored.status[entry]))
        latest[key] = int(stored.revision[entry])
    for row in np.flatnonzero(repeated[rows.key]).tolist():
        key, item = int(rows.key[row]), _item(rows.value[row], rows.status[row])
        known = history.setdefault(key, [])
        if known and (item == known[-1] or (rows.seen[row] and item in known)):
            outcome[row] = Outcome.DUPLICATE
            continue
        if known:
            outcome[row] = Outcome.REVISED
            revision[row] = latest[key] + 1
        latest[key] = int(revision[row])
        known.append(item)


def _item(value: np.float64, status: np.int16) -> tuple[float | None, int]:
    return None if np.isnan(value) else float(value), int(status)
