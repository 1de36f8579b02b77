"""A small registry by hand, and messages for it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np

from alerts.core.limits import Limits
from alerts.core.vocabulary import MINUTE
from ingest.instants import parse_time
from ingest.topics import Topics
from storage.registry import Channels, Registry, Unit

NOW = parse_time("2026-11-22T03:20:30Z")  # when everything here is received
TOPIC = "ams/v1/gres1/ams-1/readings"
KEYS = {"so2": 1, "nox": 2, "o2": 3, "temp": 4, "пыль": 5}
MISSING = -1.0  # what so2 sends when it has no value


def channels(size: int = 6) -> Channels:
    """Channel 1 (so2) has a missing value, channel 4 (temp) negative ones."""
    missing = np.full((size, 2), np.nan)
    missing[1] = MISSING, -1e10
    low, high = np.full(size, -5.0), np.full(size, 5000.0)
    low[3], high[3] = 0.0, 25.0
    signed = np.zeros(size, np.bool_)
    signed[4] = True
    return Channels(
        active=np.ones(size, np.bool_),
        period=np.full(size, MINUTE, np.int64),
        range_low=low,
        range_high=high,
        missing=missing,
        signed=signed,
        zone=np.zeros(size, np.int32),
    )


def no_limits() -> Limits:
    empty: Any = np.zeros(0)
    return Limits(*(empty for _ in fields(Limits)))


def registry(units: dict[str, Unit] | None = None, version: int = 1) -> Registry:
    if units is None:
        units = {
            "gres1/ams-1": Unit(1, "gres1", "ams-1", KEYS),
            "gres1/ams-2": Unit(2, "gres1", "ams-2", {"co": 5}),
        }
    return Registry(version, None, channels(), units, ("+05:00",), no_limits())


def topics() -> Topics:
    return Topics(registry())


def message(
    values: dict[str, Any] | None = None,
    *,
    time: str = "2026-11-22T03:20:00Z",
    status: dict[str, Any] | None = None,
    boot: str = "7f3c9a",
    seq: int = 1,
) -> bytes:
    """A message of one sample."""
    sample: dict[str, Any] = {"time": time}
    if values is not None:
        sample["values"] = values
    if status is not None:
        sample["status"] = status
    return json.dumps({"boot": boot, "seq": seq, "samples": [sample]}, ensure_ascii=False).encode()
