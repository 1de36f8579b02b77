"""Each fault does exactly what it says, alone and with others."""

import json
from itertools import pairwise

import pytest
from pydantic import ValidationError

from ingest.wire import Envelope
from simulators.fault_list import FAULTS, parse_faults
from simulators.faults import UNKNOWN_KEY
from simulators.message import Outgoing
from tests.simulators.common import HOUR, MINUTE, measured, messages

CLEAN = messages(2)


def faulty(name: str, every: int) -> list[Outgoing]:
    return messages(2, faults={name: every})


def changed(stream: list[Outgoing]) -> list[tuple[int, str, float | None, float | None]]:
    """(time, key, value, clean value) where a stream of values differs from the clean one."""
    pairs = zip(measured(stream), measured(CLEAN), strict=True)
    return [
        (time, key, value, was) for (time, key, value, _), (_, _, was, _) in pairs if value != was
    ]


def runs(times: list[int]) -> list[int]:
    """How long each run of consecutive minutes lasts, in minutes."""
    lengths = [1]
    for before, now in pairwise(times):
        lengths = [*lengths[:-1], lengths[-1] + 1] if now - before == MINUTE else [*lengths, 1]
    return lengths


def test_drop_out_loses_messages_and_leaves_gaps_in_the_sequence() -> None:
    stream = faulty("drop-out", 3 * HOUR)
    kept = {message.seq for message in stream}
    lost = [message.due for message in CLEAN if message.seq not in kept]
    assert all(3 <= length <= 30 for length in runs(lost))
    assert stream == [message for message in CLEAN if message.seq in kept]


def test_stuck_repeats_one_value_of_one_key() -> None:
    changes = changed(faulty("stuck", 12 * HOUR))
    assert len({value for _, _, value, _ in changes}) <= 4 < len(changes) / 100


def test_spike_multiplies_single_values() -> None:
    changes = changed(faulty("spike", HOUR))
    assert 20 < len(changes) < 100
    for _, _, value, clean in changes:
        assert value is not None
        assert clean is not None
        assert 2.99 < value / clean < 8.01


def test_drift_grows() -> None:
    times: dict[str, list[tuple[int, float]]] = {}
    for time, key, value, clean in changed(faulty("drift", 8 * HOUR)):
        times.setdefault(key, []).append((time, (value or 0) / (clean or 1)))
    assert times
    assert all(ratio < 1.41 for ratios in times.values() for _, ratio in ratios)
    first = min(times.values())
    assert first[0][1] < 1.01 < first[len(first) // 2][1]


@pytest.mark.parametrize(("name", "value"), [("minus-one", -1.0), ("overflow", 1e38)])
def test_sentinels_replace_valid_values(name: str, value: float) -> None:
    changes = changed(faulty(name, 4 * HOUR))
    assert changes
    assert {shown for _, _, shown, _ in changes} == {value}


def test_unknown_channel_adds_a_key_and_changes_nothing_else() -> None:
    stream = faulty("unknown-channel", 4 * HOUR)
    extra = [item for item in measured(stream) if item[1] == UNKNOWN_KEY]
    assert extra
    assert [item for item in measured(stream) if item[1] != UNKNOWN_KEY] == list(measured(CLEAN))


def test_clock_skew_moves_times_and_nothing_else() -> None:
    stream = faulty("clock-skew", 4 * HOUR)
    skews = {
        (skewed.samples[0].time - clean.samples[0].time) // MINUTE
        for skewed, clean in zip(stream, CLEAN, strict=True)
    }
    assert 0 in skews
    assert len(skews) > 2
    assert all(skew == 0 or -20 <= skew <= -2 or 6 <= skew <= 20 for skew in skews)
    assert [message.due for message in stream] == [message.due for message in CLEAN]


def test_a_restart_changes_the_boot_and_counts_from_0() -> None:
    stream = faulty("restart", 6 * HOUR)
    assert len({message.boot for message in stream}) > 2
    for before, now in pairwise(stream):
        assert now.seq == (before.seq + 1 if now.boot == before.boot else 0)
    assert [message.samples for message in stream] == [message.samples for message in CLEAN]


def test_repeat_seq_counts_from_0_in_the_same_boot_with_other_content() -> None:
    stream = faulty("repeat-seq", 6 * HOUR)
    assert {message.boot for message in stream} == {CLEAN[0].boot}
    assert sum(message.seq == 0 for message in stream) > 2
    assert all(now.seq in (0, before.seq + 1) for before, now in pairwise(stream))
    assert [message.samples for message in stream] == [message.samples for message in CLEAN]


def test_a_backlog_comes_late_whole_and_in_order() -> None:
    stream = faulty("backlog", 6 * HOUR)
    assert [message.seq for message in stream] == [message.seq for message in CLEAN]
    delays = [late.due - clean.due for late, clean in zip(stream, CLEAN, strict=True)]
    assert 10 * MINUTE <= max(delays) <= 2 * HOUR + MINUTE
    assert all(before.due <= now.due for before, now in pairwise(stream))


def test_reordered_messages_are_overtaken_by_up_to_5() -> None:
    stream = faulty("reordered", HOUR)
    places = [message.seq - place for place, message in enumerate(stream)]
    assert sorted(message.seq for message in stream) == [message.seq for message in CLEAN]
    assert min(places) >= -5
    assert 20 < sum(place < 0 for place in places) < 100


def test_duplicates_are_the_same_bytes() -> None:
    payloads = [message.payload() for message in faulty("duplicate", HOUR)]
    assert sorted(set(payloads)) == sorted(message.payload() for message in CLEAN)
    assert 20 < len(payloads) - len(CLEAN) < 100


def test_malformed_copies_are_refused_whole_and_the_message_follows() -> None:
    stream = faulty("malformed", 30 * MINUTE)
    garbled = [message for message in stream if message.raw is not None]
    assert len({message.payload()[:14] for message in garbled}) > 3
    for message in garbled:
        with pytest.raises((ValidationError, ValueError)):
            Envelope.model_validate(json.loads(message.payload(), object_pairs_hook=unrepeated))
    assert [message for message in stream if message.raw is None] == CLEAN


def unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """What a decoder that refuses repeated keys does."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("repeated key")
    return dict(pairs)


def test_one_fault_changes_nothing_of_what_another_does() -> None:
    clean = set(measured(CLEAN))
    spikes = set(measured(faulty("spike", HOUR))) - clean
    both = messages(2, faults={"spike": HOUR, "drop-out": 6 * HOUR, "restart": HOUR})
    left = set(measured(both)) - clean
    assert left < spikes
    assert len(left) > len(spikes) * 0.8


def test_all_of_them_compose() -> None:
    every = messages(3, faults=parse_faults("all"))
    assert len(every) > 3000
    for message in every:
        if message.raw is None:
            Envelope.model_validate_json(message.payload())
    assert all(before.due <= now.due for before, now in pairwise(every[:-10]))


def test_a_list_of_faults_may_say_how_often() -> None:
    assert parse_faults("none") == {}
    assert parse_faults("all").keys() == FAULTS.keys()
    assert parse_faults("spike=20min, backlog") == {
        "spike": 20 * MINUTE,
        "backlog": FAULTS["backlog"].every,
    }
    with pytest.raises(ValueError, match="'spkie' is not a fault; there are: none, all, stuck"):
        parse_faults("spkie")
