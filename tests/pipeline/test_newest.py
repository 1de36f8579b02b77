"""What needs no look-up, against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.newest import Newest

READINGS = st.lists(st.tuples(st.integers(1, 5), st.integers(-20, 20)))


@given(st.lists(st.integers(0, 20), min_size=6, max_size=6), READINGS, READINGS)
def test_fresh_is_what_is_newer_than_all_before(
    known: list[int], first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    newest = Newest(np.array(known, np.int64))
    latest = {channel: time for channel, time in enumerate(known) if time}
    for readings in (first, second):
        expected = []
        for channel, time in readings:
            fresh = channel not in latest or time > latest[channel]
            expected.append(fresh)
            if fresh:
                latest[channel] = time
        channels = np.array([channel for channel, _ in readings], np.int32)
        times = np.array([time for _, time in readings], np.int64)
        assert newest.take(channels, times).tolist() == expected
    assert newest.times.tolist() == [
        latest.get(channel, np.iinfo(np.int64).min) for channel in range(6)
    ]
    assert newest.saved().tolist() == [latest.get(channel, 0) for channel in range(6)]


def test_new_channels_have_no_reading_yet() -> None:
    newest = Newest(np.array([0, 7], np.int64))
    newest.grow(4)
    channels = np.array([1, 3, 3], np.int32)
    assert newest.take(channels, np.array([7, 1, 2], np.int64)).tolist() == [False, True, True]
