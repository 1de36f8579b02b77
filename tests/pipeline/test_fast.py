"""The fast decoder takes nothing that the careful one would not take with the same result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from ingest.draft import BatchDecoder, Draft
from ingest.fast import FastDecoder, Rows
from tests.pipeline.example import KEYS, NOW, TOPIC, message, topics
from tests.pipeline.messages import PAYLOADS, good_messages


class LeavesAll(FastDecoder):
    """Leaves every message to the careful decoder."""

    def take(self, *_args: object) -> None:
        return None


def decode(payloads: list[bytes], *, fast: bool) -> Draft:
    decoder = BatchDecoder()
    if not fast:
        decoder._fast = LeavesAll()
    draft = decoder.decode([TOPIC] * len(payloads), payloads, NOW, topics())
    decoder.judge(draft, draft.left, topics())
    return draft


def assert_same(one: Draft, other: Draft) -> None:
    assert one.boots == other.boots
    assert one.seqs == other.seqs
    assert one.aside_messages == other.aside_messages
    assert one.aside_values == other.aside_values
    for name in one.readings.__slots__:
        left, right = getattr(one.readings, name), getattr(other.readings, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
        assert left.tobytes() == right.tobytes() or name == "value"


def takes(payload: bytes) -> bool:
    return FastDecoder().take(payload, 0, KEYS, Rows()) is not None


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PAYLOADS)
@example(
    b'{"boot":"a","seq":1,"seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1}}]}'
)
@example(
    b'{"boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1,"so2":1}}]}'
)
@example(
    b'{"boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":-0,"nox":-0.0}}]}'
)
def test_fast_and_careful_agree_on_every_payload(payload: bytes) -> None:
    assert_same(decode([payload], fast=True), decode([payload], fast=False))


@settings(max_examples=300, deadline=None)
@given(good_messages())
def test_fast_takes_plain_messages(payload: bytes) -> None:
    assert takes(payload) == (b"\\" not in payload)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PAYLOADS, PAYLOADS, PAYLOADS)
def test_a_bad_message_leaves_no_trace_in_its_neighbours(a: bytes, b: bytes, c: bytes) -> None:
    assert_same(decode([a, b, c], fast=True), decode([a, b, c], fast=False))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"boot":"a","boot":"b","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1}}]}',
        b'{"boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1,"so2":2}}]}',
        b'{"boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1},"values":{"so2":2}}]}',
        b'{"boot":"a","seq":1,"samples":[],"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1}}]}',
        b'{"boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","status":{},"status":{},"values":{"so2":1}}]}',
        b'{"b\\u006fot":"b","boot":"a","seq":1,"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1}}]}',
    ],
)  # fmt: skip
def test_a_repeated_key_is_never_taken(payload: bytes) -> None:
    assert not takes(payload)
    assert [aside.reason for aside in decode([payload], fast=True).aside_messages] == [
        "repeated_key"
    ]


def test_what_is_left_to_the_careful_decoder_is_counted() -> None:
    draft = decode([message({"so2": 1}), message({"so2": "1"})], fast=True)
    assert draft.careful == 1
