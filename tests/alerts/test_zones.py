"""The engine where days begin at no multiple of 20 minutes, against the slow twin."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.adopt import carry_over
from alerts.board import Board
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.engine import Engine
from alerts.layout import Layout
from alerts.snapshot import arrays_of, board_of
from tests import oracles
from tests.alerts.judging import Judging, layout_of, limits_of
from tests.alerts.test_engine import assert_as_the_twin
from tests.core.scenario import Scenario

PLACES = [
    ("+05:30", "2026-03-01T00:00Z"),
    ("+05:45", "2026-12-31T03:00Z"),
    ("-03:30", "2026-03-01T00:00Z"),
    ("Asia/Kolkata", "2026-02-28T10:00Z"),
    ("Asia/Kathmandu", "2026-02-28T10:00Z"),
    ("Asia/Pyongyang", "2018-05-04T00:00Z"),  # from +08:30 to +09:00: a day of 23:30 h
    ("Australia/Lord_Howe", "2026-04-04T00:00Z"),  # a day of 24:30 h
]
LEVELS = st.sampled_from([0.0, 50.1, 79.9, 80.0, 95.0, 100.0, 100.1, 130.0, 400.3])


class Stream(NamedTuple):
    """Two days and a half of a channel, a limit on it, and where that is."""

    zone: str
    readings: list[oracles.Reading]
    limit: oracles.Limit

    def scenario(self, until: int) -> Scenario:
        return Scenario(
            "", "", self.readings[0].time, until, self.zone, (self.limit,), tuple(self.readings),
            (), None,
        )  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Plateaus with gaps and calibrations."""
    zone, moment = draw(st.sampled_from(PLACES))
    period = draw(st.sampled_from([5, 10, 15, 20, 30, 60])) * MINUTE
    limit = oracles.Limit(
        value=100,
        window=draw(st.sampled_from([2 * HOUR, 8 * HOUR, DAY, DAY])),
        period=period,
        coverage=draw(st.sampled_from(["2/3", "1/4", "1"])),
        clear_after=draw(st.sampled_from([0, 20 * MINUTE])),
    )
    at = int(datetime.fromisoformat(moment).timestamp()) * SECOND
    end = at + draw(st.sampled_from([30, 60])) * HOUR
    at += draw(st.sampled_from([0, 7 * MINUTE]))  # not where the slots of the period begin
    readings = []
    while at < end:
        value, status = draw(LEVELS), draw(st.sampled_from(["valid"] * 6 + ["calibration"]))
        for _ in range(draw(st.integers(1, 40))):
            readings.append(oracles.Reading(at, value, status))
            at += period
        at += draw(st.sampled_from([0, 0, 0, period, 3 * HOUR]))
    return Stream(zone, readings, limit)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stream=streams(), data=st.data())
async def test_days_are_those_counted_one_by_one(stream: Stream, data: st.DataObject) -> None:
    """In order or not, with starts from the database and from the board as it was kept."""
    late = data.draw(st.lists(st.sampled_from(stream.readings), max_size=9, unique=True))
    arrivals = [*(one for one in stream.readings if one not in late), *late]
    judging = Judging([stream.limit], stream.zone)
    cuts = sorted({0, len(arrivals), *data.draw(st.lists(st.integers(0, len(arrivals))))})
    clock = stream.readings[0].time
    for begin, end in pairwise(cuts):
        clock = max(clock, *(one.time for one in arrivals[begin:end]))
        await judging.feed(arrivals[begin:end], clock)
        what = data.draw(st.sampled_from(["", "sweep", "restart", "as kept"]))
        if what == "sweep":
            await judging.engine.sweep(clock + MINUTE)
        elif what == "restart":
            await judging.restart()
        elif what == "as kept":
            await judging.engine.flush()
            held = judging.engine
            board = board_of({name: array.copy() for name, array in arrays_of(held.board).items()})
            judging.engine = Engine(judging.store, board, held.unresolved, judging.batch)
    until = stream.readings[-1].time + 26 * HOUR
    await judging.finish(until)
    assert_as_the_twin(judging, stream.scenario(until))


async def test_a_day_in_india_ends_at_half_past_six() -> None:
    limit = oracles.Limit(value=100, window=DAY, period=MINUTE)
    judging = Judging([limit], "+05:30")
    begin = int(datetime.fromisoformat("2026-02-28T18:30Z").timestamp()) * SECOND
    readings = [
        oracles.Reading(begin + minute * MINUTE, 99.0 if minute < 24 * 60 else 300.0)
        for minute in range(-9, 25 * 60)
    ]
    for first in range(0, len(readings), 60):  # so few that the board itself moves on
        part = readings[first : first + 60]
        await judging.feed(part, part[-1].time)
    await judging.engine.flush()
    assert judging.store.blocks[DAY, begin] == [(99.0, 24 * 60)]


def test_another_offset_makes_the_channel_cold_and_its_slots_finer() -> None:
    """What was summed for days of +05:00 cannot tell days of +05:45: it is read again."""
    versions = [oracles.Limit(value=100, window=DAY, period=MINUTE)]
    old = Board(layout_of(versions, "+05:00"))
    channel, at = np.array([1], np.int32), np.array([10**15 // MINUTE * MINUTE])
    old.add(channel, at, np.array([50.0]))
    old.newest[1] = old.evaluated[1] = at[0]
    new = carry_over(old, layout_of(versions, "+05:45"))
    assert new.cold[1]
    assert sorted(old.rings) == [MINUTE, 20 * MINUTE]
    assert sorted(new.rings) == [MINUTE, 5 * MINUTE]


@pytest.mark.parametrize("zone", ["+05:00", "Asia/Almaty", "UTC"])
def test_usual_zones_share_their_kinds_of_windows(zone: str) -> None:
    """Beside a plant of another zone, in slots of 20 minutes as ever."""
    layout = Layout.of(
        limits_of([oracles.Limit(value=100, window=DAY, period=MINUTE)], channel=1),
        active=np.array([False, True, True]),
        period=np.full(3, MINUTE),
        zone=np.array([0, 0, 1], np.int32),
        zones=(zone, "Asia/Kolkata"),
    )
    assert [(kind.window, kind.granule) for kind in layout.kinds] == [
        (20 * MINUTE, MINUTE),
        (HOUR, MINUTE),
        (DAY, 20 * MINUTE),
    ]
