"""Where a Python program spends its processor time, by the file that is at work.

Runs `ams-server` in this process with a thread beside it that looks every few milliseconds at
which function the main thread is in, and counts the processor time that thread has used since the
last look. Waiting counts for nothing. A function in C counts for the Python function that called
it; what the event loop does by itself (sockets, asyncpg's protocol) has no Python function.

Used by `tests.bench.profile`: python -m tests.bench.sampler RESULT.json serve …
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

EVERY = 0.002  # seconds
ROOT = f"{Path(__file__).parents[2]}/"
OURS = tuple(f"{ROOT}{name}/" for name in ("ingest", "alerts", "storage", "console"))
LIBRARIES = "/site-packages/"
LOOP = "event loop"


def place(frame: FrameType | None) -> str:
    """Return the file at work: the innermost of ours or of asyncpg and aiohttp, as a short name."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS) and not name.endswith("ingest/cli.py"):
            return name.removeprefix(ROOT)
        library = name.partition(LIBRARIES)[2].partition("/")[0]
        if library in {"asyncpg", "aiohttp", "aiomqtt", "prometheus_client", "structlog"}:
            return library
        frame = frame.f_back
    return LOOP


class Sampler(threading.Thread):
    """Adds up the main thread's processor seconds by place, while ``counting``."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="sampler")
        self.spent: dict[str, float] = defaultdict(float)
        self.ending = threading.Event()
        self.counting = False
        main = threading.main_thread().ident
        assert main is not None
        self._main = main

    def turn(self, *_: object) -> None:
        """Begin or end to count."""
        self.counting = not self.counting

    def run(self) -> None:
        """Sample until told to end."""
        clock = time.pthread_getcpuclockid(self._main)
        last = time.clock_gettime(clock)
        while not self.ending.wait(EVERY):
            used = time.clock_gettime(clock)
            if self.counting:
                self.spent[place(sys._current_frames().get(self._main))] += used - last
            last = used


def main() -> None:
    """Run the server, then write the seconds by place."""
    result = Path(sys.argv.pop(1))
    sys.setswitchinterval(EVERY / 2)  # a look shall not wait for the 5 ms that are usual
    from ingest.cli import main as run_server  # noqa: PLC0415 - sampled from here on

    sampler = Sampler()
    signal.signal(signal.SIGUSR1, sampler.turn)
    sampler.start()
    try:
        run_server()
    finally:
        sampler.ending.set()
        sampler.join()
        result.write_text(json.dumps(sampler.spent), encoding="utf-8")


if __name__ == "__main__":
    main()
