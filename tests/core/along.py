"""Takes a limit's readings through the core along time, as the engine does."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.course import Episode, course
from alerts.core.machine import State, Thresholds, step
from alerts.core.means import assessable, judge, mean
from alerts.core.rounding import exact_fraction, thresholds
from alerts.core.slots import granule_for, group_for, rolling, slot_sums, step_for
from alerts.core.vocabulary import Judgement
from alerts.core.zones import block_edges, expected_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tests.oracles import Limit, Reading


@dataclass(frozen=True)
class Evaluations:
    """What the machine is fed with at each M."""

    at: NDArray[np.int64]
    mean: NDArray[np.float64]
    assessable: NDArray[np.bool_]
    in_force: NDArray[np.bool_]
    thresholds: Thresholds
    step: int

    def episodes(self, state: State) -> tuple[list[Episode], State]:
        return course(
            self.at, self.mean, self.assessable, self.in_force, self.thresholds, self.step, state
        )

    def states(self, state: State) -> list[State]:
        """The state after each evaluation, taken one by one."""
        states = []
        for i in range(len(self.at)):
            row = slice(i, i + 1)
            state = step(
                state,
                int(self.at[i]),
                self.mean[row],
                self.assessable[row],
                self.in_force[row],
                self.thresholds.take(row),
                self.step,
            )
            states.append(state)
        return states


def columns(readings: Sequence[Reading]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and values of the readings that enter averages."""
    counting = [one for one in readings if one.counts]
    time = np.array([one.time for one in counting], np.int64)
    return time, np.array([one.value for one in counting], np.float64)


def evaluate(readings: Sequence[Reading], versions: Sequence[Limit], until: int) -> Evaluations:
    window, period = versions[0].window, versions[0].period
    granule, every = granule_for(window, period), step_for(window)
    time, value = columns(readings)
    begin = min(one.time for one in readings) // every * every
    at = np.arange(begin + every, until + 1, every)
    first = begin + every - window
    slots = slot_sums(time, value, period, granule, first, max(0, until - first) // granule)
    total, samples, count = rolling(*slots, window // granule, group_for(period, granule))
    rows = slice(0, None, every // granule)
    means = mean(total[rows], samples[rows])[: len(at)]
    number = np.array([_version(versions, int(m)) for m in at], np.int64)
    coverage = [exact_fraction(one.coverage) for one in versions]
    return Evaluations(
        at,
        means,
        assessable(
            count[rows][: len(at)],
            window // period,
            np.array([one.numerator for one in coverage])[number],
            np.array([one.denominator for one in coverage])[number],
        ),
        number >= 0,
        all_thresholds(versions).take(number),
        every,
    )


def _version(versions: Sequence[Limit], at: int) -> int:
    return next((i for i, one in enumerate(versions) if one.applies(at)), -1)


def all_thresholds(versions: Sequence[Limit]) -> Thresholds:
    products = [thresholds(one.value, one.warn_at, one.clear_at) for one in versions]
    warn, clear_exceedance, clear_warning = (
        np.array(column) for column in zip(*products, strict=True)
    )
    return Thresholds(
        np.array([float(one.value) for one in versions]),
        warn,
        clear_exceedance,
        clear_warning,
        np.array([one.open_after for one in versions], np.int64),
        np.array([one.clear_after for one in versions], np.int64),
    )


def judged_blocks(
    readings: Sequence[Reading], limit: Limit, zone: str, until: int
) -> list[tuple[int, float, int, int, str]]:
    """(start, mean, count, expected, judgement) of each block that has ended by ``until``."""
    time, value = columns(readings)
    first = min(one.time for one in readings)
    starts, ends = block_edges(limit.window, zone, first, until)
    share = exact_fraction(limit.coverage)
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end > until:
            continue
        granule = gcd(end - start, limit.period)
        total, samples, filled = slot_sums(
            time, value, limit.period, granule, start, (end - start) // granule
        )
        sums, numbers, count = rolling(
            total, samples, filled, len(total), group_for(limit.period, granule)
        )
        expected = expected_slots(np.array([start]), np.array([end]), limit.period)
        block_mean = mean(sums, numbers)
        verdict = judge(
            block_mean, count, expected, float(limit.value), share.numerator, share.denominator
        )
        label = Judgement(int(verdict[0])).label
        found.append((start, float(block_mean[0]), int(count[0]), int(expected[0]), label))
    return found
