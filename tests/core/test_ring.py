"""The ring says of each window, bit for bit, what slots over the whole series say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.ring import Ring
from alerts.core.slots import group_for, rolling, slot_sums
from alerts.core.vocabulary import MINUTE, NEVER, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, SIZE = 5, 16


def feed(seed: int, readings: int, spacing: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and ascending times of readings, some far apart."""
    random = np.random.default_rng(seed)
    time = 10_000 * MINUTE + np.cumsum(random.integers(1, 2 * spacing, readings))
    return random.integers(0, ROWS, readings), time


def batches(time: NDArray[np.int64], cuts: list[int]) -> list[slice]:
    """Cut at some places, and before what is too far from the batch's first for one ring."""
    begin, found = 0, []
    for end in [*sorted(cuts), len(time)]:
        while begin < min(end, len(time)):
            reach = np.searchsorted(time, time[begin] + (SIZE - 1) * MINUTE)
            found.append(slice(begin, min(end, int(reach))))
            begin = found[-1].stop
    return found


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    readings=st.integers(1, 300),
    period=st.sampled_from([10 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE]),
    spacing=st.sampled_from([2 * SECOND, 20 * SECOND, 5 * MINUTE]),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    k=st.sampled_from([4, 8, 12]),
)
def test_windows_agree_bit_for_bit_with_slots_however_readings_are_batched(  # noqa: PLR0917 - a case's figures
    seed: int, readings: int, period: int, spacing: int, cuts: list[int], k: int
) -> None:
    rows, time = feed(seed, readings, spacing)
    value = np.random.default_rng(seed + 1).normal(300, 200, readings)
    ring = Ring(MINUTE, SIZE, ROWS)
    group = group_for(period, MINUTE)
    for batch in batches(time, cuts):
        ring.add(rows[batch], time[batch], value[batch], period)
    end_index = int(time[-1]) // MINUTE + 1
    first = end_index - k
    everyone = ring.window(slice(None), end_index, k, group)
    some = ring.window(np.array([3, 0, 3]), end_index, k, group)
    for row in range(ROWS):
        mine = rows == row
        slots = slot_sums(time[mine], value[mine], period, MINUTE, first * MINUTE, k)
        expected = [array[0] for array in rolling(*slots, k, group)]
        assert [array[row] for array in everyone] == expected
        if row == 3:
            assert [array[0] for array in some] == [array[2] for array in some] == expected


def test_each_row_may_have_its_own_window_end() -> None:
    ring = Ring(MINUTE, SIZE, 2)
    time = np.arange(6) * MINUTE
    for row in range(2):
        ring.add(np.full(6, row), time, np.arange(6.0), MINUTE)
    total, samples, count = ring.window(np.array([0, 1]), np.array([6, 3]), 3)
    assert total.tolist() == [3.0 + 4 + 5, 0.0 + 1 + 2]
    assert samples.tolist() == count.tolist() == [3, 3]


def test_readings_of_rows_may_come_mixed() -> None:
    ring = Ring(MINUTE, SIZE, 3)
    ring.add(
        np.array([2, 0, 2, 0]), np.array([0, 0, 1, 60]) * SECOND, np.array([1.0, 2, 3, 4]), MINUTE
    )
    assert ring.window(slice(None), 2, 2)[0].tolist() == [6.0, 0.0, 4.0]
    assert ring.window(slice(None), 2, 2)[2].tolist() == [2, 0, 1]


def test_periods_may_differ_by_reading() -> None:
    ring = Ring(MINUTE, SIZE, 2)
    time = np.array([0, 10, 20]) * SECOND
    ring.add(
        np.array([0, 0, 0, 1, 1, 1]),
        np.tile(time, 2),
        np.ones(6),
        np.repeat([10 * SECOND, MINUTE], 3),
    )
    assert ring.window(slice(None), 1, 1)[2].tolist() == [3, 1]


def test_a_period_that_goes_on_in_the_next_batch_is_counted_once() -> None:
    ring = Ring(MINUTE, SIZE, 1)
    for second in (0, 5, 12):
        ring.add(np.array([0]), np.array([second * SECOND]), np.ones(1), 10 * SECOND)
    assert ring.window(slice(None), 1, 1)[1:] == (np.array([3]), np.array([2]))


