"""Sorts a batch: what moves the board on minute by minute, and what must be computed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, MINUTE, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from alerts.board import Board
    from alerts.core.records import Readings

MOST_ROUNDS = 64  # minutes of one channel in a batch that are cheaper to follow than to read back
FARTHEST = 3 * HOUR  # how far a channel is moved on minute by minute


@dataclass(frozen=True, slots=True)
class Round:
    """Readings of at most one minute of each channel.

    ``channel`` and ``minute`` have a row for each channel, the rest for each reading, sorted by
    channel and time.
    """

    channel: NDArray[np.int32]
    minute: NDArray[np.int64]
    rows: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    valid: NDArray[np.bool_]


def split(readings: Readings, board: Board) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that move the board on, by channel and time, and the others.

    A channel goes to the others whole: when it is not in memory, when a reading of it is no newer
    than all before or than what is judged already, or when it has too far to go.
    """
    order = np.lexsort((readings.time, readings.channel))
    if not len(order):
        return order, order
    channel, time = readings.channel[order], readings.time[order]
    minute = time // MINUTE * MINUTE
    begins, owner = _runs(channel)
    steps = np.append([True], np.diff(minute) != 0) | begins
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(order)) - 1
    members = channel[first]
    judged = board.evaluated[members]
    origin = np.where(judged == NEVER, minute[first], judged)
    plain = (
        ~board.cold[members]
        & (time[first] >= judged)
        & (minute[last] - origin <= FARTHEST)
        & (np.add.reduceat(steps.astype(np.int64), first) <= MOST_ROUNDS)
        & np.logical_and.reduceat(readings.fresh[order], first)
    )
    return order[plain[owner]], order[~plain[owner]]


def rounds(readings: Readings, plain: NDArray[np.intp]) -> Iterator[Round]:
    """Yield the rows ``plain`` (by channel and time) one minute of each channel after the other."""
    if not len(plain):
        return
    channel, time = readings.channel[plain], readings.time[plain]
    minute = time // MINUTE * MINUTE
    begins, _ = _runs(channel)
    steps = np.append([True], np.diff(minute) != 0) | begins
    count = np.cumsum(steps)
    rank = count - count[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    for number in range(int(rank.max()) + 1):
        here = np.flatnonzero(rank == number)
        heads = here[steps[here]]
        yield Round(
            channel[heads],
            minute[heads],
            channel[here],
            time[here],
            readings.value[plain[here]],
            readings.valid[plain[here]],
        )


def _runs(channel: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return where each channel's rows begin, and the number of the run that each row is in."""
    begins = np.append([True], np.diff(channel) != 0)
    return begins, np.cumsum(begins) - 1
