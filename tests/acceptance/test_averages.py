"""Units' own means, seen from outside: messages in, the API's answers and notices out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import plants
from tests.acceptance.publishing import minutes, plant, rfc3339
from tests.acceptance.server import until
from tests.acceptance.waiting import become

if TYPE_CHECKING:
    from tests.acceptance.api import Item
    from tests.acceptance.publishing import Plant
    from tests.acceptance.waiting import Where

pytestmark = pytest.mark.timeout(400)
BLOCK = timedelta(minutes=20)


def said(first: datetime, *values: Any, seq: int, period: str = "20min", key: str = "so2") -> bytes:
    """A message of block means of one channel, one after the other."""
    averages = [
        {"time": rfc3339(first + place * BLOCK), "values": {key: value}}
        for place, value in enumerate(values)
    ]
    return json.dumps({"boot": "b1", "seq": seq, "period": period, "averages": averages}).encode()


async def report(unit: Plant, payload: bytes) -> None:
    await unit.raw(payload, f"{unit.topic}/averages")


def shown(items: list[Item]) -> list[tuple[Any, ...]]:
    return [(one["value"], one["revision"], one["ours"], one["agrees"]) for one in items]


async def test_what_becomes_of_a_reported_mean(where: Where, start: datetime) -> None:
    """Stored, duplicate, revised, an older revision again, and set aside; the ledger knows none."""
    _, api, _ = where
    async with plant(where[0].mqtt) as unit:
        good = said(start, 10.0, 11.0, seq=1)
        await report(unit, good)
        await report(unit, good)
        await report(unit, said(start, 12.0, seq=2))
        await report(unit, good)  # the old value, but a message that was received before
        current = await become(api, "reported", lambda items: len(items) == 2)
        everything = await become(api, "reported", lambda items: len(items) == 3, revisions="all")
        assert shown(everything) == [
            (10.0, 0, None, None), (12.0, 1, None, None), (11.0, 0, None, None),
        ]  # fmt: skip
        await report(unit, said(start, 10.0, seq=3))  # the old value said anew
        current = await become(api, "reported", lambda items: items[0]["revision"] == 2)
        assert shown(current) == [(10.0, 2, None, None), (11.0, 0, None, None)]
        assert current[0]["window"] == "20min"
        assert current[0]["unit"] == "ams-1"
        assert current[0]["end"] == rfc3339(start + BLOCK)

        await report(unit, said(start, 1.0, seq=4, key="co"))
        await report(unit, said(start, 1.0, seq=5, period="90s"))
        await report(unit, said(start + timedelta(minutes=5), 1.0, seq=6))
        await report(unit, said(datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
                                + timedelta(hours=1), 1.0, seq=7))  # fmt: skip
        await report(unit, said(start, "1", seq=8))
        await report(unit, b'{"boot": "b1"')
        await report(unit, said(start, 1.0, seq=9, period="1month"))
        await unit.raw(said(start, 1.0, seq=10), "ams/v1/gres1/ams-9/averages")
        aside = await become(api, "quarantine", lambda items: len(items) == 8)
        assert {(item["reason"], item["key"]) for item in aside} == {
            ("unknown_channel", "co"),
            ("wrong_period", "so2"),
            ("no_such_block", "so2"),
            ("in_the_future", "so2"),
            ("not_a_number", "so2"),
            ("not_json", None),
            ("not_schema", None),
            ("unknown_unit", None),
        }
        assert all(item["topic"].endswith("/averages") for item in aside)
    assert await api.received() == 0
    metrics = await (await api.session.get("/metrics")).text()
    for outcome, count in {"stored": 2, "duplicate": 4, "revised": 2, "quarantined": 5}.items():
        assert f'ams_reported_averages_total{{outcome="{outcome}"}} {count}.0' in metrics
    for outcome, count in {"stored": 3, "duplicate": 2, "quarantined": 8}.items():
        assert f'ams_reported_messages_total{{outcome="{outcome}"}} {count}.0' in metrics


async def test_a_mean_that_differs_opens_an_alert_and_one_that_agrees_resolves_it(
    where: Where, start: datetime
) -> None:
    """Either may come first; what late readings change in ours changes the alert."""
    _, api, hook = where
    values = [50.0] * 20 + [60.0] * 20 + [70.0] * 20 + [80.0] * 21
    async with plant(where[0].mqtt) as unit:
        await report(unit, said(start, 50.0, 66.0, seq=1))  # before ours are there
        await unit.send(*minutes(start, values))
        [alert] = await become(api, "alerts", lambda items: items, kind="disagreement")
        assert alert["state"] == "open"
        assert (alert["window"], alert["uom"], alert["channel"]) == ("20min", "mg/m3", "so2")
        assert (alert["value"], alert["peak"], alert["limit"]) == (6.0, 6.0, None)
        assert alert["opened_at"] == rfc3339(start + 2 * BLOCK)
        await report(unit, said(start + 2 * BLOCK, 70.5, 80.0, seq=2))  # after ours
        [alert] = await become(
            api, "alerts", lambda items: items[0]["state"] == "resolved", kind="disagreement"
        )
        assert alert["resolved_at"] == rfc3339(start + 3 * BLOCK)
        assert not alert["late"]
        detail = await api.get(f"alerts/{alert['id']}")
        assert [entry["change"] for entry in detail["history"]] == ["opened", "resolved"]
        assert detail["history"][0]["evidence"] == {
            "start": rfc3339(start + BLOCK), "end": rfc3339(start + 2 * BLOCK), "window_s": 1200,
            "reported": 66.0, "ours": 60.0, "difference": 6.0, "tolerance": 3.0,
        }  # fmt: skip
        items = await api.items("reported")
        assert shown(items) == [
            (50.0, 0, 50.0, True), (66.0, 0, 60.0, False), (70.5, 0, 70.0, True),
            (80.0, 0, 80.0, True),
        ]  # fmt: skip
        assert items[1]["difference"] == 6.0

        # Readings corrected hours later make ours what was reported: there was no disagreement.
        await unit.send(*minutes(start + BLOCK, [66.0] * 20))
        [alert] = await become(
            api, "alerts", lambda items: items[0]["state"] == "withdrawn", kind="disagreement"
        )
        # And others make ours another one there: the same is found as if they had come in order.
        await unit.send(*minutes(start, [40.0] * 20))
        found = await become(api, "alerts", lambda items: len(items) == 2, kind="disagreement")
        [alert] = [one for one in found if one["state"] == "resolved"]
        assert alert["opened_at"] == rfc3339(start + BLOCK)
        assert alert["resolved_at"] == rfc3339(start + 2 * BLOCK)
        assert (alert["peak"], alert["late"]) == (10.0, True)

    async def told() -> bool:
        kinds = [event["type"].rpartition(".")[2] for event in hook.events
                 if event["data"]["kind"] == "disagreement"]  # fmt: skip
        return kinds == ["opened", "resolved", "withdrawn", "resolved"]

    await until(told, "notices of it all")


async def test_what_was_set_aside_is_stored_when_the_registry_knows_it(
    where: Where, start: datetime
) -> None:
    server, api, _ = where
    async with plant(server.mqtt) as unit:
        await report(unit, said(start, 7.0, seq=1, key="co"))
        await unit.raw(said(start, 9.0, seq=1), "ams/v1/gres1/ams-2/averages")
        await become(api, "quarantine", lambda items: len(items) == 2)
        document = plants.registry(("so2", "nox", "co"))
        document["enterprises"][0]["units"][0]["channels"].pop("nox")
        document["enterprises"][0]["units"].append(
            {"id": "ams-2", "channels": {"so2": "stack-1/nox"}}
        )
        await server.command("registry", "apply", plants.write(server.directory, document))
        items = await become(api, "quarantine", lambda items: len(items) == 2)

        async def retried() -> bool:  # until the server has taken note of the registry
            for item in items:
                await api.post(f"quarantine/{item['id']}/retry")
            states = [item["state"] for item in await api.items("quarantine")]
            return states == ["stored", "stored"]

        await until(retried, "both to be stored")
    found = await api.items("reported")
    assert [(item["channel"], item["value"], item["unit"]) for item in found] == [
        ("nox", 9.0, "ams-2"),
        ("co", 7.0, "ams-1"),
    ]
    assert await api.received() == 0
