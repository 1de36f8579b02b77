"""How long decoding takes a message of 10 values: ``python -m tests.bench.decode``."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import numpy as np

from ingest import careful
from ingest.draft import BatchDecoder
from ingest.newest import Newest
from ingest.prepare import Preparer
from ingest.sequences import Sequences
from ingest.topics import Topics
from ingest.wire import Readings
from storage.registry import Registry, Unit
from tests.pipeline.example import NOW, channels, registry

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = 1_000
MESSAGES = 4_000  # a batch: 40,000 readings
KEYS = ("so2", "no2", "nox", "co", "dust", "o2", "h2o", "temperature", "pressure", "flow")
ROUNDS = 7


def plants() -> Registry:
    """Return a registry of ``UNITS`` units with ten channels each."""
    units = {
        f"plant{n}/ams-1": Unit(
            n + 1,
            f"plant{n}",
            "ams-1",
            {key: 1 + n * len(KEYS) + at for at, key in enumerate(KEYS)},
        )
        for n in range(UNITS)
    }
    known = registry(units)
    return Registry(1, None, channels(1 + UNITS * len(KEYS)), units, known.zones, known.limits)


def messages(samples: int) -> tuple[list[str], list[bytes]]:
    """Return topics and payloads of ``MESSAGES`` messages of ``samples`` x 10 values."""
    chance = random.Random(1)
    topics, payloads = [], []
    for number in range(MESSAGES):
        minute = number // UNITS
        taken = [
            {
                "time": f"2026-11-22T03:{minute:02}:{second:02}Z",
                "values": {key: round(chance.uniform(0, 400), 1) for key in KEYS},
            }
            for second in range(samples)
        ]
        topics.append(f"ams/v1/plant{number % UNITS}/ams-1/readings")
        payloads.append(json.dumps({"boot": "7f3c9a", "seq": minute, "samples": taken}).encode())
    return topics, payloads


def best(run: Callable[[], object]) -> float:
    """Return the least processor time of ``ROUNDS`` runs, in microseconds a message."""
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        run()
        times.append(time.thread_time() - began)
    return min(times) / MESSAGES * 1e6


def ways(known: Registry, topics: list[str], payloads: list[bytes]) -> dict[str, float]:
    """Return the microseconds a message of each way of decoding."""
    find = Topics(known)
    decoder = BatchDecoder()
    pairs = [
        (payload, careful.Context(unit, known.channels, NOW, 0))
        for payload, unit in zip(payloads, map(find.find, topics), strict=True)
        if unit is not None
    ]

    def whole_way() -> None:
        preparer = Preparer(
            known, Newest(np.zeros(len(known.channels.active), np.int64)), Sequences()
        )
        preparer._topics = find
        draft = preparer.decode(topics, payloads, NOW)
        preparer.judge(draft)
        for unit, boot in preparer.unknown_boots(draft):
            preparer.sequences.remember(unit, boot, unit)
        preparer.finish(draft)

    return {
        "fast, to checked columns": best(lambda: decoder.decode(topics, payloads, NOW, find)),
        "the same with sequences and newest": best(whole_way),
        "careful": best(lambda: [careful.decode(payload, context) for payload, context in pairs]),
        "pydantic model": best(lambda: [Readings.model_validate_json(p) for p in payloads]),
    }


def main() -> None:
    """Print a line for each way of decoding."""
    known = plants()
    for samples in (1, 10):
        topics, payloads = messages(samples)
        print(f"{samples * len(KEYS)} values a message, {len(payloads[0])} bytes")
        for name, microseconds in ways(known, topics, payloads).items():
            rate = 1e6 / microseconds
            print(f"  {name:<36} {microseconds:8.2f} us {rate:10,.0f} messages/s")


if __name__ == "__main__":
    main()
