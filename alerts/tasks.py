"""What is to be judged again of a channel, as the board stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import MINUTE, NEVER
from alerts.deriving import complete_until
from alerts.recompute import Task

if TYPE_CHECKING:
    from alerts.board import Board


def task_of(  # noqa: PLR0913 - a channel, what is new of it, and how far to judge
    board: Board,
    channel: int,
    kept_from: int,
    *,
    first: int = NEVER,
    last: int = NEVER,
    until: int = NEVER,
) -> Task:
    """Return what is to be judged of a channel, at least up to its newest reading.

    ``first`` and ``last`` bound the readings that are new or changed (NEVER: none is). Readings
    older than ``kept_from`` were dropped.
    """
    layout, asked = board.layout, until
    judged = int(board.evaluated[channel])
    newest = int(board.newest[channel]) // MINUTE * MINUTE
    if judged == NEVER:
        judged = newest if newest > NEVER // 2 else first // MINUTE * MINUTE
    first = judged if first == NEVER else first
    until = max(until, judged, newest, last // MINUTE * MINUTE)
    zone = layout.zones[layout.zone[channel]]
    period = int(layout.period[channel])
    last, judged = max(last, first), min(judged, until)
    task = Task(channel, period, zone, first, last, judged, until, kept_from)
    return _of_steps(board, task, asked) if layout.chained[channel] else task


def _of_steps(board: Board, task: Task, asked: int) -> Task:
    """Return the task of a chain: from step to step, as far as they are complete or asked."""
    step = task.period
    row = board.layout.derived.chain_of(np.array([task.channel], np.int32))
    judged = int(board.evaluated[task.channel])
    until = max(int(complete_until(board, row)[0]), judged, asked // step * step)
    return replace(
        task,
        touched_from=task.touched_from // step * step,
        touched_to=task.touched_to // step * step + step - MINUTE,
        judged_until=min(task.judged_until // step * step, until),
        until=until,
    )