def test_slots_beyond_a_rows_head_count_as_empty() -> None:
    ring = Ring(MINUTE, SIZE, 2)
    ring.add(np.full(SIZE, 0), np.arange(SIZE) * MINUTE, np.ones(SIZE), MINUTE)
    end = SIZE + 4
    for rows in (slice(None), np.array([0, 1])):
        assert ring.window(rows, end, 6)[0].tolist() == [2.0, 0.0]


def test_advancing_empties_the_slots_passed_over() -> None:
    ring = Ring(MINUTE, SIZE, 2)
    ring.add(
        np.repeat([0, 1], SIZE), np.tile(np.arange(SIZE), 2) * MINUTE, np.ones(2 * SIZE), MINUTE
    )
    ring.advance(np.array([1]), np.array([SIZE + 1]))
    assert ring.head.tolist() == [SIZE - 1, SIZE + 1]
    ring.advance(slice(None), SIZE + 3)
    assert ring.window(slice(None), SIZE + 4, 10)[0].tolist() == [6.0, 6.0]
    ring.advance(slice(None), 1000)
    assert not ring.total.any()


def test_advancing_never_goes_back() -> None:
    ring = Ring(MINUTE, SIZE, 1)
    ring.add(np.array([0]), np.array([9 * MINUTE]), np.ones(1), MINUTE)
    ring.advance(slice(None), 3)
    assert ring.head.tolist() == [9]
    assert ring.window(slice(None), 10, 1)[0].tolist() == [1.0]


def test_a_reading_may_be_older_than_the_head_where_the_ring_was_advanced() -> None:
    ring = Ring(MINUTE, SIZE, 1)
    ring.advance(slice(None), 12)
    ring.add(np.array([0]), np.array([10 * MINUTE]), np.array([7.0]), MINUTE)
    assert ring.head.tolist() == [12]
    assert ring.window(slice(None), 13, 4)[0].tolist() == [7.0]


def test_counts_widen_when_a_slot_outgrows_a_byte() -> None:
    ring = Ring(MINUTE, SIZE, 2)
    for n in (200, 200, 70_000):
        time = (
            ring.last_period[0] + 1 + np.arange(n)
            if n != 200 or ring.samples.any()
            else np.arange(n)
        )
        ring.add(np.zeros(n, np.int64), time.astype(np.int64), np.ones(n), 1)
    assert ring.samples.dtype == ring.filled.dtype == np.uint32
    total, samples, count = ring.window(slice(None), 1, 1)
    assert (total[0], samples[0], count[0]) == (70_400.0, 70_400, 70_400)
    assert (total[1], samples[1], count[1]) == (0.0, 0, 0)


def test_a_row_is_loaded_and_read_as_it_was() -> None:
    ring = Ring(MINUTE, SIZE, 3)
    total, samples, filled = np.arange(20.0), np.arange(20, dtype=np.int32), np.ones(20, np.int32)
    ring.load(1, 119, total, samples, filled, 119)
    assert ring.head.tolist() == [NEVER, 119, NEVER]
    read = ring.read(1, 119 - SIZE + 1, SIZE)
    for found, given_ in zip(read, (total, samples, filled), strict=True):
        np.testing.assert_array_equal(found, given_[-SIZE:])
    assert ring.read(1, 118, 4)[0].tolist() == [18.0, 19.0, 0.0, 0.0]
    ring.add(np.array([1]), np.array([119 * MINUTE + 1]), np.ones(1), MINUTE)
    assert [int(one[0]) for one in ring.read(1, 119, 1)] == [20, 20, 1]


def test_loading_replaces_what_was_there() -> None:
    ring = Ring(MINUTE, SIZE, 1)
    ring.add(np.full(SIZE, 0), np.arange(SIZE) * MINUTE, np.ones(SIZE), MINUTE)
    ring.load(0, 20, np.array([5.0]), np.array([300]), np.array([1]), 20)
    assert ring.window(slice(None), 21, SIZE - 1)[0].tolist() == [5.0]
    assert ring.window(slice(None), 21, 1)[1].tolist() == [300]


def test_a_window_older_than_the_ring_is_the_callers_fault() -> None:
    ring = Ring(MINUTE, SIZE, 1)
    ring.advance(slice(None), 100)
    for rows in (slice(None), np.array([0])):
        with pytest.raises(AssertionError, match="older than the ring"):
            ring.window(rows, 80, 2)


def test_a_channel_of_both_rings_takes_a_kilobyte_and_a_half() -> None:
    minutes, longer = Ring(MINUTE, 64, 1000), Ring(20 * MINUTE, 80, 1000)
    assert (minutes.nbytes + longer.nbytes) / 1000 == 1472
