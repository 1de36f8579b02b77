"""What the simulators' tests share: where the real data is, courses of a fleet, parsed messages."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulators.fleet import Course, unit_messages
from simulators.instants import DAY, parse_instant
from simulators.message import Outgoing
from simulators.plants import GRES1, Plant

START = parse_instant("2026-03-02T00:00:00Z")
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DATA = Path(os.environ.get("AMS_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def data_files(folder: str, pattern: str) -> list[str]:
    """The files of a folder of real data, or a skip that names it."""
    files = sorted(str(file) for file in (DATA / folder).glob(pattern))
    if not files:
        pytest.skip(f"needs the data {DATA / folder} which is missing")
    return files


def course(days: float = 1.0, **changes: Any) -> Course:
    """A day (or several) of a fleet without faults."""
    fleet = Course(seed=7, start=START, end=None, period=MINUTE, speed=1.0, faults={})
    return replace(fleet, end=START + round(days * DAY), **changes)


def messages(days: float = 1.0, plant: Plant = GRES1, **changes: Any) -> list[Outgoing]:
    return list(unit_messages(plant, course(days, **changes)))


def measured(stream: Sequence[Outgoing]) -> Iterator[tuple[int, str, float | None, str]]:
    """(time, key, value, status) of everything in a stream."""
    for message in stream:
        for sample in message.samples:
            for key, value in sample.values.items():
                yield sample.time, key, value, sample.status.get(key, "valid")


def parsed(message: Outgoing) -> Any:
    return json.loads(message.payload())
