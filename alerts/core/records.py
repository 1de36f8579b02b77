"""What the engine decides, as values: block means, judgements, alerts and their history.

Instants and durations are int64 microseconds; means are in the channel's unit of measure, NaN
where a block holds no valid reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from numpy.typing import NDArray

# Kinds of alerts.
LIMIT = "limit"  # a rolling mean over a limit or near it
FORECAST = "forecast"  # a limit that will be broken if things go on as they do
DISAGREEMENT = "disagreement"  # a mean that its operator reports otherwise


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings that one committed batch stored or revised; parallel arrays.

    ``valid``: enters averages. ``fresh``: newer than everything known of its channel before.
    ``status`` is a ``Status``.
    """

    batch: int
    received_at: int
    channel: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    valid: NDArray[np.bool_]
    fresh: NDArray[np.bool_]
    status: NDArray[np.int8]

    def take(self, rows: NDArray[np.intp]) -> Readings:
        """Return some of them."""
        arrays = ("channel", "time", "value", "valid", "fresh", "status")
        return Readings(
            self.batch, self.received_at, *(getattr(self, name)[rows] for name in arrays)
        )


@dataclass(frozen=True, slots=True)
class Series:
    """Current readings of one channel, ascending; ``valid`` ones enter averages."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    valid: NDArray[np.bool_]
    status: NDArray[np.int8]


class _Rows:
    """Parallel arrays, by the names and types of ``DTYPES``."""

    __slots__ = ()
    DTYPES: ClassVar[dict[str, Any]]
    start: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, in their order."""
        return cls(
            *(
                np.concatenate([np.zeros(0, dtype), *(getattr(part, name) for part in parts)])
                for name, dtype in cls.DTYPES.items()
            )
        )

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.start)


@dataclass(frozen=True, slots=True)
class BlockRows(_Rows):
    """Means of blocks [start, finish); parallel arrays. ``count`` is slots, ``samples`` values."""

    DTYPES: ClassVar[dict[str, Any]] = {
        "channel": np.int32,
        "window": np.int64,
        "start": np.int64,
        "finish": np.int64,
        "mean": np.float64,
        "total": np.float64,
        "samples": np.int32,
        "count": np.int32,
        "expected": np.int32,
    }

    channel: NDArray[np.int32]
    window: NDArray[np.int64]
    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    mean: NDArray[np.float64]
    total: NDArray[np.float64]
    samples: NDArray[np.int32]
    count: NDArray[np.int32]
    expected: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class JudgementRows(_Rows):
    """Judgements of blocks by limit versions; parallel arrays. ``state`` is a ``Judgement``."""

    DTYPES: ClassVar[dict[str, Any]] = {
        "limit": np.int32,
        "version": np.int32,
        "start": np.int64,
        "finish": np.int64,
        "mean": np.float64,
        "count": np.int32,
        "expected": np.int32,
        "state": np.int16,
    }

    limit: NDArray[np.int32]
    version: NDArray[np.int32]
    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    mean: NDArray[np.float64]
    count: NDArray[np.int32]
    expected: NDArray[np.int32]
    state: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands: states and severities are the names that the API writes.

    ``changed_at`` is the M of its last change of state or severity, ``late`` that late or revised
    data opened it or changed its course. ``kind`` is ``LIMIT`` for the engine's own, from rolling
    means; then ``channel`` and ``average`` are the limit's and stand nowhere else (0 and ""). An
    alert of another kind may have no limit (``limit`` and ``version`` 0): it names its channel and
    the average that it is about.
    """

    id: UUID
    limit: int
    version: int
    state: str
    severity: str
    worst: str
    opened_at: int
    resolved_at: int | None
    peak: float
    peak_at: int
    value: float
    changed_at: int
    silent_since: int | None = None
    late: bool = False
    replaced_by: UUID | None = None
    kind: str = LIMIT
    channel: int = 0
    average: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an alert's history; ``evidence`` is the window that the change rests on."""

    alert: UUID
    at: int
    change: str
    state: str
    severity: str
    value: float | None
    evidence: dict[str, Any] | None


def unequal(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where two arrays say something else; NaN, no value, is the same as NaN."""
    absent = (ours != ours) & (theirs != theirs)  # noqa: PLR0124 - NaN, in arrays of any kind
    unlike: NDArray[np.bool_] = (ours != theirs) & ~absent
    return unlike
