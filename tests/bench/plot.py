"""The picture of a soak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.chart import Panel, picture
from tests.bench.processes import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.flat import Course, Points


def soak_plot(title: str, subtitle: str, course: Course, latency: Mapping[str, Points]) -> str:
    """Return the SVG; ``latency`` in ms by seconds, one line each."""

    def line(name: str, by: float = 1.0) -> Points:
        values = course.series[name]
        return [(at / 60, value / by) for at, value in zip(course.times, values, strict=True)]

    memory = {name: line(name, MIB) for name in ("server", "PostgreSQL", "broker")}
    took = {name: [(at / 60, y) for at, y in points] for name, points in latency.items()}
    panels = [
        Panel("committed, thousand readings/s", {"": line("rate", 1000)}),
        Panel("from PUBLISH to queryable, ms", took),
        Panel("memory, MiB", memory),
        Panel("of the server", {"open files": line("handles"), "threads": line("threads")}),
    ]
    return picture(title, subtitle, "minutes", panels)
