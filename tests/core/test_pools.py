"""Pools: sums that do not drift, windows of any length, operating days."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.periods import duration
from alerts.core.pools import Pool, blocks, operating_days, rolling
from alerts.core.vocabulary import DAY, HOUR
from tests.core.compliance import ZONE

START = 1_735_671_600_000_000  # 2025-01-01T00:00+05:00


def hourly(rows: int) -> tuple[Any, Any]:
    start = START + np.arange(rows, dtype=np.int64) * HOUR
    return start, start + HOUR


@given(st.integers(0, 2**32), st.sampled_from(["1d", "1month", "1year"]))
@settings(max_examples=20, deadline=None)
def test_sums_are_within_a_hair_of_exact_ones(seed: int, text: str) -> None:
    values = np.random.default_rng(seed).lognormal(5, 2, (8760, 2))
    pool = blocks(duration(text), ZONE, *hourly(8760))
    sums, base = pool.sum(values), pool.base()
    for channel in range(2):
        exact = [math.fsum(values[base == b, channel]) for b in range(len(sums))]
        assert np.abs(sums[:, channel] / exact - 1).max() < 5e-15


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32))
def test_every_window(back: int, rows: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 100, (rows, 3)).astype(np.int32)
    start, finish = hourly(rows)
    whole = max(0, rows - back + 1)
    pool = Pool(start[:whole], finish[back - 1 :], rows, back=back)
    windows = [values[row : row + back] for row in range(whole)]
    sums = [window.sum(axis=0).tolist() for window in windows]
    assert pool.count(values).tolist() == sums
    assert pool.sum(values.astype(float)).tolist() == sums
    assert pool.most(values).tolist() == [window.max(axis=0).tolist() for window in windows]
    assert pool.ends_with(values > 50).tolist() == [(w[-1] > 50).tolist() for w in windows]


def test_months_of_days_are_as_months_of_hours() -> None:
    values = np.random.default_rng(1).integers(0, 10**6, (24 * 100, 3)).astype(float)
    start, finish = hourly(len(values))
    day, month = blocks(duration("1d"), ZONE, start, finish), duration("1month")
    by_days = blocks(month, ZONE, day.start, day.finish).sum(day.sum(values))
    assert by_days.tolist() == blocks(month, ZONE, start, finish).sum(values).tolist()


def test_last_months() -> None:
    pool = rolling(duration("1quarter"), ZONE, *hourly(24 * 151))  # January to May
    hours = pool.count(np.ones((24 * 151, 1), np.bool_))[:, 0]
    assert (hours // 24).tolist() == [31 + 28 + 31, 28 + 31 + 30, 31 + 30 + 31]
    assert (pool.finish - pool.start).tolist() == (hours.astype(np.int64) * HOUR).tolist()


def test_rolling_periods_are_multiples_of_what_they_are_made_of() -> None:
    start = START + np.arange(9, dtype=np.int64) * 45 * HOUR // 60
    with pytest.raises(ValueError, match="multiple"):
        rolling(duration("1h"), ZONE, start, start + 45 * HOUR // 60)


def test_operating_days_are_each_channels_own() -> None:
    start, finish = hourly(24 * 6)
    days = blocks(duration("1d"), ZONE, start, finish)
    operates = np.array([[1, 1], [0, 1], [1, 0], [1, 0], [0, 0], [1, 1]], np.bool_)
    pool = operating_days(3, days, operates)
    number = np.repeat(10.0 ** np.arange(6), 24)[:, None] / 24 * [[1, 1]]
    assert np.round(pool.sum(number)).tolist() == [
        [1, 1], [0, 11], [101, 0], [1101, 0], [0, 0], [101100, 100011],
    ]  # fmt: skip
    full = pool.full()
    assert full is not None
    assert full.tolist() == [[False] * 2] * 3 + [[True, False], [False] * 2, [True, True]]
    assert (pool.finish - pool.start).tolist() == [DAY] * 6


def test_nothing_makes_no_pools() -> None:
    nothing = np.empty(0, np.int64)
    for text in ("1h", "1d", "1month"):
        pool = blocks(duration(text), ZONE, nothing, nothing)
        assert pool.sum(np.empty((0, 4))).shape == (0, 4)
        assert rolling(duration("1d"), ZONE, nothing, nothing).sum(np.empty((0, 4))).shape == (0, 4)
