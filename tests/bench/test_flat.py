"""What grows is seen, and what only jumps about is not; the picture of it is well-formed."""

from __future__ import annotations

import random
from xml.etree import ElementTree as ET

import pytest

from tests.bench.flat import WINDOWS, Course, latency_windows, verdicts
from tests.bench.plot import soak_plot
from tests.bench.processes import MIB

RATE, SECONDS, EVERY = 1000.0, 900, 5


def course(growing: str | None = None, more: float = 0.0) -> Course:
    """A quarter of an hour of noise; one series grows evenly, to ``more`` times as much again."""
    chance, made = random.Random(2), Course()

    def value(name: str, usual: float, at: float) -> float:
        grown = 1 + (more * at / SECONDS if name == growing else 0)
        return usual * grown * chance.uniform(0.97, 1.03)

    for at in range(EVERY, SECONDS + 1, EVERY):
        noted = {name: value(name, 200.0 * MIB, at) for name in ("server", "PostgreSQL", "broker")}
        noted |= {name: round(value(name, 30.0, at)) for name in ("handles", "threads")}
        made.note(at, {**noted, "rate": RATE})
    for number in range(SECONDS * 4):
        spike = 5.0 if number % 997 == 0 else 1.0  # a checkpoint now and then
        made.probes.append((number / 4, value("latency", 0.1, number / 4) * spike))
    return made


def test_noise_and_single_spikes_are_flat() -> None:
    assert [verdict.name for verdict in verdicts(course(), RATE) if not verdict.flat] == []


@pytest.mark.parametrize(
    ("growing", "more", "named"),
    [
        ("server", 0.5, ["server's memory"]),
        ("handles", 0.7, ["server's open files"]),
        ("threads", 0.7, ["server's threads"]),
        ("latency", 20.0, ["PUBLISH to queryable, p50", "PUBLISH to queryable, p99"]),
    ],
)
def test_what_grows_is_named(growing: str, more: float, named: list[str]) -> None:
    found = verdicts(course(growing, more), RATE)
    assert [verdict.name for verdict in found if not verdict.flat] == named


def test_a_rate_that_is_not_kept_is_named() -> None:
    slow = course()
    slow.series["rate"][-60:] = [RATE / 2] * 60
    found = verdicts(slow, RATE)
    assert [verdict.name for verdict in found if not verdict.flat] == ["short of the rate"]


def test_the_picture_is_well_formed_and_has_a_line_for_each_series() -> None:
    seen = course()
    svg = soak_plot("Soak & more", "here", seen, latency_windows(seen.probes, SECONDS, WINDOWS))
    root = ET.fromstring(svg)  # noqa: S314 - our own
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 8
    for line in lines:
        points = [point.split(",") for point in line.attrib["points"].split()]
        assert len(points) >= WINDOWS
        assert all(0 <= float(x) <= 860 and 0 <= float(y) <= 760 for x, y in points)
