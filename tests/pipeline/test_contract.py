"""What the server does with a message: each row of the table in section 2 of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import MINUTE, SECOND
from tests.pipeline.example import NOW, message

if TYPE_CHECKING:
    from tests.pipeline.plant import Plant

GOOD = message({"so2": 384.2, "nox": 210.0, "o2": 6.1}, status={"nox": "calibration"})
STORED: list[tuple[Any, ...]] = [
    (1, 384.2, "valid", [], 0),
    (2, 210.0, "calibration", [], 0),
    (3, 6.1, "valid", [], 0),
]


async def test_good_is_committed_then_acknowledged(server: Plant) -> None:
    assert await server.deliver(GOOD) == ["stored"]
    assert await server.readings() == STORED
    assert await server.counts() == {"messages_stored": 1, "readings_stored": 3}


async def test_an_equal_value_is_a_duplicate_counted_and_stored_once(server: Plant) -> None:
    await server.deliver(GOOD)
    assert await server.deliver(GOOD) == ["duplicate"]
    assert await server.readings() == STORED
    assert await server.counts() == {
        "messages_stored": 1,
        "messages_duplicate": 1,
        "readings_stored": 3,
        "readings_duplicate": 3,
    }


async def test_equal_to_an_older_revision_is_a_duplicate_when_it_is_a_repeat(
    server: Plant,
) -> None:
    for seq, value in ((1, 5.0), (2, 6.0), (1, 5.0)):
        await server.deliver(message({"so2": value}, seq=seq))
    assert await server.readings() == [(1, 6.0, "valid", ["revised"], 1)]


async def test_equal_to_an_older_revision_is_a_revision_when_it_is_news(server: Plant) -> None:
    for seq, value in ((1, 5.0), (2, 6.0), (3, 5.0)):
        await server.deliver(message({"so2": value}, seq=seq))
    assert await server.readings() == [(1, 5.0, "valid", ["revised"], 2)]


async def test_the_same_is_told_within_one_delivery(server: Plant) -> None:
    outcomes = await server.deliver(
        message({"so2": 5}, seq=1), message({"so2": 6}, seq=2), message({"so2": 5}, seq=1)
    )
    assert outcomes == ["stored", "stored", "duplicate"]
    assert await server.readings() == [(1, 6.0, "valid", ["revised"], 1)]


async def test_anything_else_at_the_same_time_is_a_revision_and_the_old_stays_readable(
    server: Plant,
) -> None:
    await server.deliver(message({"so2": 5.0}))
    assert await server.deliver(message({"so2": 5.0}, status={"so2": "maintenance"})) == ["stored"]
    assert await server.readings() == [(1, 5.0, "maintenance", ["revised"], 1)]
    stored = await server.rows("select value, status::int from readings")
    assert stored == [(5.0, 0)]


async def test_a_unit_that_repeats_a_seq_with_other_content_loses_nothing(server: Plant) -> None:
    await server.deliver(message({"so2": 5.0}, seq=7))
    await server.deliver(message({"nox": 6.0}, seq=7, time="2026-11-22T03:21:00Z"))
    assert [row[:2] for row in await server.readings()] == [(1, 5.0), (2, 6.0)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not JSON", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"", "not_json"),
        (b'{"boot":"a","seq":1}', "not_schema"),
        (message({"so2": 1.0}, seq=-1), "not_schema"),
        (message({"so2": 1.0}, boot=""), "not_schema"),
        (message({"so2": 1.0}, boot="x" * 65), "not_schema"),
        (message({"so2": 1.0}, time="2026-11-22T03:20:00"), "not_schema"),
        (message(), "not_schema"),
        (message({"so2": 1.0}).replace(b'"seq": 1', b'"seq": 1.0'), "not_schema"),
        (message({"so2": 1.0}).replace(b'"seq": 1', b'"seq": true'), "not_schema"),
        (message({"so2": 1.0}).replace(b'"values"', b'"stauts": {}, "values"'), "not_schema"),
        (message({"so2": 1.0}).replace(b'"so2": 1.0', b'"so2": 1, "so2": 2'), "repeated_key"),
        (message({"so2": 1.0}).replace(b'"seq": 1', b'"seq": 1, "seq": 2'), "repeated_key"),
    ],
)
async def test_not_json_not_this_schema_or_repeated_keys_quarantine_the_whole_message(
    server: Plant, payload: bytes, reason: str
) -> None:
    assert await server.deliver(payload, GOOD) == ["quarantined", "stored"]
    assert await server.quarantine() == [("ams-1", None, reason, 1)]
    kept = await server.rows("select topic, payload from quarantine")
    assert kept == [("ams/v1/gres1/ams-1/readings", payload)]
    assert await server.counts() == {
        "messages_stored": 1,
        "messages_quarantined": 1,
        "readings_stored": 3,
    }


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("ams/v1/nobody/ams-1/readings", "unknown_enterprise"),
        ("ams/v1/gres1/ams-9/readings", "unknown_unit"),
        ("ams/v1/gres1/ams-1/extra/readings", "unknown_enterprise"),
    ],
)
async def test_an_unknown_enterprise_or_unit_quarantines_the_whole_message(
    server: Plant, topic: str, reason: str
) -> None:
    assert await server.deliver(GOOD, topic=topic) == ["quarantined"]
    assert await server.rows("select topic, payload, reason from quarantine") == [
        (topic, GOOD, reason)
    ]
    assert await server.rows("select units from batches") == [([0],)]


async def test_the_same_bytes_again_raise_the_count_of_the_item(server: Plant) -> None:
    assert await server.deliver(b"x", b"x") == ["quarantined", "duplicate"]
    assert await server.deliver(b"x") == ["duplicate"]
    assert await server.quarantine() == [("ams-1", None, "not_json", 3)]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("null", "null_without_status"),
        ("true", "not_a_number"),
        ('"384.2"', "not_a_number"),
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e400", "not_finite"),
        ("9" * 400, "not_finite"),
        ("1000000001", "out_of_bounds"),
        ("-1.5e9", "out_of_bounds"),
    ],
)
async def test_a_bad_value_is_quarantined_with_its_reason_and_the_rest_is_stored(
    server: Plant, token: str, reason: str
) -> None:
    payload = message({"so2": "?", "nox": 210.0}).replace(b'"?"', token.encode())
    assert await server.deliver(payload) == ["stored"]
    assert await server.readings() == [(2, 210.0, "valid", [], 0)]
    assert await server.quarantine() == [("ams-1", "so2", reason, 1)]
    [(kept,)] = await server.rows("select payload from quarantine_values")
    assert token.encode() in kept
    assert await server.counts() == {
        "messages_stored": 1,
        "readings_stored": 1,
        "readings_quarantined": 1,
    }


async def test_an_unknown_key_and_an_unknown_status_are_values_too(server: Plant) -> None:
    payload = message({"so3": 1.0, "so2": 2.0, "nox": 3.0}, status={"so2": "broken"})
    assert await server.deliver(payload) == ["stored"]
    assert await server.quarantine() == [
        ("ams-1", "so3", "unknown_channel", 1),
        ("ams-1", "so2", "unknown_status", 1),
    ]


async def test_values_of_one_unit_reason_and_key_are_one_item(server: Plant) -> None:
    for minute in (10, 11, 12):
        await server.deliver(message({"x": 1}, time=f"2026-11-22T03:{minute}:00Z", seq=minute))
    assert await server.quarantine() == [("ams-1", "x", "unknown_channel", 3)]


async def test_a_message_of_values_that_are_quarantined_already_is_a_duplicate(
    server: Plant,
) -> None:
    assert await server.deliver(message({"x": 1}, seq=1)) == ["quarantined"]
    assert await server.deliver(message({"x": 1}, seq=2)) == ["duplicate"]
    assert await server.counts() == {
        "messages_quarantined": 1,
        "messages_duplicate": 1,
        "readings_quarantined": 1,
        "readings_duplicate": 1,
    }


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-11-22T03:25:30.000001Z", "in_the_future"),  # received at 03:20:30
        ("2025-10-18T03:20:29.999999Z", "too_old"),
        ("1969-12-31T23:59:59Z", "too_old"),
    ],
)
async def test_a_value_from_the_future_or_too_old_is_quarantined(
    server: Plant, time: str, reason: str
) -> None:
    assert await server.deliver(message({"so2": 1.0}, time=time)) == ["quarantined"]
    assert await server.quarantine() == [("ams-1", "so2", reason, 1)]


@pytest.mark.parametrize("time", ["2026-11-22T03:25:30Z", "2025-10-18T03:20:30Z"])
async def test_five_minutes_after_and_400_days_before_receipt_are_still_stored(
    server: Plant, time: str
) -> None:
    assert await server.deliver(message({"so2": 1.0}, time=time)) == ["stored"]


@pytest.mark.parametrize("between", ["nothing", "a restart"])
async def test_a_redelivery_is_judged_as_the_first_delivery_was(
    server: Plant, between: str
) -> None:
    early = message({"so2": 1.0, "nox": None}, time="2026-11-22T03:25:40Z", seq=1)
    assert await server.deliver(early) == ["quarantined"]
    if between == "a restart":
        await server.stop()
        await server.start()
    later = NOW + 30 * SECOND
    assert await server.deliver(early, at=later) == ["duplicate"]
    assert await server.readings() == []
    # What is no repeat is judged by its own receipt, even under the same seq.
    other = message({"so2": 2.0}, time="2026-11-22T03:25:40Z", seq=1)
    assert await server.deliver(other, at=later) == ["stored"]


async def test_a_missing_value_is_stored_as_null_with_status_malfunction(server: Plant) -> None:
    await server.deliver(message({"so2": -1, "nox": -1}))
    assert await server.readings() == [
        (1, None, "malfunction", [], 0),
        (2, -1.0, "valid", ["negative"], 0),
    ]


async def test_a_missing_value_may_be_beyond_all_bounds(server: Plant) -> None:
    await server.deliver(message({"so2": -1e10}))
    assert await server.readings() == [(1, None, "malfunction", [], 0)]


async def test_a_status_without_a_value_is_stored_as_null_with_that_status(server: Plant) -> None:
    await server.deliver(message({"so2": None}, status={"so2": "stopped", "nox": "maintenance"}))
    assert await server.readings() == [
        (1, None, "stopped", [], 0),
        (2, None, "maintenance", [], 0),
    ]
    assert await server.counts() == {"messages_stored": 1, "readings_stored": 2}


async def test_out_of_range_and_negative_values_are_stored_with_a_flag(server: Plant) -> None:
    await server.deliver(message({"so2": -2.0, "nox": 6000, "o2": 26.0, "temp": -3.0}))
    assert [row[3] for row in await server.readings()] == [["negative"], ["range"], ["range"], []]


async def test_a_late_value_a_fast_clock_and_a_gap_are_flagged(server: Plant) -> None:
    await server.deliver(message({"so2": 1}, time="2026-11-22T03:21:31Z", seq=1))
    await server.deliver(message({"so2": 2}, time="2026-11-22T03:20:00Z", seq=2))
    await server.deliver(message({"so2": 3}, time="2026-11-22T03:21:40Z", seq=4), at=NOW + MINUTE)
    assert [row[3] for row in await server.readings()] == [["late"], ["clock"], ["gap_before"]]


async def test_what_a_database_text_cannot_hold_is_kept_all_the_same(server: Plant) -> None:
    keys = {"\x00": 1, "k" * 5000: 2, "😀": 3}
    assert await server.deliver(message(keys)) == ["quarantined"]
    assert len(await server.quarantine()) == 3
    topic = f"ams/v1/{'x' * 60_000}/ams-1/readings"
    assert await server.deliver(b"x", topic=topic) == ["quarantined"]
    boot = message({"so2": 1}, boot="a\x00b")
    assert await server.deliver(boot) == ["quarantined"]
