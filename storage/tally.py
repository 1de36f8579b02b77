"""Counts of a batch: what the ledger, the sequences and the newest times are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from storage.received import Committed, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storage.quarantine import SetAside
    from storage.received import Received

_KINDS = len(Outcome)


@dataclass(frozen=True, slots=True)
class Tally:
    """``messages`` and ``readings`` have shape (units, Outcome)."""

    units: NDArray[np.int32]
    messages: NDArray[np.int64]
    readings: NDArray[np.int64]
    committed: Committed


def tally(received: Received, outcome: NDArray[np.uint8], new: SetAside) -> Tally:
    """Count a batch by unit, set-aside values among its readings."""
    values_message = np.array([a.message for a in received.aside_values], np.int64)
    values_new = np.array(new.values, np.bool_)
    whole = np.array([a.message for a in received.aside_messages], np.int64)
    whole_new = np.array(new.messages, np.bool_)
    kept = (outcome == Outcome.STORED) | (outcome == Outcome.REVISED)

    messages = np.full(len(received.unit), Outcome.DUPLICATE, np.uint8)
    messages[whole[whole_new]] = Outcome.QUARANTINED
    messages[values_message[values_new]] = Outcome.QUARANTINED
    messages[received.readings.message[kept]] = Outcome.STORED

    units, unit = np.unique(received.unit, return_inverse=True)
    values = np.where(values_new, Outcome.QUARANTINED, Outcome.DUPLICATE)
    readings = _count(unit[received.readings.message], outcome, len(units))
    readings += _count(unit[values_message], values, len(units))
    fresh = int(values_new.sum())
    committed = Committed(outcome, messages, fresh, len(values_new) - fresh)
    return Tally(units, _count(unit, messages, len(units)), readings, committed)


def _count(unit: NDArray[np.int64], outcome: NDArray[np.integer], units: int) -> NDArray[np.int64]:
    counts = np.bincount(unit * _KINDS + outcome, minlength=units * _KINDS)
    return counts.reshape(units, _KINDS)


def runs(
    boot: NDArray[np.int32], seq: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the runs of consecutive sequence numbers: boot, first, last (included).

    Messages without a boot (0) or a number (-1) are left out, repeated numbers count once.
    """
    has = (boot > 0) & (seq >= 0)
    boot, seq = boot[has], seq[has]
    order = np.lexsort((seq, boot))
    boot, seq = boot[order], seq[order]
    starts = np.ones(len(seq), np.bool_)
    starts[1:] = (boot[1:] != boot[:-1]) | (seq[1:] - seq[:-1] > 1)
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(seq)) - 1 if len(first) else first
    return boot[first], seq[first], seq[last]


def newest_by_channel(
    channel: NDArray[np.int32], time: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return each channel once, ascending, with its greatest time."""
    if len(channel) == 0:
        return channel, time
    order = np.argsort(channel, kind="stable")
    channel, time = channel[order], time[order]
    first = np.flatnonzero(np.append(True, channel[1:] != channel[:-1]))
    return channel[first], np.maximum.reduceat(time, first)
