"""How long one minute's evaluation of the whole country takes: ``python -m tests.bench.core``.

2,328,000 channels at a value every 10 s, three windows of each (20 minutes, an hour, a day): sums
and counts of the windows, rounded means, coverage, and one limit a window through the machine.
The same is done channel by channel with plain numpy, as a baseline. Then six of each ten channels
are brought to standard conditions. ``--channels`` for less.
"""

from __future__ import annotations

import argparse
import os
import platform
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from alerts.board import Board
from alerts.core.chain import Chains, Role
from alerts.core.derived import Derived
from alerts.core.limits import Limits
from alerts.core.machine import State, Thresholds, step
from alerts.core.means import assessable, mean
from alerts.core.ring import Ring
from alerts.core.rounding import thresholds
from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.deriving import step_values
from alerts.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

NATION = 2_328_000
PERIOD = 10 * SECOND
WINDOWS = {"20min": 20 * MINUTE, "1h": HOUR, "1d": DAY}
NOW = 1_772_323_200 * SECOND  # 2026-03-01T00:00:00Z, an evaluation of every window
BASELINE = 2_000  # channels


def full_ring(granule: int, size: int, channels: int) -> Ring:
    """Return a ring full of values around 300, six a minute."""
    ring = Ring(granule, size, channels)
    number = granule // PERIOD
    rng = np.random.default_rng(7)
    for slot in range(size):
        ring.total[slot] = number * 300.0 + rng.integers(-100, 100, channels)
    ring.samples[:], ring.filled[:] = number, number
    ring.head[:] = NOW // granule - 1
    ring.last_period[:] = NOW // PERIOD - 1
    return ring


def evaluate(rings: dict[int, Ring], window: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the rolling means at NOW and where they may be judged."""
    ring = rings[window]
    total, samples, count = ring.window(slice(None), NOW // ring.granule, window // ring.granule)
    return mean(total, samples), assessable(count, window // PERIOD, 2, 3)


def channel_by_channel(rings: dict[int, Ring], window: int) -> list[tuple[float, bool]]:
    """Do the same with plain numpy and ``round``, one channel after the other."""
    ring = rings[window]
    slots = np.arange(NOW // ring.granule - window // ring.granule, NOW // ring.granule) % ring.size
    found = []
    for channel in range(BASELINE):
        samples = ring.samples[slots, channel].sum()
        exact = ring.total[slots, channel].sum() / samples if samples else np.nan
        covered = ring.filled[slots, channel].sum() * 3 >= 2 * (window // PERIOD)
        found.append((round(float(exact), 6), bool(covered)))
    return found


def best(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the shortest of some timings, in seconds."""
    times = []
    for _ in range(rounds):
        begin = perf_counter()
        work()
        times.append(perf_counter() - begin)
    return min(times)


def machine_seconds(rings: dict[int, Ring], channels: int) -> float:
    warn, clear_exceedance, clear_warning = thresholds(700, "0.8", "0.95")
    limit = Thresholds(
        np.array([700.0]),
        np.array([warn]),
        np.array([clear_exceedance]),
        np.array([clear_warning]),
        np.array([0]),
        np.array([5 * MINUTE]),
    )
    state, in_force = State.empty(channels), np.ones(channels, np.bool_)
    means, enough = evaluate(rings, HOUR)
    return best(lambda: step(state, NOW, means, enough, in_force, limit, MINUTE))


def add_rate(channels: int) -> float:
    """Return readings a second into a minute ring and a ring of 20 minutes, 100,000 at a time."""
    rings = [Ring(MINUTE, 64, channels), Ring(20 * MINUTE, 80, channels)]
    rng = np.random.default_rng(8)
    n = min(100_000, channels)
    rows = rng.permutation(channels)[:n]
    value = rng.normal(300, 50, n)
    clock = iter(range(NOW, NOW + HOUR, PERIOD))

    def batch() -> None:
        time = np.full(n, next(clock))
        for ring in rings:
            ring.add(rows, time, value, PERIOD)

    return n / best(batch, 5)


def national_board(sources: int) -> Board:
    """Return a board of stacks with six pollutants, T, p, H2O and O2, its minute slots full."""
    channels, pollutants = sources * 10, sources * 6
    numbers = np.arange(1, channels + 1, dtype=np.int32).reshape(sources, 10)
    chains = Chains.neutral(pollutants)
    chains.channel[:] = np.arange(channels + 1, channels + 1 + pollutants)
    chains.member[Role.MAIN] = numbers[:, :6].ravel()
    roles = (Role.TEMPERATURE, Role.PRESSURE, Role.MOISTURE, Role.OXYGEN)
    for column, role in enumerate(roles, 6):
        chains.member[role] = np.repeat(numbers[:, column], 6)
    chains.scale[Role.MOISTURE], chains.offset[Role.TEMPERATURE] = 1e-4, 273.15
    chains.scale[Role.OXYGEN] = 0.02
    chains.wet[:], chains.oxygen_wet[:], chains.oxygen[:] = True, True, 6.0
    size = channels + pollutants + 1
    layout = Layout.of(
        no_limits(),
        active=np.arange(size) > 0,
        period=np.full(size, PERIOD),
        zone=np.zeros(size, np.int32),
        zones=("+05:00",),
        derived=Derived(recipes=chains),
    )
    board = Board(layout)
    ring = board.rings[MINUTE]
    number = MINUTE // PERIOD
    ring.total[:], ring.samples[:], ring.filled[:] = number * 300.0, number, number
    ring.head[: channels + 1] = NOW // MINUTE
    ring.head[channels + 1 :] = NOW // MINUTE - 2
    return board


def no_limits() -> Limits:
    number, time, value = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0)
    numbers, times, values = (number,) * 3, (time,) * 3, (value,) * 4
    return Limits(*numbers, *times, *values, time, time, time, time, np.zeros(0, np.bool_))


