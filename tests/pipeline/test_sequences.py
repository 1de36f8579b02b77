"""Ranges of sequence numbers against a plain set of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.sequences import MAX_RANGES, Boot, Sequences


@given(st.lists(st.integers(0, 40)))
def test_ranges_say_what_a_set_of_numbers_says(numbers: list[int]) -> None:
    boot, seen = Boot(1), set[int]()
    for seq in numbers:
        hole = bool(seen) and seq > min(seen) and seq - 1 not in seen and seq not in seen
        assert boot.add(seq) == (seq in seen, hole)
        seen.add(seq)
        complete = min(seen)
        while complete + 1 in seen:
            complete += 1
        assert boot.complete == complete
    pairs = list(zip(boot.firsts, boot.lasts, strict=True))
    assert {n for low, high in pairs for n in range(low, high + 1)} == seen
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(pairs))


def test_the_largest_number_has_no_successor() -> None:
    boot = Boot(1)
    assert boot.add(2**63 - 1) == (False, False)
    assert boot.add(2**63 - 1) == (True, False)
    assert boot.complete == 2**63 - 1


def test_a_boot_of_nothing_but_gaps_stays_small_and_claims_nothing_false() -> None:
    boot = Boot(1)
    for seq in range(0, 10 * MAX_RANGES, 2):
        boot.add(seq)
    assert len(boot.firsts) == MAX_RANGES
    for seq in range(1, 10 * MAX_RANGES, 2):
        boot.add(seq)
    assert boot.complete == 1  # 2 was received, but is among what was forgotten


def test_the_boot_used_least_lately_is_forgotten() -> None:
    sequences = Sequences(max_boots=2)
    sequences.remember(1, "a", 10, [(5, 9), (1, 3)])
    sequences.remember(1, "b", 11)
    assert sequences.use(1, "a").complete == 3
    sequences.remember(2, "a", 12)
    assert len(sequences) == 2
    asked = [(1, "a"), (1, "b"), (2, "a"), (1, "b")]
    assert sequences.unknown(asked) == [(1, "b")]
