"""Messages of a simulated unit: contracts.md section 2, before they are bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, timezone

from simulators.instants import rfc3339

FIRMWARE = "ams-simulator"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a unit measured at one instant (microseconds since 1970 UTC).

    ``values`` maps payload keys to numbers, or None where there is no value; ``status`` names the
    keys whose status is not ``valid``.
    """

    time: int
    values: dict[str, float | None]
    status: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message and when its unit hands it to its MQTT client (``due``, microseconds).

    ``raw`` replaces the encoded message where a fault garbles it. ``zone`` is the offset in which
    times are written.
    """

    due: int
    boot: str
    seq: int
    samples: tuple[Sample, ...]
    zone: timezone = UTC
    raw: bytes | None = None

    def payload(self) -> bytes:
        """Return the bytes to publish, the same for the same message."""
        if self.raw is not None:
            return self.raw
        samples = [encoded_sample(sample, self.zone) for sample in self.samples]
        body = {"boot": self.boot, "seq": self.seq, "samples": samples}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def encoded_sample(sample: Sample, zone: timezone = UTC) -> dict[str, object]:
    """Return a sample as it stands in a message."""
    encoded: dict[str, object] = {
        "time": rfc3339(sample.time, zone),
        "values": sample.values,
    }
    if sample.status:
        encoded["status"] = sample.status
    return encoded


def readings_topic(enterprise: str, unit: str) -> str:
    """Return the topic of a unit's readings."""
    return f"ams/v1/{enterprise}/{unit}/readings"


def status_topic(enterprise: str, unit: str) -> str:
    """Return the topic of a unit's retained state, also its last will."""
    return f"ams/v1/{enterprise}/{unit}/status"


def status_payload(state: str, boot: str) -> bytes:
    """Return a unit's state, ``online`` or ``offline``."""
    return json.dumps({"state": state, "boot": boot, "firmware": FIRMWARE}).encode()


def four_digits(value: float) -> float:
    """Return ``value`` rounded to four significant digits, as analysers show it."""
    return float(f"{value:.4g}")


def boot_id(*arguments: object) -> str:
    """Return the boot id that follows from ``arguments``: the same run, the same boot."""
    text = "\n".join(str(argument) for argument in arguments)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
