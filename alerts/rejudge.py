"""Channels computed anew from what the database holds of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import LONG_STEP, MINUTE, NEVER
from alerts.recompute import readings_needed_from, recompute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.core.limits import Limits
    from alerts.core.records import Alert
    from alerts.layout import Layout
    from alerts.recompute import Recomputed, Task
    from alerts.store import Store


@dataclass(frozen=True, slots=True)
class Span:
    """What of a channel is to be judged after a start.

    Readings in [``first``, ``last``] are not judged (NEVER: all are), ``late`` ones among them;
    what ended by ``judged_until`` is.
    """

    channel: int
    judged_until: int
    first: int = NEVER
    last: int = NEVER
    late: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A task, the limits and alerts it was computed with, and the outcome."""

    task: Task
    limits: Limits
    known: Mapping[int, Sequence[Alert]]
    result: Recomputed


def _as_far_as_told(task: Task, alerts: Sequence[Alert], step: int) -> Task:
    """Judge at least up to the step in which the last change is that an alert tells of.

    The clock may have come further before a stop than the readings do now: what it had decided
    would else be undone, and decided and told once more.
    """
    told = max((alert.changed_at for alert in alerts), default=NEVER)
    if told <= task.until:
        return task
    return replace(task, until=-(-told // step) * step)


async def recomputed(store: Store, layout: Layout, tasks: Sequence[Task], batch: int) -> list[Done]:
    """Compute channels anew from the stored readings and the alerts known of their limits."""
    if not tasks:
        return []
    channels = np.array([task.channel for task in tasks], np.int32)
    owner, rows = layout.limits_by_channel.of_channels(channels)
    since = min(min(task.touched_from, task.judged_until) for task in tasks)
    known: dict[int, list[Alert]] = {}
    for alert in await store.read_alerts(layout.limit_number[rows].tolist(), since):
        known.setdefault(alert.limit, []).append(alert)
    limits = [layout.limits_of(rows[owner == place]) for place in range(len(tasks))]
    told = [
        [alert for limit in set(own.limit.tolist()) for alert in known.get(limit, ())]
        for own in limits
    ]
    tasks = [
        _as_far_as_told(task, alerts, task.period if layout.chained[task.channel] else MINUTE)
        for task, alerts in zip(tasks, told, strict=True)
    ]
    starts = [
        readings_needed_from(task, own, known) for task, own in zip(tasks, limits, strict=True)
    ]
    newest = max(task.until for task in tasks) + 2 * LONG_STEP
    begin = min(
        start // task.period * task.period for task, start in zip(tasks, starts, strict=True)
    )
    sources = layout.derived.sources(channels).tolist()
    read = await store.read_series(sources, begin, newest, batch)
    return [
        Done(task, own, known, recompute(task, own, known, series, start, first))
        for task, own, start in zip(tasks, limits, starts, strict=True)
        for series in (layout.derived.series(task.channel, read, task.until),)
        for first in (layout.derived.first(task.channel, read),)
    ]
