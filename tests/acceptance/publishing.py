"""A unit's side of MQTT: raw messages out, receipts in."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingest.mqtt_client import Client, Will

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

Value = float | int | str | bool | None
_CLIENTS = count(1)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def minutes(first: datetime, values: Sequence[float], key: str = "so2") -> list[dict[str, Any]]:
    """Samples of one channel, a minute apart."""
    return [
        {"time": rfc3339(first + timedelta(minutes=place)), "values": {key: value}}
        for place, value in enumerate(values)
    ]


def sample(
    moment: datetime, values: Mapping[str, Value], status: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "time": rfc3339(moment),
        "values": dict(values),
        **({"status": dict(status)} if status else {}),
    }


@dataclass
class Plant:
    """One unit at the broker: numbers its messages as a unit does."""

    client: Client
    enterprise: str = "gres1"
    unit: str = "ams-1"
    boot: str = "b1"
    seq: int = 0

    @property
    def topic(self) -> str:
        return f"ams/v1/{self.enterprise}/{self.unit}"

    async def send(self, *samples: dict[str, Any], seq: int | None = None) -> bytes:
        """Publish a message, acknowledged by the broker when this returns; return its bytes."""
        if seq is None:
            seq, self.seq = self.seq, self.seq + 1
        payload = json.dumps({"boot": self.boot, "seq": seq, "samples": samples}).encode()
        await self.raw(payload)
        return payload

    async def raw(self, payload: bytes, topic: str | None = None) -> None:
        await self.client.publish(topic or f"{self.topic}/readings", payload, qos=1, timeout=60)

    async def state(self, state: str) -> None:
        said = json.dumps({"state": state, "boot": self.boot, "firmware": "1.0"})
        await self.client.publish(f"{self.topic}/status", said, qos=1, retain=True, timeout=60)


@asynccontextmanager
async def plant(url: str, *, will: bool = False, **named: Any) -> AsyncIterator[Plant]:
    """A unit that is connected to a broker; ``will``: with a last will, as the contract wants."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    topic = f"ams/v1/{named.get('enterprise', 'gres1')}/{named.get('unit', 'ams-1')}/status"
    gone = json.dumps({"state": "offline", "boot": named.get("boot", "b1"), "firmware": "1.0"})
    last = Will(topic, gone, qos=1, retain=True) if will else None
    name = f"test-plant-{next(_CLIENTS)}"
    async with Client(parts.hostname, parts.port, identifier=name, will=last) as client:
        yield Plant(client, **named)


async def retained(url: str, topic: str, within: float = 30.0) -> dict[str, Any]:
    """What the broker keeps on a topic for whoever comes."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    name = f"test-reader-{next(_CLIENTS)}"
    async with (
        asyncio.timeout(within),
        Client(parts.hostname, parts.port, identifier=name) as client,
    ):
        await client.subscribe(topic, qos=1)
        async for message in client.messages:
            assert message.retain
            assert isinstance(message.payload, bytes)
            said: dict[str, Any] = json.loads(message.payload)
            return said
    raise AssertionError(f"nothing on {topic}")
