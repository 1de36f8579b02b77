"""A unit's own means: what its evaluation computer makes of the samples, block by block.

Faults of the unit's readings are not in them: they strike on the way from the analyser, and what
they do shows as a difference between the unit's mean and the server's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING

from simulators.instants import HOUR, MINUTE
from simulators.message import Sample, encoded_sample, four_digits
from simulators.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BLOCK = 20 * MINUTE
PERIOD = "20min"


@dataclass(frozen=True, slots=True)
class Report:
    """A message of means and when its unit hands it to its MQTT client (``due``, microseconds).

    The time of each of the ``averages`` is the start of its block.
    """

    due: int
    boot: str
    seq: int
    averages: tuple[Sample, ...]

    def payload(self) -> bytes:
        """Return the bytes to publish, the same for the same message."""
        averages = [encoded_sample(sample) for sample in self.averages]
        body = {"boot": self.boot, "seq": self.seq, "period": PERIOD, "averages": averages}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def averages_topic(enterprise: str, unit: str) -> str:
    """Return the topic of a unit's own means."""
    return f"ams/v1/{enterprise}/{unit}/averages"


def reports(  # noqa: PLR0913  what a unit does with its samples
    measured: Iterable[Sample], boot: str, *, period: int, way: int, seed: str, apart: float
) -> Iterator[Report]:
    """Yield a report for each whole block of samples that come each ``period`` microseconds.

    It leaves the unit ``way`` after the block's end. For 1 to 3 hours, every 12 on average, the
    unit's formula is another one: its means are the share ``apart`` too high.
    """
    other: Schedule[None] | None = None
    seq = 0
    for start, block in groupby(measured, lambda sample: sample.time // BLOCK * BLOCK):
        samples = list(block)
        if other is None:
            every, lasts = 12 * HOUR, (HOUR, 3 * HOUR)
            other = Schedule(Random(f"{seed}/apart"), start, every, lasts, lambda _: None)
        if len(samples) * period == BLOCK:
            factor = 1 + apart if other.at(start) else 1.0
            yield Report(start + BLOCK + way, boot, seq, (_mean(start, samples, factor),))
            seq += 1


def _mean(start: int, samples: Sequence[Sample], factor: float) -> Sample:
    """Return the block's means; a key without 2/3 of its values has none, but a status."""
    values: dict[str, float | None] = {}
    status: dict[str, str] = {}
    for key in samples[0].values:
        valid = [
            value
            for sample in samples
            if key not in sample.status and (value := sample.values.get(key)) is not None
        ]
        if 3 * len(valid) >= 2 * len(samples):
            values[key] = four_digits(factor * sum(valid) / len(valid))
        else:
            values[key] = None
            status[key] = next(s.status[key] for s in reversed(samples) if key in s.status)
    return Sample(start, values, status)
