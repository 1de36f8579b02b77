"""Outcomes decided in arrays are those that the contract's rules give one after the other."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.classify import Candidates, Stored, classify
from storage.received import Outcome

Item = tuple[float, int]
NONE = float("nan")

items = st.tuples(st.sampled_from([NONE, 0.0, -0.0, 1.5, 2.0]), st.integers(0, 1))
keys = st.integers(0, 4)
stored_items = st.dictionaries(keys, st.lists(items, min_size=1, max_size=4))
arriving = st.lists(st.tuples(keys, items, st.booleans()), max_size=12)


def _equal(one: Item, other: Item) -> bool:
    both_none = math.isnan(one[0]) and math.isnan(other[0])
    return one[1] == other[1] and (both_none or one[0] == other[0])


def one_by_one(
    stored: dict[int, list[Item]], rows: list[tuple[int, Item, bool]]
) -> list[tuple[Outcome, int]]:
    """The slow twin: contracts.md, section 2, as it reads."""
    known = {key: list(revisions) for key, revisions in stored.items()}
    decided = []
    for key, item, seen in rows:
        revisions = known.setdefault(key, [])
        if not revisions:
            decided.append((Outcome.STORED, 0))
        elif _equal(item, revisions[-1]) or (
            seen and any(_equal(item, older) for older in revisions[:-1])
        ):
            decided.append((Outcome.DUPLICATE, 0))
            continue
        else:
            decided.append((Outcome.REVISED, len(revisions)))
        revisions.append(item)
    return decided


@given(stored_items, arriving)
def test_arrays_decide_as_the_rules_read(
    stored: dict[int, list[Item]], rows: list[tuple[int, Item, bool]]
) -> None:
    flat = [
        (key, item, number)
        for key in sorted(stored)
        for number, item in enumerate(stored[key])
        if any(key == row[0] for row in rows)
    ]
    outcome, revision = classify(
        Candidates(
            np.array([key for key, _, _ in rows], np.int64),
            np.array([item[0] for _, item, _ in rows], np.float64),
            np.array([item[1] for _, item, _ in rows], np.int16),
            np.array([seen for _, _, seen in rows], np.bool_),
        ),
        Stored(
            np.array([key for key, _, _ in flat], np.int64),
            np.array([item[0] for _, item, _ in flat], np.float64),
            np.array([item[1] for _, item, _ in flat], np.int16),
            np.array([number for _, _, number in flat], np.int32),
        ),
    )
    decided = list(zip(outcome.tolist(), revision.tolist(), strict=True))
    assert decided == one_by_one(stored, rows)
