"""The engine against the slow twin: whatever the order of arrival, the same alerts and blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import HOUR, MINUTE, Judgement
from tests import oracles
from tests.alerts.judging import Judging, MemoryStore
from tests.core.scenario import Scenario, all_scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_772_323_200_000_000  # 2026-03-01T00:00:00Z


def course(alert: object) -> tuple[object, ...]:
    """What the audit compares: opened_at, resolved_at, severity, worst, peak, peak_at."""
    names = ("opened_at", "resolved_at", "severity", "worst", "peak_at")
    return (*(getattr(alert, name) for name in names), float(alert.peak))  # type: ignore[attr-defined]


def assert_as_the_twin(judging: Judging, scenario: Scenario) -> None:
    last = max((r.time for r in scenario.readings), default=scenario.start)
    expected = [
        alert
        for alert in oracles.alert_history(scenario.readings, scenario.versions, scenario.until)
        if alert.state != "pending"
    ]
    assert [course(a) for a in judging.final_alerts()] == [course(a) for a in expected]
    if scenario.window % scenario.period:
        return
    blocks = oracles.blocks(
        scenario.readings, scenario.period, scenario.window, scenario.zone, scenario.until
    )
    stored = {s: rows[-1] for (w, s), rows in judging.store.blocks.items() if w == scenario.window}
    for block in blocks:
        if block.mean is None:
            assert stored.get(block.start, (None, 0))[1] == 0
        elif block.start <= last:
            assert stored[block.start] == (float(block.mean), block.count)
            version = next((v for v in scenario.versions if v.applies(block.end)), None)
            if version is not None:
                state = judging.store.judgements[1, block.start][-1][1]
                assert Judgement(state).label == oracles.judgement(block, version)


@pytest.mark.parametrize("batch", [1, 7, 10_000])
@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda one: one.name)
async def test_scenarios_through_the_engine(scenario: Scenario, batch: int) -> None:
    judging = Judging(scenario.versions, scenario.zone)
    for begin in range(0, len(scenario.readings), batch):
        part = scenario.readings[begin : begin + batch]
        await judging.feed(part, max(r.time for r in part))
    await judging.finish(scenario.until)
    assert_as_the_twin(judging, scenario)


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda one: one.name)
async def test_scenarios_with_restarts(scenario: Scenario) -> None:
    judging = Judging(scenario.versions, scenario.zone)
    size = max(1, len(scenario.readings) // 5)
    for begin in range(0, len(scenario.readings), size):
        part = scenario.readings[begin : begin + size]
        await judging.feed(part, max(r.time for r in part))
        if begin % 2:
            await judging.engine.flush()
        await judging.restart()
    await judging.finish(scenario.until)
    assert_as_the_twin(judging, scenario)


async def test_an_alert_outlives_the_readings_that_opened_it() -> None:
    """Retention drops raw readings; what was decided by them stays, and the alert goes on."""
    limit = oracles.Limit(value=100, window=20 * MINUTE, period=MINUTE)
    judging = Judging([limit])
    day = [oracles.Reading(START + i * MINUTE, 150.0) for i in range(24 * 60)]
    await judging.feed(day, START + 24 * HOUR)
    await judging.engine.flush()
    (before,) = judging.final_alerts()
    blocks = dict(judging.store.blocks)

    kept_from = START + 20 * HOUR
    judging.store.readings = [row for row in judging.store.readings if row[1].time >= kept_from]
    await judging.restart(kept_from=kept_from)
    assert judging.final_alerts() == [before]
    late = [oracles.Reading(START + 30 * 1_000_000, 900.0)]  # of a day that is gone
    calm = [oracles.Reading(START + 24 * HOUR + i * MINUTE, 20.0) for i in range(60)]
    await judging.feed(late, START + 25 * HOUR)
    await judging.feed(calm, START + 25 * HOUR)
    await judging.engine.flush()
    (after,) = judging.final_alerts()
    assert (after.id, after.opened_at, after.state) == (before.id, before.opened_at, "resolved")
    assert after.resolved_at == START + 24 * HOUR + 17 * MINUTE
    assert all(judging.store.blocks[key] == known for key, known in blocks.items())


class Killed(Exception):  # noqa: N818 - what becomes of the server
    """The server dies instead of its next write."""


@dataclass
class MortalStore(MemoryStore):
    """A database whose server dies once, before its write number ``fatal`` (counted from 0)."""

    fatal: int = 0

    def _write(self) -> None:
        self.fatal -= 1
        if self.fatal == -1:
            raise Killed

    async def save_alerts(self, *args: Any) -> None:
        self._write()
        await super().save_alerts(*args)

    async def save_blocks(self, *args: Any, **named: Any) -> None:
        self._write()
        await super().save_blocks(*args, **named)

    async def touch_alerts(self, *args: Any) -> None:
        self._write()
        await super().touch_alerts(*args)


def with_a_late_peak() -> tuple[list[oracles.Reading], list[oracles.Reading]]:
    """A hundred minutes with a peak, and in order of arrival: the peak comes late, backwards."""
    readings = [
        oracles.Reading(START + i * MINUTE, 150.0 if 30 <= i < 70 else 20.0) for i in range(100)
    ]
    peak = [one for one in readings if one.value == 150.0]
    return readings, [*(one for one in readings if one not in peak), *peak[::-1]]


async def test_killed_before_any_write_the_end_is_that_of_the_sorted_run() -> None:
    """Late readings make several writes: a server that dies between them must begin them anew."""
    limit = oracles.Limit(value=100, window=20 * MINUTE, period=MINUTE)
    readings, arrivals = with_a_late_peak()
    until = readings[-1].time + HOUR
    scenario = Scenario("", "", START, until, "+05:00", (limit,), tuple(readings), (), None)
    for fatal in count():
        store = MortalStore(fatal=fatal)
        judging = Judging([limit], store=store)
        for begin in range(0, len(arrivals), 20):
            try:
                await judging.feed(arrivals[begin : begin + 20], readings[-1].time + begin)
                await judging.engine.flush()
            except Killed:
                await judging.restart()
        if store.fatal >= 0:  # it lived
            break
        await judging.finish(until)
        assert_as_the_twin(judging, scenario)
    assert fatal > 8


async def test_what_the_clock_decided_is_not_told_again_after_a_restart() -> None:
    """A silent channel's alert falls by the clock; a restart knows readings up to before that."""
    limit = oracles.Limit(value=100, window=20 * MINUTE, period=MINUTE, clear_after=0)
    judging = Judging([limit])
    values = [300.0] * 10 + [0.0] * 10
    await judging.feed(
        [oracles.Reading(START + n * MINUTE, value, "valid") for n, value in enumerate(values)],
        START + 20 * MINUTE,
    )
    await judging.engine.sweep(START + HOUR)
    told = list(judging.store.notices)
    assert [kind for _, kind in told] == ["opened", "updated"]  # and lowered, after the last value
    [alert] = judging.store.alerts.values()
    assert alert.changed_at > START + 20 * MINUTE
    await judging.engine.flush()
    await judging.restart()
    await judging.engine.sweep(START + HOUR)
    assert judging.store.notices == told


