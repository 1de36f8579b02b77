"""What a channel takes over in memory is its own."""

from __future__ import annotations

import numpy as np

from alerts.board import Board
from alerts.core.records import Series
from alerts.core.vocabulary import MINUTE
from alerts.history import no_limits
from alerts.layout import Layout
from alerts.recompute import Task, recompute
from tests.alerts.judging import limits_of
from tests.oracles import Limit

START = 1_772_323_200_000_000  # 2026-03-01T00:00:00Z
ENDED, LAST = 1, 2


def test_a_channel_that_ended_leaves_the_others_their_slots() -> None:
    """It has none any more, and is judged to its end when its end becomes known."""
    layout = Layout.of(
        limits_of([Limit(window=20 * MINUTE, value=100, period=MINUTE)], channel=LAST),
        active=np.array([False, False, True]),
        period=np.full(3, MINUTE),
        zone=np.zeros(3, np.int32),
        zones=("+05:00",),
    )
    board = Board(layout)
    time = START + np.arange(30) * MINUTE
    board.add(np.full(30, LAST, np.int32), time, np.full(30, 50.0))
    valid = np.ones(30, np.bool_)
    series = Series(time, np.full(30, 7.0), valid, np.zeros(30, np.int8))
    until = int(time[-1])
    task = Task(ENDED, MINUTE, "+05:00", START, until, START, until)
    board.load(ENDED, until, until, recompute(task, no_limits(), {}, series, START))
    total, *_ = board.rings[MINUTE].read(0, START // MINUTE, 30)
    assert total.tolist() == [50.0] * 30
    assert board.evaluated[ENDED] == until
