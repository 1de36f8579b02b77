"""Differences between two ways to judge the same history, and how many come from what to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from alerts.core.verdicts import NONE
from alerts.core.vocabulary import NEVER, Judgement, Severity
from alerts.track import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.void]
    Places = NDArray[np.intp]

NOTHING = "nothing"
STATES = (*(one.label for one in Judgement), NOTHING)
SEVERITIES = (NOTHING, *(one.label for one in Severity if one))


@dataclass(frozen=True, slots=True)
class Difference:
    """One judgement, alert or verdict as it is (``before``) and as it would be; None: not there."""

    kind: str
    limit: int
    start: int
    end: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Differences(Sequence[Difference]):
    """D differences of one kind by limit and time, put in words only when they are looked at.

    ``before`` and ``after`` (D,): rows that belong together; ``was``, ``becomes`` (D,) tell where
    there is one.
    """

    kind: str
    before: Rows
    after: Rows
    was: NDArray[np.bool_]
    becomes: NDArray[np.bool_]

    @classmethod
    def of(cls, kind: str, sides: tuple[Rows, Rows], pairs: tuple[Places, Places]) -> Differences:
        """``pairs``: places in each of the ``sides``, -1 for nothing."""
        before, after = (rows_at(side, places) for side, places in zip(sides, pairs, strict=True))
        was, becomes = (places >= 0 for places in pairs)
        key = KINDS[kind][1]
        limit = np.where(was, before["limit"], after["limit"])
        time = np.where(was, before[key], after[key])
        time = np.where(was & becomes, np.minimum(time, after[key]), time)
        order = np.lexsort((time, limit))
        return cls(kind, before[order], after[order], was[order], becomes[order])

    @property
    def limit(self) -> NDArray[np.int32]:
        """Return the limit of each, (D,)."""
        limit: NDArray[np.int32] = np.where(self.was, self.before["limit"], self.after["limit"])
        return limit

    def __len__(self) -> int:
        return len(self.was)

    @overload
    def __getitem__(self, place: int) -> Difference: ...
    @overload
    def __getitem__(self, place: slice) -> Differences: ...
    def __getitem__(self, place: int | slice) -> Difference | Differences:
        sides = self.before[place], self.after[place]
        there = self.was[place], self.becomes[place]
        if isinstance(place, slice):
            return Differences(self.kind, *sides, *there)
        told, _, start, end = KINDS[self.kind]
        some = [row for row, is_there in zip(sides, there, strict=True) if is_there]
        sides_told = (
            told(row) if is_there else None for row, is_there in zip(sides, there, strict=True)
        )
        return Difference(
            self.kind,
            int(some[0]["limit"]),
            min(int(row[start]) for row in some),
            int(some[0][end]) if end else None,
            *sides_told,
        )


def rows_at(rows: Rows, places: Places) -> Rows:
    """Return the rows at ``places``, one of zeros for -1."""
    found, there = np.zeros(len(places), rows.dtype), places >= 0
    found[there] = rows[places[there]]
    return found


@dataclass(slots=True)
class Tally:
    """How many judgements, alerts and verdicts come from which state to which."""

    changes: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        before: NDArray[np.integer],
        after: NDArray[np.integer],
        names: tuple[str, ...],
    ) -> None:
        """Count what comes from ``before`` to ``after``, places in ``names``; parallel arrays."""
        size = len(names)
        numbers = np.bincount(before.astype(np.intp) * size + after, minlength=size * size)
        for pair in np.flatnonzero(numbers).tolist():
            counter = self.changes.setdefault(kind, Counter())
            counter[names[pair // size], names[pair % size]] += int(numbers[pair])


def _judgement(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    return {
        "state": STATES[row["state"]],
        "mean": _number(row["value"]),
        "count": int(row["count"]),
        "expected": int(row["expected"]),
        "limit": _number(row["threshold"]),
        "limit_version": int(row["version"]),
    }


def _verdict(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    counted = {
        name: None if row[name] == NONE else int(row[name]) for name in ("exceeding", "allowed")
    }
    return {
        "state": STATES[row["state"]],
        "value": _number(row["value"]),
        "valid": int(row["valid"]),
        "expected": int(row["expected"]),
        **counted,
        "over": bool(row["over"]),
        "limit_version": int(row["version"]),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _alert(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    resolved = int(row["resolved_at"])
    return {
        "severity": SEVERITIES[row["worst"]],
        "opened_at": iso(int(row["opened_at"])),
        "resolved_at": None if resolved == NEVER else iso(resolved),
        "peak": float(row["peak"]),
        "peak_at": iso(int(row["peak_at"])),
    }


# Of each kind: how a row is told, what it is known by, where it starts and ends.
KINDS: dict[str, tuple[Callable[[Any], dict[str, Any]], str, str, str | None]] = {
    "judgement": (_judgement, "start", "start", "finish"),
    "verdict": (_verdict, "finish", "start", "finish"),
    "alert": (_alert, "opened_at", "opened_at", None),
}
