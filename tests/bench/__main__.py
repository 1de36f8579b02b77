"""`make bench`: the benchmarks of this folder that take a minute or two, one after the other.

Those that take longer are run by themselves, each explains itself with --help:

  python -m tests.bench.sustained     ten minutes at the highest rate that keeps up
  python -m tests.bench.soak          a quarter of an hour at half of it: does anything grow?
  python -m tests.bench.start         time and memory to start with a national registry
"""

from __future__ import annotations

import subprocess
import sys

from tests.bench.running import command_line

FULL = (
    ("decode",),
    ("core",),
    ("storage",),
    ("path", "--seconds", "30"),
    ("path", "--seconds", "30", "--values", "100", "--units", "200"),
    ("path", "--seconds", "30", "--nats", "--no-script"),
    ("latency",),
    ("profile",),
    ("replay",),
    ("compliance",),
)
QUICK = (
    ("decode",),
    ("core", "--channels", "200000"),
    ("path", "--seconds", "5"),
    ("latency", "--alerts", "30"),
    ("replay", "--quick"),
    ("compliance", "--quick", "--rules", "kz-20min"),
)


def main() -> None:
    """Run them; the first that fails ends it."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, for CI")
    options = parser.parse_args()
    for name, *arguments in QUICK if options.quick else FULL:
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
