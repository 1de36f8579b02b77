"""The published contract of payloads, and what the careful decoder says of a fault."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from alerts.core.vocabulary import DAY, STATUS_BY_LABEL
from ingest.careful import Context, Message, Refused, decode
from ingest.reasons import Reason
from ingest.wire import (
    Readings,
    Receipt,
    StatusCode,
    UnitStatus,
    topic,
    unit_of,
)
from ingest.wire_averages import Averages
from ingest.wire_schema import json_schema
from storage.registry import Unit
from tests.pipeline.example import KEYS, NOW, channels, message

CONTEXT = Context(Unit(1, "gres1", "ams-1", KEYS), channels(), NOW, NOW - 400 * DAY)


def test_status_codes_are_those_of_the_vocabulary() -> None:
    assert list(get_args(StatusCode)) == list(STATUS_BY_LABEL)


def test_the_schema_names_each_payload_with_an_example_that_is_valid() -> None:
    schema = json_schema()
    assert [entry["$ref"] for entry in schema["anyOf"]] == [
        "#/$defs/Readings",
        "#/$defs/Averages",
        "#/$defs/UnitStatus",
        "#/$defs/Receipt",
    ]
    models: tuple[Any, ...] = (Readings, Averages, UnitStatus, Receipt)
    for name, model in ((model.__name__, model) for model in models):
        for example in schema["$defs"][name]["examples"]:
            model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize(
    "change",
    [
        {"boot": ""},
        {"seq": -1},
        {"seq": 1.5},
        {"seq": "1"},
        {"samples": []},
        {"more": 1},
        {"samples": [{"time": "2026-11-22T03:20:00Z"}]},
        {"samples": [{"time": "now", "values": {"so2": 1}}]},
        {"samples": [{"time": "2026-11-22T03:20:00Z", "values": {"so2": "1"}}]},
        {"samples": [{"time": "2026-11-22T03:20:00Z", "values": {"so2": 1e10}}]},
        {"samples": [{"time": "2026-11-22T03:20:00Z", "status": {"so2": "broken"}}]},
    ],
)
def test_the_model_of_the_contract_refuses(change: dict[str, Any]) -> None:
    good = json.loads(message({"so2": 1.0}))
    Readings.model_validate_json(json.dumps(good))
    with pytest.raises(ValidationError):
        Readings.model_validate_json(json.dumps({**good, **change}))


def test_topics() -> None:
    assert topic("gres1", "ams-1", "readings") == "ams/v1/gres1/ams-1/readings"
    assert unit_of("ams/v1/gres1/ams-1/status", "status") == ("gres1", "ams-1")
    assert unit_of("ams/v1/gres1/ams-1/status", "readings") is None
    assert unit_of("ams/v2/gres1/ams-1/readings", "readings") is None


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b'{"boot":\n "a",}', "not_json", "line 2 column 6"),
        (b'{"boot": "\xff"}', "not_json", "byte 10: not UTF-8"),
        (b"\xef\xbb\xbf{}", "not_json", "byte 0: a byte order mark"),
        (b'{"boot":"\\ud800"}', "not_json", "half of a surrogate pair"),
        (b'{"boot":"a"} {"boot":"b"}', "not_json", "line 1 column 14: Extra data"),
        (b"[]", "not_schema", "$: "),
        (
            message({"so2": 1.0}).replace(b"boot", b"Boot"),
            "not_schema",
            "$.boot: Field required; $.Boot: Extra inputs are not permitted",
        ),
        (
            message({"so2": 1.0}, time="2026-11-22T03:20:00"),
            "not_schema",
            "$.samples[0].time: not an RFC 3339 time with an offset, such as 2026-11-22T03:20:00Z",
        ),
        (
            message({"so2": {"a": 1}}).replace(b'"a": 1', b'"a": 1, "a": 2'),
            "repeated_key",
            '$.samples[0].values.so2: the key "a" is there twice',
        ),
        (b" " * (4 * 1024 * 1024 + 1), "too_large", "4194305 bytes of at most 4194304"),
    ],
)
def test_a_refusal_names_the_place(payload: bytes, reason: str, detail: str) -> None:
    refused = decode(payload, CONTEXT)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert detail in refused.detail


def test_a_value_set_aside_names_its_place_and_keeps_its_words() -> None:
    payload = message({"so2": 0, "nox": 1.0}).replace(b"0,", b"1E+0400,", 1)
    decoded = decode(payload, CONTEXT)
    assert isinstance(decoded, Message)
    [aside] = decoded.asides
    assert aside.detail == "$.samples[0].values.so2: 1E+0400"
    kept = b'{"samples":[{"time":"2026-11-22T03:20:00Z","values":{"so2":1E+0400}}]}'
    assert aside.payload == kept
    again = decode(kept, CONTEXT, fragment=True)
    assert isinstance(again, Message)
    assert [(aside.reason, aside.payload) for aside in again.asides] == [("not_finite", kept)]


@pytest.mark.parametrize(
    ("payload", "known"),
    [
        (message({"so2": 1.0}, seq=7, time="x"), ("7f3c9a", 7)),
        (message({"so2": 1.0}, seq=7, boot="b" * 65), ("", -1)),
        (message({"so2": 1.0}, seq=-7), ("", -1)),
        (b'{"boot":"a","seq":1,"seq":2}', ("", -1)),
        (b'{"boot":"a","seq":1,"x":[{"a":1,"a":2}]}', ("a", 1)),
        (b"[1]", ("", -1)),
    ],
)
def test_boot_and_seq_of_a_refused_message_count_when_they_are_right(
    payload: bytes, known: tuple[str, int]
) -> None:
    refused = decode(payload, CONTEXT)
    assert isinstance(refused, Refused)
    assert (refused.boot, refused.seq) == known


def test_each_reason_has_a_sentence() -> None:
    assert all(reason.sentence.endswith(".") for reason in Reason)
    assert [str(reason) for reason in Reason][:2] == ["not_json", "not_schema"]
