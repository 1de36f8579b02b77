"""The whole path, from PUBLISH to judged.

Broker, server, database and load generator share this machine. A reading counts when it is
committed (and acknowledged to the broker after that), checked, flagged, judged and queryable. The
straightforward script of this folder runs in the same minute, on the same broker and database.

  python -m tests.bench.path --seconds 10
  python -m tests.bench.path --seconds 10 --values 100 --units 200
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.core import machine_name
from tests.bench.running import (
    Scrape,
    command_line,
    folder,
    load,
    load_registry_file,
    mosquitto,
    server,
    settled,
)

if TYPE_CHECKING:
    from tests.bench.running import Server


@dataclass(frozen=True, slots=True)
class Rate:
    """Readings stored within some seconds."""

    readings: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Readings a second."""
        return self.readings / self.seconds


def measure_server(running: Server, arguments: list[str], values: int) -> Rate:
    """Send at the highest rate and wait until everything is stored and judged."""
    before = Scrape(running.http)["ams_readings_total"]
    sender = load(running.mqtt, arguments)
    while Scrape(running.http)["ams_readings_total"] == before:
        time.sleep(0.01)
    began = time.perf_counter()
    out, _ = sender.communicate()
    sent = json.loads(out)["acknowledged"] * values
    return Rate(sent, settled(running.http, before + sent).at - began)


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


def main() -> None:
    """Measure and print."""
    parser = command_line(__doc__)
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
    with folder() as place, contextlib.ExitStack() as stack:
        registry = load_registry_file(place, common)
        broker = None if options.nats else mosquitto(place / "ours", stack).url
        running = stack.enter_context(server(place, broker, registry))
        ours = measure_server(running, arguments, options.values)
        done = Scrape(running.http)
        wait = done["ams_commit_seconds_sum"] / max(1.0, done["ams_commit_seconds_count"])
        print(
            f"  server: {ours.per_second:>10,.0f} readings/s acknowledged after commit, judged"
            f" ({ours.readings:,} in {ours.seconds:.1f} s; mean commit {1000 * wait:.0f} ms)"
        )
        if not options.no_script:
            # A broker of its own: the server is subscribed to the other.
            apart = mosquitto(place / "script", stack).url
            script = measure_script(apart, running.database, arguments, ours.readings // 4)
            print(
                f"  script: {script.per_second:>10,.0f} readings/s acknowledged before, unjudged"
                f" ({script.readings:,} in {script.seconds:.1f} s)"
            )
            print(f"  ratio:  {ours.per_second / script.per_second:>10.1f}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
