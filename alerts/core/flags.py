"""Quality flags of values: they inform, and only ``RANGE`` keeps a value out of averages.

``RANGE`` and ``NEGATIVE`` tell of a value alone and are stored with it. ``STUCK`` and ``JUMP``
tell of a value among those before it: they are derived whenever readings are read, so that the
order in which readings arrived decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Course:
    """Readings of channels, sorted by channel and time, and what is allowed; parallel arrays.

    Only readings with status valid and a value, those outside the range too. ``time``, ``period``
    and ``stuck_after`` (0: not checked) are microseconds; ``max_step`` (NaN, infinite or 0: not
    checked) is the change allowed in a period.
    """

    channel: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    period: NDArray[np.int64]
    stuck_after: NDArray[np.int64]
    max_step: NDArray[np.float64]


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


def longest_pause(period: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how far apart (us) readings may lie to be compared; after more, all begins anew."""
    pause: NDArray[np.int64] = np.maximum(HOUR, 2 * period)
    return pause


def course_flags(course: Course) -> NDArray[np.int16]:
    """Flag readings as STUCK or JUMP by those before them, across no more than a longest pause.

    STUCK: unchanged for longer than ``stuck_after``. JUMP: changed by more than ``max_step`` for
    each period since the reading before, at least one. What lies further back than
    ``stuck_after`` and a longest pause changes no flag.
    """
    time, value = course.time, course.value
    elapsed = np.diff(time, prepend=time[:1])
    change = np.abs(np.diff(value, prepend=value[:1]))
    may = course.max_step * np.maximum(1.0, elapsed / course.period)
    jump = _follows(course) & (course.max_step > 0) & (change > may)
    lasted = time - time[_run(course)]
    stuck = (course.stuck_after > 0) & (lasted > course.stuck_after)
    return _mask(stuck, Flag.STUCK) | _mask(jump, Flag.JUMP)


def undecided(course: Course, asked: NDArray[np.bool_], low: int) -> NDArray[np.int32]:
    """Return the channels whose flags may change when readings before ``low`` (us) are added.

    ``course`` holds all readings from ``low`` on up to the last one asked about; only the flags of
    the readings ``asked`` count. A channel is decided once the value, or a longest pause, before
    that of its first reading asked about is known, or when it has lasted long enough anyway.
    """
    rows = np.flatnonzero(asked)
    channel, places = np.unique(course.channel[rows], return_index=True)
    if not len(rows):
        return channel
    first = rows[places]
    oldest = np.searchsorted(course.channel, channel)
    begun = _run(course)[first] > oldest
    alone = course.time[oldest] - low >= longest_pause(course.period[oldest])
    allowed = np.maximum.reduceat(course.stuck_after[rows], places)
    enough = course.time[first] - course.time[oldest] > allowed
    found: NDArray[np.int32] = channel[~(begun | alone | enough)]
    return found


def _follows(course: Course) -> NDArray[np.bool_]:
    """Return which readings are compared with the one before them."""
    near = np.zeros(len(course.time), np.bool_)
    near[1:] = np.diff(course.time) <= longest_pause(course.period[1:])
    near[1:] &= course.channel[1:] == course.channel[:-1]
    return near


def _run(course: Course) -> NDArray[np.int64]:
    """Return for each reading the place of the first of the unchanged ones that it ends."""
    same = _follows(course)
    same[1:] &= course.value[1:] == course.value[:-1]
    run: NDArray[np.int64] = np.maximum.accumulate(np.where(same, 0, np.arange(len(same))))
    return run


def _mask(where: NDArray[np.bool_], flag: Flag) -> NDArray[np.int16]:
    return np.where(where, np.int16(flag), np.int16(0))
