"""Quality flags of values: they inform, and only ``RANGE`` keeps a value out of averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from alerts.core.order import by_row
from alerts.core.vocabulary import NEVER, Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class Last:
    """The newest valid reading of each channel, by channel number.

    ``time`` is int64 microseconds, NEVER where there was none; ``since`` is when the channel first
    had the ``value`` that it still has.
    """

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    since: NDArray[np.int64]

    @classmethod
    def empty(cls, channels: int) -> Self:
        """Return what is known before any reading."""
        return cls(np.full(channels, NEVER), np.full(channels, np.nan), np.full(channels, NEVER))

    def grown(self, channels: int) -> Last:
        """Return the same for more channels."""
        wider = Last.empty(max(channels, len(self.time)))
        n = len(self.time)
        wider.time[:n], wider.value[:n], wider.since[:n] = self.time, self.value, self.since
        return wider


def range_flags(
    value: NDArray[np.float64],
    low: NDArray[np.float64] | float,
    high: NDArray[np.float64] | float,
    signed: NDArray[np.bool_] | np.bool_,
) -> NDArray[np.int16]:
    """Flag values outside [low, high] as RANGE, and negative ones unless ``signed``.

    NaN bounds are no bounds; a NaN value (none) has no flags.
    """
    outside = (value < low) | (value > high)
    negative = (value < 0) & ~signed
    return _mask(outside, Flag.RANGE) | _mask(negative, Flag.NEGATIVE)


def value_flags(  # noqa: PLR0913, PLR0917 - the readings and what their channels allow
    channel: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    last: Last,
    period: NDArray[np.int64],
    stuck_after: NDArray[np.int64],
    max_step: NDArray[np.float64],
) -> NDArray[np.int16]:
    """Flag valid readings as STUCK or JUMP by those before them, and bring ``last`` up to date.

    Parallel arrays, in any order of channels; each channel's readings ascend in time and are newer
    than its last. ``period``, ``stuck_after`` (0: not checked) and ``max_step`` (NaN, infinite or
    0: not checked) are by reading. STUCK: unchanged for longer than ``stuck_after``. JUMP: changed
    by more than ``max_step`` for each period since the reading before, at least one.
    """
    flags = np.zeros(len(channel), np.int16)
    if not len(channel):
        return flags
    order = by_row(channel)
    row, at, new = channel[order], time[order], value[order]
    begins = np.diff(row, prepend=row[0] - 1) != 0
    ends = np.append(begins[1:], True)

    before_at, before = np.roll(at, 1), np.roll(new, 1)
    before_at[begins], before[begins] = last.time[row[begins]], last.value[row[begins]]
    since = _since(at, new != before, begins, last.since[row])

    known = before_at != NEVER
    elapsed = np.where(known, at - np.where(known, before_at, at), 0)
    may = max_step[order] * np.maximum(1.0, elapsed / period[order])
    jump = known & (max_step[order] > 0) & (np.abs(new - before) > may)
    stuck = (stuck_after[order] > 0) & (at - since > stuck_after[order])
    flags[order] = _mask(stuck, Flag.STUCK) | _mask(jump, Flag.JUMP)

    last.time[row[ends]], last.value[row[ends]] = at[ends], new[ends]
    last.since[row[ends]] = since[ends]
    return flags


def _since(
    at: NDArray[np.int64],
    changed: NDArray[np.bool_],
    begins: NDArray[np.bool_],
    known_since: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return since when each reading's value is what it is; readings lie channel by channel."""
    start = np.where(changed, at, known_since)
    place = np.where(changed | begins, np.arange(len(at)), 0)
    since: NDArray[np.int64] = start[np.maximum.accumulate(place)]
    return since


def _mask(where: NDArray[np.bool_], flag: Flag) -> NDArray[np.int16]:
    return np.where(where, np.int16(flag), np.int16(0))
