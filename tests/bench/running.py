"""What the benches of the whole path share: server, broker and load as processes of their own."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fixtures.brokers import mosquitto_broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from tests.fixtures.brokers import Broker

PROGRAMS = Path(sys.executable).parent
STOP_WITHIN = 120.0  # seconds


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a module's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def tell(text: str) -> None:
    """Show on standard error how far a bench is."""
    print(f"    … {text}", file=sys.stderr, flush=True)


@contextmanager
def folder() -> Iterator[Path]:
    """Give a directory that PostgreSQL's user may enter, for as long as a bench runs."""
    with tempfile.TemporaryDirectory(prefix="ams-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass
class Server:
    """`ams-server serve` with its data in ``place``; may be stopped, killed and started again."""

    place: Path
    options: Sequence[str | Path] = ()
    program: Sequence[str | Path] = (PROGRAMS / "ams-server",)
    env: Mapping[str, str] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def http(self) -> str:
        """Where API and metrics are."""
        return str(self.ready["http"])

    @property
    def mqtt(self) -> str:
        """Where the broker is."""
        return str(self.ready["mqtt"])

    @property
    def database(self) -> str:
        """Where the database is."""
        return str(self.ready["database"])

    @property
    def pid(self) -> int:
        """The process's id, as long as it runs."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.place / "server.log"

    def start(self, *options: str | Path) -> float:
        """Start the process and return the seconds until it said that it is ready."""
        ready = self.place / "ready.json"
        ready.unlink(missing_ok=True)  # of a server that was killed
        command = [
            *self.program, "serve", "--data-dir", self.place / "data", "--http", "127.0.0.1:0",
            "--mqtt-port", "0", "--ready-file", ready, *self.options, *options,
        ]  # fmt: skip
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **self.env})
        while not ready.exists():
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.01)
        took = time.perf_counter() - began
        self.ready = json.loads(ready.read_text())
        return took

    def stop(self) -> float:
        """End it as an operator would and return the seconds that took."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> float:
        began = time.perf_counter()
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"it does not stop:\n{self.log.read_text()[-2000:]}") from None
            self.process = None
        return time.perf_counter() - began


@contextmanager
def server(place: Path, broker: str | None, registry: Path, **more: Any) -> Iterator[Server]:
    """Run a server on ``broker`` (None: the embedded one); ``more`` as `Server` has it."""
    options = [*more.pop("options", ()), *(("--broker", broker) if broker else ())]
    started = Server(place, options, **more)
    try:
        started.start("--registry", registry)
        yield started
    finally:
        started.stop()


def mosquitto(place: Path, stack: ExitStack) -> Broker:
    """Start a Mosquitto for as long as ``stack`` lasts."""
    broker = mosquitto_broker(place)
    broker.start()
    stack.callback(broker.kill)
    return broker


def load_registry_file(place: Path, shape: Sequence[str]) -> Path:
    """Write the registry of a load; ``shape`` are the load's options that say what is sent."""
    registry = place / "registry.json"
    command: list[str | Path] = [PROGRAMS / "ams-simulator", "load", *shape]
    subprocess.run([*command, "--registry-out", registry], check=True)
    return registry


def load(broker: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start the load generator; its result is JSON on standard output."""
    return subprocess.Popen(
        [PROGRAMS / "ams-simulator", "load", "--broker", broker, "--json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_BOUND = re.compile(r'le="([^"]+)"')


class Scrape:
    """The server's metrics at one instant; ``at`` in seconds of `time.perf_counter`."""

    def __init__(self, http: str) -> None:
        with urllib.request.urlopen(f"{http}/metrics") as answer:
            text = answer.read().decode()
        self.at = time.perf_counter()
        self._values: dict[str, float] = {}
        self._buckets: dict[str, dict[float, float]] = {}
        for name, labels, value in _SAMPLE.findall(text):
            self._values[name] = self._values.get(name, 0.0) + float(value)
            if bound := _BOUND.search(labels):
                self._buckets.setdefault(name, {})[float(bound[1])] = float(value)

    def __getitem__(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        return self._values.get(name, 0.0)

    def _counts(self, name: str, since: Scrape) -> dict[float, float]:
        earlier = since._buckets[f"{name}_bucket"]
        return {
            bound: count - earlier.get(bound, 0.0)
            for bound, count in self._buckets[f"{name}_bucket"].items()
        }

    def within(self, name: str, bound: float, since: Scrape) -> float:
        """Return the share of a histogram's observations since then that are in ``bound``."""
        counts = self._counts(name, since)
        return counts[bound] / max(counts.values(), default=0.0)

    def quantile(self, name: str, share: float, since: Scrape) -> float:
        """Return a histogram's quantile since an earlier scrape, as Prometheus estimates it.

        NaN without observations; the last bound for what lies beyond it.
        """
        counts = self._counts(name, since)
        wanted, low, below = share * max(counts.values()), 0.0, 0.0
        for bound, count in sorted(counts.items()):
            if count >= wanted and count > below:
                inner = (wanted - below) / (count - below)
                return low if bound == float("inf") else low + (bound - low) * inner
            low, below = bound, count
        return float("nan")


def settled(http: str, readings: float) -> Scrape:
    """Wait until so many readings are committed and all of them judged."""
    while True:
        now = Scrape(http)
        if now["ams_readings_total"] >= readings and not now["ams_unjudged_batches"]:
            return now
        time.sleep(0.02)
