"""Reported means beside ours: how far they may differ, and the course of their disagreement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.agreement import course, difference, tolerance
from alerts.core.vocabulary import MINUTE

Row = tuple[float, bool]


def of(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.float64)


@pytest.mark.parametrize(
    ("ours", "share", "low", "high", "allowed"),
    [
        (384.0, 0.05, -5.0, 5000.0, 19.2),
        (-384.0, 0.05, -5000.0, 5000.0, 19.2),  # of its magnitude
        (10.0, 0.05, -5.0, 5000.0, 2.5025),  # 1 % of the range is more
        (10.0, 0.05, -5.0, math.inf, 0.5),  # an open range has no share
        (0.0, 0.05, -math.inf, math.inf, 0.0),
        (0.7, 0.1, -math.inf, math.inf, 0.07),  # not 0.06999999999999999
        (math.nan, 0.05, 0.0, 100.0, math.nan),
    ],
)
def test_what_is_tolerated(
    ours: float, share: float, low: float, high: float, allowed: float
) -> None:
    found = tolerance(of(ours), of(share), of(low), of(high))
    assert found.tolist() == [allowed] or (math.isnan(allowed) and np.isnan(found[0]))


def test_a_difference_is_rounded_like_means_are() -> None:
    assert difference(of(0.3, math.nan, 1.0), of(0.1, 1.0, math.nan))[0] == 0.2
    assert np.isnan(difference(of(math.nan, 1.0), of(1.0, math.nan))).all()


def oracle(rows: list[Row]) -> list[tuple[Any, ...]]:
    """(opened, resolved, peak, when, last value) of each run of blocks that disagree."""
    found: list[tuple[Any, ...]] = []
    place = 0
    while place < len(rows):
        if not rows[place][1]:
            place += 1
            continue
        end = place
        while end < len(rows) and rows[end][1]:
            end += 1
        run = [value for value, _ in rows[place:end]]
        resolved = end if end < len(rows) else None
        last = rows[end][0] if resolved is not None else run[-1]
        found.append((place, resolved, max(run), place + run.index(max(run)), last))
        place = end
    return found


ROWS = st.lists(st.tuples(st.integers(0, 5).map(float), st.booleans()), max_size=30)


@given(ROWS, st.integers(0, 30))
def test_episodes_are_the_oracles_however_the_blocks_come(rows: list[Row], cut: int) -> None:
    at = np.arange(len(rows)) * MINUTE
    apart = of(*(value for value, _ in rows))
    bad = np.array([one for _, one in rows], np.bool_)
    first = course(at[:cut], apart[:cut], bad[:cut])
    running = first[-1] if first and first[-1].resolved_at is None else None
    rest = course(at[cut:], apart[cut:], bad[cut:], running)
    for found in (course(at, apart, bad), [*first, *(rest[1:] if running else rest)]):
        assert [
            (one.opened_at, one.resolved_at, one.peak, one.peak_at, one.value) for one in found
        ] == [
            (opened * MINUTE, resolved and resolved * MINUTE, peak, when * MINUTE, value)
            for opened, resolved, peak, when, value in oracle(rows)
        ]