@pytest.mark.parametrize("ends", [70, 300], ids=["within its windows", "long after"])
@pytest.mark.parametrize("clock", [(80, 330), (610, 620), (330, 610)], ids=str)
@pytest.mark.parametrize("window", [20 * MINUTE, 4 * HOUR], ids=["20 min", "4 h"])
async def test_an_alert_of_a_silent_channel_ends_with_the_version_of_its_limit(
    ends: int, clock: tuple[int, ...], window: int
) -> None:
    """Where another version begins only later; whenever the clock comes, and after a restart."""
    first = oracles.Limit(100, window, MINUTE, coverage="1/5", valid_until=START + ends * MINUTE)
    then = replace(first, value=90, valid_after=START + 10 * HOUR, valid_until=2**62)
    readings = [oracles.Reading(START + i * MINUTE, 150.0) for i in range(60)]
    judging = Judging([first, then])
    await judging.feed(readings[:30] + readings[31:], readings[-1].time)
    for minute in clock:
        for _ in range(2):  # what lapses is seen when all else is judged
            await judging.engine.sweep(START + minute * MINUTE)
    until = START + clock[-1] * MINUTE - MINUTE
    assert [alert.state for alert in judging.final_alerts()] == ["resolved"]
    await judging.feed(readings[30:31], until)  # late
    await judging.engine.flush()
    await judging.restart()
    for _ in range(2):
        await judging.engine.sweep(until + 2 * MINUTE)
    until += MINUTE
    scenario = Scenario("", "", START, until, "+05:00", (first, then), tuple(readings), (), None)
    assert_as_the_twin(judging, scenario)
    assert [kind for _, kind in judging.store.notices].count("resolved") == 1


