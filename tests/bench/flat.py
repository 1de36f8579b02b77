"""Whether a course is flat: its last third against its second, by medians."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.processes import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WINDOWS = 30  # of a run, each with a median and a 99th percentile of latency
Points = list[tuple[float, float]]


@dataclass
class Course:
    """What was seen: times in seconds, series beside them; probes are (time, latency)."""

    times: list[float] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)
    probes: Points = field(default_factory=list)

    def note(self, at: float, values: Mapping[str, float]) -> None:
        """Add a sample."""
        self.times.append(at)
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Medians of the second and the last third; flat when the last is at most ``allowed``."""

    name: str
    unit: str
    second: float
    last: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether nothing grew."""
        return self.last <= self.allowed

    def __str__(self) -> str:
        word = "flat" if self.flat else "GROWS"
        return (
            f"{self.name:<28} {word:<6} second third {self.second:,.1f} {self.unit}, last"
            f" {self.last:,.1f} (at most {self.allowed:,.1f})"
        )


def verdicts(course: Course, rate: float) -> list[Verdict]:
    """Judge memory, handles, latency and what is left behind of ``rate`` readings a second."""
    found = [
        _verdict("server's memory", "MiB", _scaled(course, "server", MIB), 1.05, 8),
        _verdict("server's open files", "", course.series["handles"], 1.05, 2),
        _verdict("server's threads", "", course.series["threads"], 1.05, 2),
    ]
    windows = latency_windows(course.probes, course.times[-1], WINDOWS)
    for name, points in windows.items():
        more = (1.25, 5) if name == "p50" else (1.5, 20)
        label = f"PUBLISH to queryable, {name}"
        found.append(_verdict(label, "ms", [y for _, y in points], *more))
    lacking = [max(0.0, 1 - stored / rate) * 100 for stored in course.series["rate"]]
    found.append(_verdict("short of the rate", "%", lacking, 1.0, 3))
    return found


def _scaled(course: Course, name: str, by: float) -> list[float]:
    return [value / by for value in course.series[name]]


def _verdict(name: str, unit: str, values: Sequence[float], times: float, plus: float) -> Verdict:
    third = len(values) // 3
    second, last = median(values[third : 2 * third]), median(values[2 * third :])
    return Verdict(name, unit, second, last, second * times + plus)


def latency_windows(probes: Points, seconds: float, number: int) -> dict[str, Points]:
    """Return median and 99th percentile (ms) of each of some windows of a run, by their middles."""
    return {
        name: list(_windows(probes, seconds, number, share))
        for name, share in (("p50", 50), ("p99", 99))
    }


def _windows(
    probes: Points, seconds: float, number: int, share: float
) -> Iterator[tuple[float, float]]:
    width = seconds / number
    for place in range(number):
        within = [took for at, took in probes if place * width <= at < (place + 1) * width]
        if within:
            yield (place + 0.5) * width, float(np.percentile(within, share)) * 1000
