"""The history of many channels judged again together, for the audit and for what might have been.

The same outcome as ``recompute`` gives channel by channel: judgements of all blocks at once, and
the courses of alerts only of those limits whose means come near a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.limits import Limits
from alerts.core.means import judge
from alerts.core.records import BlockRows, JudgementRows
from alerts.core.vocabulary import HOUR
from alerts.courses import follow_limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.bulk import Bulk
    from alerts.core.course import Alerts
    from alerts.core.records import Alert

    Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class History:
    """What became of some limits: judgements of blocks, and alerts by limit number and time."""

    judgements: JudgementRows
    alerts: Alerts


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged of n channels: windows that end after ``since`` and not after ``until``, (n,).

    ``channel`` (n,) ascends. ``limits``: versions of their limits, by limit and version. ``known``
    are the alerts of limits that were not over at ``since``.
    """

    channel: NDArray[np.int32]
    since: Times
    until: Times
    limits: Limits
    known: Mapping[int, Sequence[Alert]]


def no_limits() -> Limits:
    """Return the limits of a channel that has none."""
    empty: NDArray[Any] = np.zeros(0, np.int32)
    return Limits(*(empty for _ in fields(Limits)))


def earliest(since: int, known: Mapping[int, Sequence[Alert]]) -> int:
    """Return from when on windows are judged: alerts that were open at ``since`` begin earlier."""
    return min([since, *(alert.opened_at for some in known.values() for alert in some)])


def needed_from(since: int, limits: Limits, known: Mapping[int, Sequence[Alert]]) -> int:
    """Return from when on readings must be at hand to judge windows that end after ``since``."""
    longest = int(limits.window.max(initial=HOUR))
    # A day may have 25 hours where a zone changes its offset.
    return earliest(since, known) - longest - 2 * HOUR


def judge_history(bulk: Bulk, asked: Asked) -> History:
    """Judge channels, the columns of ``bulk``, by their limits."""
    begun = np.maximum(asked.since, bulk.valid.first)
    column = np.searchsorted(asked.channel, asked.limits.channel)
    judgements = [
        _judgements(bulk, asked, begun, column, int(window))
        for window in np.unique(asked.limits.window[asked.limits.legal])
    ]
    limits = replace(asked.limits, channel=column.astype(np.int32))
    alerts = follow_limits(bulk, limits, (begun[column], asked.until[column]), asked.known)
    return History(JudgementRows.joined(judgements), alerts)


def _judgements(
    bulk: Bulk, asked: Asked, begun: Times, column: NDArray[np.intp], window: int
) -> JudgementRows:
    limits, blocks = asked.limits, bulk.blocks(window)
    rows = np.flatnonzero((limits.window == window) & limits.legal)
    place, which = _in_force(asked, blocks.finish, rows, begun, column)
    version, at = rows[which], (place, column[rows][which])
    mean, count, expected = blocks.mean[at], blocks.count[at], blocks.expected[place]
    states = judge(
        mean,
        count,
        expected,
        limits.value[version],
        limits.coverage_numerator[version],
        limits.coverage_denominator[version],
    )
    return JudgementRows(
        limit=limits.limit[version],
        version=limits.version[version],
        start=blocks.start[place],
        finish=blocks.finish[place],
        mean=mean,
        count=count,
        expected=expected,
        state=states.astype(np.int16),
    )


def _in_force(
    asked: Asked,
    finish: Times,
    rows: NDArray[np.intp],
    begun: Times,
    column: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (block, which of ``rows``) of the blocks that end while a limit version applies."""
    after = np.maximum(asked.limits.valid_after[rows], begun[column[rows]])
    until = np.minimum(asked.limits.valid_until[rows], asked.until[column[rows]])
    place, which = np.nonzero((finish[:, None] > after) & (finish[:, None] <= until))
    return place, which


def kept_blocks(bulk: Bulk, asked: Asked, window: int) -> BlockRows:
    """Return the blocks of ``window`` that are kept for what judges nothing itself."""
    limits, blocks = asked.limits, bulk.blocks(window)
    begun = np.maximum(asked.since, bulk.valid.first)
    column = np.searchsorted(asked.channel, limits.channel)
    rows = np.flatnonzero((limits.window == window) & ~limits.legal)
    place, which = _in_force(asked, blocks.finish, rows, begun, column)
    n = len(asked.channel)
    place, of = np.divmod(np.unique(place * n + column[rows][which]), n)
    return BlockRows(
        channel=asked.channel[of],
        window=np.full(len(of), window),
        start=blocks.start[place],
        finish=blocks.finish[place],
        mean=blocks.mean[place, of],
        total=blocks.total[place, of],
        samples=blocks.samples[place, of],
        count=blocks.count[place, of],
        expected=blocks.expected[place],
    )
