"""Finds the highest rate that the whole path keeps up with."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.path import measure_server
from tests.bench.running import Scrape, load, settled, tell

if TYPE_CHECKING:
    from tests.bench.running import Server

STEPS = [1.15 - 0.05 * number for number in range(18)]  # of what a flood was stored at
BEHIND = 1.0  # seconds of load that may wait when it ends
SENT = 0.97  # of what was asked for: less, and the generator cannot send so much beside the rest


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent; every channel of the registry has a limit."""

    units: int
    values: int

    @property
    def options(self) -> list[str]:
        """The load generator's words for it."""
        return ["--units", f"{self.units}", "--values", f"{self.values}", "--limits",
                f"{self.values}"]  # fmt: skip

    def at(self, rate: float, seconds: float) -> list[str]:
        """Return its words for a load of ``rate`` readings a second."""
        messages = f"{rate / self.values:.3f}"
        return [*self.options, "--rate", messages, "--duration", f"{seconds:.0f}s"]

    def __str__(self) -> str:
        channels = self.units * self.values
        return f"{self.values} values a message, {self.units:,} units, {channels:,} channels"


def highest_rate(running: Server, shape: Shape, seconds: float) -> float:
    """Return the highest of some rates that is kept up for ``seconds``, in readings a second.

    It begins above what a flood is stored at and goes down from there. Raises RuntimeError when
    even a quarter of that is too much.
    """
    tell("a flood, to see where to begin")
    flood = [*shape.options, "--rate", "max", "--duration", f"{seconds:.0f}s"]
    most = measure_server(running, flood, shape.values).per_second
    for share in STEPS:
        tell(f"{share * most:,.0f} readings/s for {seconds:.0f} s")
        if _keeps_up(running, shape, share * most, seconds):
            return share * most
    raise RuntimeError("no rate was kept up with")


def _keeps_up(running: Server, shape: Shape, rate: float, seconds: float) -> bool:
    before = Scrape(running.http)["ams_readings_total"]
    began = time.perf_counter()
    sender = load(running.mqtt, shape.at(rate, seconds))
    out, _ = sender.communicate()
    stored = Scrape(running.http)["ams_readings_total"] - before
    sent: int = json.loads(out)["acknowledged"] * shape.values
    settled(running.http, before + sent)
    tell(f"{sent - stored:,.0f} readings behind after {time.perf_counter() - began:.0f} s")
    return sent >= SENT * rate * seconds and sent - stored <= BEHIND * rate
