"""Two hundred thousand messages that no unit should send, among good ones.

None ends the server, each is counted once, and whatever is not stored is found in quarantine.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import plants
from tests.acceptance.flood import flood
from tests.acceptance.fuzzing import ELSEWHERE, Fuzzer
from tests.acceptance.publishing import rfc3339
from tests.acceptance.server import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.api import Api, Item
    from tests.acceptance.server import AmsServer
    from tests.fixtures.brokers import Broker

MESSAGES = 210_000
SEED = int(os.environ.get("AMS_TEST_SEED", "1"))
EVERY = 20  # a good message after so many others
GOOD_TOPIC = "ams/v1/gres1/ams-2/readings"
STILL_WAITING = """
select (select count(*) from quarantine where key is null)
     + (select count(distinct (batch, message)) from quarantine_values where message is not null)
"""


def registry() -> dict[str, Any]:
    """The unit that is fuzzed, and one that sends what it should."""
    document = plants.registry(["so2", "nox", "dust"])
    enterprise = document["enterprises"][0]
    keys = enterprise["units"][0]["channels"]
    keys["пыль"] = keys.pop("dust")
    [channel, *_] = enterprise["sources"][0]["channels"]
    enterprise["sources"].append({"id": "stack-2", "number": "0002", "channels": [channel]})
    enterprise["units"].append({"id": "ams-2", "channels": {"so2": "stack-2/so2"}})
    return document


class Sent:
    """What is published: the fuzzer's messages, and good ones of seconds that follow each other.

    ``counted``: how often each (topic, payload) was sent that the ledger has to count, by digest.
    """

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.fuzzer = Fuzzer(SEED, self.now)
        self.counted: Counter[bytes] = Counter()
        self.good = 0

    def messages(self) -> Iterator[tuple[str, bytes]]:
        for number in range(MESSAGES):
            topic, payload = self.fuzzer.topic(), self.fuzzer.payload()
            if topic not in ELSEWHERE:
                self.counted[digest(topic, payload)] += 1
            yield topic, payload
            if number % EVERY == 0:
                payload = self._good()
                self.counted[digest(GOOD_TOPIC, payload)] += 1
                yield GOOD_TOPIC, payload

    def _good(self) -> bytes:
        seq = self.good
        self.good += 1
        time = rfc3339(self.now - timedelta(hours=4) + timedelta(seconds=seq))
        return b'{"boot":"b1","seq":%d,"samples":[{"time":"%s","values":{"so2":%d}}]}' % (
            seq,
            time.encode(),
            seq % 50,
        )


def digest(topic: str, payload: bytes) -> bytes:
    return sha256(topic.encode() + b"\0" + payload).digest()


@pytest.mark.timeout(600)
async def test_nothing_that_is_sent_ends_the_server_or_is_unaccounted_for(
    here: Path, mosquitto: Broker
) -> None:
    file = plants.write(here, registry())
    sent = Sent()
    async with (
        serving(here, registry=file, broker=mosquitto.url) as server,
        server.api() as api,
    ):
        assert server.process is not None
        pid = server.process.pid
        taken = await flood(server.mqtt, sent.messages())
        assert taken == MESSAGES + sent.good
        await all_counted(api, sent.counted.total())
        assert server.process.returncode is None
        assert (server.process.pid, await api.status("/readyz")) == (pid, 200)
        ledger = await api.ledger()
        await assert_good_ones_are_stored(server, api, sent.good)
        await assert_the_others_are_found(server, api, list(ledger.values()), sent.counted)
        assert "Traceback" not in server.log, server.log[-5000:]


async def all_counted(api: Api, messages: int) -> None:
    async def counted() -> bool:
        assert await api.status("/healthz") == 200
        return received(list((await api.ledger()).values())) >= messages

    await until(counted, f"{messages} messages in the ledger", 300)
    assert received(list((await api.ledger()).values())) == messages


def received(ledger: list[Item]) -> int:
    return sum(int(entry["messages"]["received"]) for entry in ledger)


async def assert_good_ones_are_stored(server: AmsServer, api: Api, count: int) -> None:
    entry = (await api.ledger())["ams-2"]
    for kind in ("messages", "readings"):
        assert (entry[kind]["received"], entry[kind]["stored"]) == (count, count)
    async with server.sql() as conn:
        [row] = await conn.fetch(
            "select count(*), sum(value) from readings_named where source = 'stack-2'"
        )
    assert tuple(row) == (count, sum(seq % 50 for seq in range(count)))


async def assert_the_others_are_found(
    server: AmsServer, api: Api, ledger: list[Item], counted: Counter[bytes]
) -> None:
    """What the ledger counts as quarantined is in the list: messages with their bytes, values."""
    whole = values = items = 0
    reasons = set()
    page: Item = {"next": ""}
    while (cursor := page["next"]) is not None:
        page = await api.get("quarantine", limit=2_000, **({"cursor": cursor} if cursor else {}))
        for item in page["items"]:
            reasons.add(item["reason"])
            if item["key"] is not None:
                values += item["count"]
                continue
            items += 1
            whole += item["count"]
            sent = counted[digest(item["topic"], base64.b64decode(item["payload"]))]
            assert item["count"] == sent, item
    quarantined = sum(entry["messages"]["quarantined"] for entry in ledger)
    assert values == sum(entry["readings"]["quarantined"] for entry in ledger)
    async with server.sql() as conn:
        assert quarantined == await conn.fetchval(STILL_WAITING)
    assert items <= quarantined <= whole + values
    assert len(reasons) >= 12, f"the fuzzer reaches only {sorted(reasons)}"
