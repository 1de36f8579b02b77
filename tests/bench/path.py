"""The whole path, from PUBLISH to judged: `python -m tests.bench.path [--seconds N] [--values N]`.

Broker, server, database and load generator share this machine. A reading counts when it is
committed (and acknowledged to the broker after that), checked, flagged, judged and queryable. The
straightforward script of this folder runs in the same minute, on the same broker and database.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.core import machine_name
from tests.fixtures.brokers import mosquitto_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(sys.executable).parent
START = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Rate:
    """Readings stored within some seconds."""

    readings: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Readings a second."""
        return self.readings / self.seconds


@contextlib.contextmanager
def server(folder: Path, broker: str | None, registry: Path) -> Iterator[dict[str, Any]]:
    """Run `ams-server serve` and give what its ready file says."""
    ready = folder / "ready.json"
    command: list[str | Path] = [
        PROGRAMS / "ams-server", "serve", "--data-dir", folder / "data", "--http", "127.0.0.1:0",
        "--mqtt-port", "0", "--registry", registry, "--ready-file", ready,
    ]  # fmt: skip
    command += ["--broker", broker] if broker else []
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise RuntimeError((folder / "server.log").read_text())
                time.sleep(0.1)
            yield json.loads(ready.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def metric(http: str, name: str) -> float:
    """Return the sum of a metric's samples."""
    with urllib.request.urlopen(f"{http}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def load(broker: str, arguments: list[str]) -> subprocess.Popen[str]:
    """Start the load generator."""
    return subprocess.Popen(
        [PROGRAMS / "ams-simulator", "load", "--broker", broker, "--json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def measure_server(ready: dict[str, Any], broker: str, arguments: list[str], values: int) -> Rate:
    """Send at the highest rate and wait until everything is stored and judged."""
    http = ready["http"]
    began, before = 0.0, metric(http, "ams_readings_total")
    sender = load(broker, arguments)
    while metric(http, "ams_readings_total") == before:
        time.sleep(0.01)
    began = time.perf_counter()
    out, _ = sender.communicate()
    sent = json.loads(out)["acknowledged"] * values
    while metric(http, "ams_readings_total") < before + sent or metric(
        http, "ams_unjudged_batches"
    ):
        time.sleep(0.02)
    return Rate(sent, time.perf_counter() - began)


def measure_script(broker: str, database: str, arguments: list[str], readings: int) -> Rate:
    """Let the straightforward script store as many readings."""
    script = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.straightforward", broker, database, str(readings)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert script.stdout is not None
    script.stdout.readline()
    sender = load(broker, arguments)
    result = json.loads(script.stdout.readline())
    sender.terminate()
    sender.wait()
    script.wait()
    return Rate(result["readings"], result["seconds"])


def mosquitto(folder: Path, stack: contextlib.ExitStack) -> str:
    """Start a Mosquitto for as long as ``stack`` lasts and return its URL."""
    broker = mosquitto_broker(folder)
    broker.start()
    stack.callback(broker.kill)
    return broker.url


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long the load lasts")
    parser.add_argument("--values", type=int, default=10, help="values in a message")
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--nats", action="store_true", help="on the embedded broker")
    parser.add_argument("--no-script", action="store_true", help="without the baseline")
    options = parser.parse_args()
    common = ["--units", str(options.units), "--values", str(options.values)]
    arguments = [*common, "--rate", "max", "--duration", f"{options.seconds}s"]
    print(
        f"whole path, {options.values} values a message, {options.units:,} units; {machine_name()}"
    )
    with tempfile.TemporaryDirectory(prefix="ams-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        registry = folder / "registry.json"
        subprocess.run(
            [PROGRAMS / "ams-simulator", "load", *common, "--registry-out", registry], check=True
        )
        broker = None if options.nats else mosquitto(folder / "ours", stack)
        ready = stack.enter_context(server(folder, broker, registry))
        address = broker or ready["mqtt"]
        ours = measure_server(ready, address, arguments, options.values)
        wait = metric(ready["http"], "ams_commit_seconds_sum") / max(
            1.0, metric(ready["http"], "ams_commit_seconds_count")
        )
        print(
            f"  server: {ours.per_second:>10,.0f} readings/s acknowledged after commit, judged"
            f" ({ours.readings:,} in {ours.seconds:.1f} s; mean commit {1000 * wait:.0f} ms)"
        )
        if not options.no_script:
            # A broker of its own: the server is subscribed to the other.
            apart = mosquitto(folder / "script", stack)
            script = measure_script(apart, ready["database"], arguments, ours.readings // 4)
            print(
                f"  script: {script.per_second:>10,.0f} readings/s acknowledged before, unjudged"
                f" ({script.readings:,} in {script.seconds:.1f} s)"
            )
            print(f"  ratio:  {ours.per_second / script.per_second:>10.1f}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