LEVELS = st.sampled_from([0.0, 50.0, 79.9, 80.0, 81.5, 95.0, 99.0, 100.0, 100.1, 130.0, 400.0])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[oracles.Reading], Sequence[oracles.Limit]]:
    """A few hours of a channel in plateaus, with gaps, and a limit on it."""
    plateaus = draw(st.lists(st.tuples(LEVELS, st.integers(1, 40)), min_size=1, max_size=8))
    status = draw(
        st.lists(st.sampled_from(["valid"] * 6 + ["calibration"]), min_size=7, max_size=7)
    )
    readings = []
    minute = 0
    for level, length in plateaus:
        for _ in range(length):
            minute += draw(st.sampled_from([1, 1, 1, 1, 1, 2, 9]))
            readings.append(oracles.Reading(START + minute * MINUTE, level, status[minute % 7]))
    limit = oracles.Limit(
        value=100,
        window=draw(st.sampled_from([5 * MINUTE, 20 * MINUTE, HOUR])),
        period=MINUTE,
        coverage=draw(st.sampled_from(["2/3", "1/4", "1"])),
        open_after=draw(st.sampled_from([0, 0, 3 * MINUTE])),
        clear_after=draw(st.sampled_from([0, 5 * MINUTE])),
    )
    return readings, [limit]


async def test_what_the_clock_closed_before_a_restart_is_closed_again_to_no_effect() -> None:
    judging = Judging([oracles.Limit(value=100, window=5 * MINUTE, period=MINUTE, coverage="2/3")])
    await judging.feed([oracles.Reading(START, 50.0)], START)
    await judging.engine.sweep(START + 6 * MINUTE)
    await judging.engine.flush()
    before = dict(judging.store.blocks)
    await judging.restart()
    await judging.finish(START + 2 * HOUR)
    assert before == {key: judging.store.blocks[key] for key in before}
    assert all(len(revisions) == 1 for revisions in judging.store.blocks.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stream=streams(), data=st.data())
async def test_order_of_arrival_decides_nothing(
    stream: tuple[list[oracles.Reading], Sequence[oracles.Limit]], data: st.DataObject
) -> None:
    """Shuffled, delayed, repeated, revised and restarted, the end is that of the sorted run."""
    readings, versions = stream
    arrivals = [*data.draw(st.permutations(readings)), *readings[:: data.draw(st.integers(2, 9))]]
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(readings) - 1))
        wrong = readings[place]._replace(value=data.draw(LEVELS) + 1)
        arrivals.insert(0, wrong)  # corrected later
    judging = Judging(versions)
    cuts = sorted(
        {0, len(arrivals), *data.draw(st.lists(st.integers(0, len(arrivals)), max_size=6))}
    )
    clock = START
    for begin, end in pairwise(cuts):
        clock += MINUTE
        await judging.feed(arrivals[begin:end], clock)
        if data.draw(st.booleans()):
            await judging.engine.sweep(clock + data.draw(st.integers(0, 10)) * MINUTE)
        if data.draw(st.booleans()):
            await judging.engine.flush()
        if data.draw(st.integers(0, 4)) == 0:
            await judging.restart()
    last = max(r.time for r in readings)
    until = last + 2 * HOUR
    await judging.finish(until)
    final = sorted({r.time: r for r in arrivals}.values())
    scenario = Scenario("", "", START, until, "+05:00", tuple(versions), tuple(final), (), None)
    assert_as_the_twin(judging, scenario)