def normalised(channels: int, windows: float) -> str:
    """Say what normalising the pollutants costs in a national minute: values, and their slots."""
    board = national_board(channels // 10)
    chains = board.layout.derived.chains
    rows, begin = np.arange(len(chains)), np.full(len(chains), NOW - MINUTE)
    seconds = best(lambda: step_values(board, rows, begin))
    value = step_values(board, rows, begin)
    assert not np.isnan(value).any(), "nothing is missing here"
    clock = iter(range(NOW, NOW + HOUR, MINUTE))
    row = board.rows[MINUTE][chains.channel]

    def add() -> None:
        board.rings[MINUTE].add(row, np.full(len(rows), next(clock)), value, MINUTE)

    adding = best(add)
    total = seconds + adding + windows
    return (
        f"of them {len(chains):,} normalised (T, p, H2O, O2): {seconds:.3f} s, their slots "
        f"{adding:.3f} s; the national minute with three windows: {total:.3f} s"
    )


def machine_name() -> str:
    """Return what these figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines: Iterable[str] = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else ()
    model = next((line.partition(": ")[2] for line in lines if "model name" in line), "")
    cpu = model or platform.processor() or platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}, numpy {np.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=NATION)
    channels = parser.parse_args().channels
    minutes = full_ring(MINUTE, 64, channels)
    longer = full_ring(20 * MINUTE, 80, channels)
    rings = {window: minutes if window <= HOUR else longer for window in WINDOWS.values()}
    lines = [
        f"{machine_name()}",
        f"{channels:,} channels, a value every 10 s, times are the best of 3",
    ]

    whole, plain = 0.0, 0.0
    for name, window in WINDOWS.items():
        ours = best(partial(evaluate, rings, window))
        theirs = best(partial(channel_by_channel, rings, window), 1)
        whole, plain = whole + ours, plain + theirs * channels / BASELINE
        lines.append(f"  {name:>5}: {ours:.3f} s")
    stored = (minutes.nbytes + longer.nbytes) / channels
    lines += [
        f"all three windows: {whole:.3f} s, {whole / channels * 1e9:.0f} ns a channel",
        f"channel by channel: {plain:.1f} s ({plain / whole:.0f} x), from {BASELINE:,} channels",
        f"alert machine, a limit a channel: {machine_seconds(rings, channels):.3f} s",
        f"kept: {stored:,.0f} bytes a channel, {stored * channels / 2**30:.2f} GiB",
    ]
    rings.clear()
    del minutes, longer  # the next rings want their memory
    lines.append(normalised(channels, whole))
    lines.append(f"added to both rings: {add_rate(channels):,.0f} readings/s")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
