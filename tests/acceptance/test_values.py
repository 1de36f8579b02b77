"""What becomes of a message and of each of its values: raw messages in, the API's answers out."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.publishing import minutes, plant, rfc3339, sample
from tests.acceptance.server import until
from tests.acceptance.waiting import counted

if TYPE_CHECKING:
    from tests.acceptance.api import Api
    from tests.acceptance.waiting import Where

pytestmark = pytest.mark.timeout(400)


async def value(api: Api, time: datetime) -> tuple[Any, ...]:
    end = time + timedelta(seconds=1)
    [item] = await api.items("readings", channel="so2", start=rfc3339(time), end=rfc3339(end))
    return item["value"], item["status"], item["revision"]


async def test_what_becomes_of_a_value(where: Where, start: datetime) -> None:
    """Section 2's table: good, duplicate, revised, an older revision again, and set aside."""
    _, api, _ = where
    async with plant(where[0].mqtt) as unit:
        good = await unit.send(sample(start, {"so2": 10.0, "nox": 5.0}))
        await counted(api, stored=2)
        await unit.raw(good)
        await counted(api, stored=2, duplicate=2)
        await unit.send(sample(start, {"so2": 11.0}))
        await counted(api, stored=2, duplicate=2, revised=1)
        assert await value(api, start) == (11.0, "valid", 1)
        await unit.raw(good)  # the old value, but a message that was received before
        await counted(api, stored=2, duplicate=4, revised=1)
        assert await value(api, start) == (11.0, "valid", 1)
        await unit.send(sample(start, {"so2": 10.0}))  # the old value, said anew
        await counted(api, stored=2, duplicate=4, revised=2)
        assert await value(api, start) == (10.0, "valid", 2)
        await unit.send(sample(start, {"so2": 10.0}, {"so2": "calibration"}))
        await counted(api, stored=2, duplicate=4, revised=3)
        assert await value(api, start) == (10.0, "calibration", 3)
        old = await api.items("readings", channel="so2", revisions="all")
        assert [item["value"] for item in old] == [10.0, 11.0, 10.0, 10.0]
        later = start + timedelta(minutes=1)
        await unit.send(sample(later, {"so2": None, "nox": 2e9, "dust": 1.0, "o2": True}))
        await counted(api, stored=2, duplicate=4, revised=3, quarantined=4)
        await unit.send(sample(later, {"so2": None, "nox": 1.0}, {"so2": "malfunction"}))
        await counted(api, stored=4, duplicate=4, revised=3, quarantined=4)
        ledger = (await api.ledger())["ams-1"]["messages"]
        assert ledger == {"received": 8, "stored": 5, "duplicate": 2, "quarantined": 1}


async def test_what_is_set_aside_whole(where: Where, start: datetime) -> None:
    """Not JSON, not the schema, a repeated key, an unknown unit or enterprise: kept, with why."""
    server, api, _ = where
    reading = b'{"time": "%s", "values": {"so2": 1}}' % rfc3339(start).encode()
    async with plant(server.mqtt) as unit:
        await unit.raw(b"\xff\x00 not json")
        await unit.raw(b"\xff\x00 not json")
        await unit.raw(b'{"boot": "b"}')
        await unit.raw(b'{"boot": "b", "boot": "c", "seq": 1, "samples": [%s]}' % reading)
        whole = b'{"boot": "b", "seq": 1, "samples": [%s]}' % reading
        await unit.raw(whole, "ams/v1/gres1/ams-9/readings")
        await unit.raw(whole, "ams/v1/nobody/ams-1/readings")

        async def all_there() -> bool:
            ledger = await api.ledger()
            return sum(int(entry["messages"]["received"]) for entry in ledger.values()) == 6

        await until(all_there, "six messages in the ledger")
    items = await api.items("quarantine")
    assert {
        (item["reason"], item["enterprise"], item["unit"], item["count"]) for item in items
    } == {
        ("not_json", "gres1", "ams-1", 2),
        ("not_schema", "gres1", "ams-1", 1),
        ("repeated_key", "gres1", "ams-1", 1),
        ("unknown_unit", "gres1", "ams-9", 1),
        ("unknown_enterprise", "nobody", "ams-1", 1),
    }
    assert base64.b64decode(items[0]["payload"])
    ledger = await api.ledger()
    assert ledger["ams-1"]["messages"] == {
        "received": 4,
        "stored": 0,
        "duplicate": 1,
        "quarantined": 3,
    }
    assert ledger[None]["messages"]["quarantined"] == 2
    assert not await api.items("readings")


async def test_the_largest_message_is_taken(where: Where, start: datetime) -> None:
    """4 MiB and 10,000 samples pass every broker; one sample more is set aside whole."""
    server, api, _ = where
    first = start - timedelta(minutes=10_000)
    samples = minutes(first, [50.0] * 10_000)
    whole = json.dumps({"boot": "b1", "seq": 0, "samples": samples}).encode()
    more = [*samples, *minutes(start, [50.0])]
    async with plant(server.mqtt) as unit:
        await unit.raw(whole.ljust(4 * 1024 * 1024))
        await counted(api, stored=10_000)
        await unit.raw(json.dumps({"boot": "b1", "seq": 1, "samples": more}).encode())

        async def set_aside() -> bool:
            return [one["reason"] for one in await api.items("quarantine")] == ["not_schema"]

        await until(set_aside, "a message of 10,001 samples to be set aside")
