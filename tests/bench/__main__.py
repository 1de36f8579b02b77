"""`make bench`: each benchmark of this folder in turn, each figure beside its baseline."""

from __future__ import annotations

import argparse
import subprocess
import sys

FULL = (
    ("decode",),
    ("core",),
    ("storage",),
    ("path", "--seconds", "30"),
    ("path", "--seconds", "30", "--values", "100", "--units", "200"),
    ("path", "--seconds", "30", "--nats", "--no-script"),
    ("latency",),
)
QUICK = (
    ("decode",),
    ("core", "--channels", "200000"),
    ("path", "--seconds", "5"),
    ("latency", "--alerts", "30"),
)


def main() -> None:
    """Run them; the first that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, for CI")
    options = parser.parse_args()
    for name, *arguments in QUICK if options.quick else FULL:
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
