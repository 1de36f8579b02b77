"""Receipts: the newest of each unit, at most one each 5 s, and only when there is news."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.receipts import INTERVAL, Receipt, Receipts, Unit

UNIT = ("gres1", "ams-1")
OTHER = ("gres1", "ams-2")


def all_due(receipts: Receipts, now: float) -> list[tuple[Unit, Receipt]]:
    sent = []
    while due := receipts.next(now):
        receipts.sent(*due, now)
        sent.append(due)
    return sent


def test_the_first_is_due_at_once_the_next_after_the_interval() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    assert all_due(receipts, 100.0) == [(UNIT, Receipt("a", 1, 0))]
    receipts.put(UNIT, Receipt("a", 2, 0), 101.0)
    receipts.put(UNIT, Receipt("a", 3, 0), 102.0)
    assert receipts.next_at() == 100.0 + INTERVAL
    assert all_due(receipts, 104.9) == []
    assert all_due(receipts, 105.0) == [(UNIT, Receipt("a", 3, 0))]
    assert receipts.next_at() is None


def test_units_do_not_wait_for_each_other() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    all_due(receipts, 100.0)
    receipts.put(OTHER, Receipt("b", 1, 0), 101.0)
    assert all_due(receipts, 101.0) == [(OTHER, Receipt("b", 1, 0))]


def test_what_did_not_change_is_not_sent_again() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    all_due(receipts, 100.0)
    receipts.put(UNIT, Receipt("a", 1, 99), 200.0)
    assert all_due(receipts, 300.0) == []
    receipts.put(UNIT, Receipt("b", 1, 99), 300.0)
    assert all_due(receipts, 300.0) == [(UNIT, Receipt("b", 1, 99))]


def test_a_receipt_that_changes_while_it_is_sent_follows() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    due = receipts.next(100.0)
    assert due is not None
    receipts.put(UNIT, Receipt("a", 2, 0), 100.1)
    receipts.sent(*due, 100.2)
    assert all_due(receipts, 100.3) == []
    assert all_due(receipts, 105.0) == [(UNIT, Receipt("a", 2, 0))]


def test_after_a_reconnect_all_are_sent_again_and_keep_their_interval() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    all_due(receipts, 100.0)
    receipts.put(OTHER, Receipt("b", 1, 0), 103.0)
    all_due(receipts, 103.0)
    receipts.all_again(106.0)
    assert all_due(receipts, 106.0) == [(UNIT, Receipt("a", 1, 0))]
    assert all_due(receipts, 108.0) == [(OTHER, Receipt("b", 1, 0))]


def test_one_that_was_not_taken_is_sent_after_the_reconnect() -> None:
    receipts = Receipts()
    receipts.put(UNIT, Receipt("a", 1, 0), 100.0)
    assert receipts.next(100.0) is not None
    receipts.all_again(101.0)
    assert all_due(receipts, 105.0) == [(UNIT, Receipt("a", 1, 0))]


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "send", "reconnect"]),
        st.sampled_from([UNIT, OTHER]),
        st.integers(0, 3),
        st.floats(0, 4),
    )
)


@given(steps)
def test_whatever_happens_the_newest_arrives_in_the_end_and_never_too_often(
    steps: list[tuple[str, Unit, int, float]],
) -> None:
    receipts, now = Receipts(), 0.0
    sent: dict[Unit, list[tuple[float, int]]] = {UNIT: [], OTHER: []}
    newest: dict[Unit, int] = {}
    for step, unit, seq, after in [*steps, ("send", UNIT, 0, 2 * INTERVAL)]:
        now += after
        if step == "put":
            newest[unit] = seq
            receipts.put(unit, Receipt("a", seq, 0), now)
        elif step == "send":
            for to, receipt in all_due(receipts, now):
                sent[to].append((now, receipt.seq))
        else:
            receipts.all_again(now)
    for unit, seqs in sent.items():
        assert not seqs or seqs[-1][1] == newest[unit]
        assert bool(seqs) == (unit in newest)
        assert all(b[0] - a[0] >= INTERVAL - 1e-6 for a, b in pairwise(seqs))


def test_the_payload_is_as_the_contract_says() -> None:
    payload = Receipt('7f"3c', 48_211, 1_795_317_600_000_001).payload()
    assert json.loads(payload) == {
        "boot": '7f"3c',
        "seq": 48_211,
        "time": "2026-11-22T03:20:00.000001Z",
    }
