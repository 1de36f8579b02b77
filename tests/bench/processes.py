"""What processes use, read from /proc: processor time, memory, open files, threads (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20
_GONE = (FileNotFoundError, ProcessLookupError)


def status(pid: int, field: str) -> int:
    """Return a number of a process's status, memory in bytes: VmRSS, VmHWM (peak), Threads."""
    text = (PROC / str(pid) / "status").read_text()
    match = re.search(rf"^{field}:\s+(\d+)( kB)?$", text, re.MULTILINE)
    if match is None:  # of a process that has just ended
        raise ProcessLookupError(pid)
    return int(match[1]) * (1024 if match[2] else 1)


def handles(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return len(list((PROC / str(pid) / "fd").iterdir()))


def memory(pids: Iterable[int]) -> int:
    """Return the bytes of memory of some processes, what they share counted once."""
    own, files, shared = 0, [0], [0]
    for pid in pids:
        with contextlib.suppress(*_GONE):
            own += status(pid, "RssAnon")
            files.append(status(pid, "RssFile"))
            shared.append(status(pid, "RssShmem"))
    return own + max(files) + max(shared)


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return the processor time that a process has used, (its own, the kernel's for it)."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children, theirs, and so on."""
    found = []
    with contextlib.suppress(*_GONE):
        for task in (PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def title(pid: int) -> str:
    """Return the command line of a process, "" if it is gone."""
    with contextlib.suppress(*_GONE):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def database_processes(server: int) -> list[int]:
    """Return the processes of PostgreSQL: the server's own, else all that run here."""
    own = [pid for pid in descendants(server) if "postgres" in title(pid)]
    if own:
        return own
    everybody = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    return [pid for pid in everybody if title(pid).startswith("postgres:")]


def broker_processes(server: int, broker: int | None) -> list[int]:
    """Return the broker's process: the one given, else the server's embedded one."""
    if broker is not None:
        return [broker]
    return [pid for pid in descendants(server) if "nats-server" in title(pid)]


@dataclass
class Usage:
    """The processor time of some groups of processes since this was made.

    A process that ends counts for what it had used when ``look`` last saw it.
    """

    groups: Mapping[str, list[int]]
    began: float = field(default_factory=time.perf_counter)
    _first: dict[int, tuple[float, float]] = field(default_factory=dict)
    _last: dict[int, tuple[float, float]] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.look()
        self._first = dict(self._last)

    def look(self) -> None:
        """Note what has been used by now."""
        self.ended = time.perf_counter()
        for pid in {pid for pids in self.groups.values() for pid in pids}:
            with contextlib.suppress(*_GONE):
                self._last[pid] = cpu_seconds(pid)
                self.titles[pid] = title(pid) or self.titles.get(pid, "")

    @property
    def seconds(self) -> float:
        """Seconds between the first and the last look."""
        return self.ended - self.began

    def cpu(self, group: str) -> tuple[float, float]:
        """Return a group's seconds of processor time, (its own, the kernel's)."""
        return self.cpu_of(self.groups[group])

    def cpu_of(self, pids: list[int]) -> tuple[float, float]:
        """Return the seconds of processor time of some processes."""
        zero = (0.0, 0.0)
        spent = [
            [
                now - then
                for now, then in zip(self._last[pid], self._first.get(pid, zero), strict=True)
            ]
            for pid in pids
            if pid in self._last
        ]
        return sum(one[0] for one in spent), sum(one[1] for one in spent)

    def share(self, group: str) -> float:
        """Return a group's share of one core."""
        return sum(self.cpu(group)) / self.seconds
