"""What processes use, read from /proc: processor time, memory, open files, threads (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20
Pids = Callable[[], list[int]]
_GONE = (FileNotFoundError, ProcessLookupError)
_NOTHING = (0.0, 0.0)


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


def path_processes(server: int, broker: int | None, sender: int) -> dict[str, Pids]:
    """Return the groups of the whole path; ``broker`` None: the server's embedded one."""
    return {
        "server": lambda: [server],
        "PostgreSQL": lambda: database_processes(server),
        "broker": lambda: broker_processes(server, broker),
        "load generator": lambda: [sender],
    }


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

    ``groups`` say which processes a group has; whatever ``look`` ever saw of them counts, a
    process that has ended for what it had used by the last look.
    """

    groups: Mapping[str, Pids]
    began: float = field(default_factory=time.perf_counter)
    titles: dict[int, str] = field(default_factory=dict)
    _first: dict[int, tuple[float, float]] = field(default_factory=dict)
    _last: dict[int, tuple[float, float]] = field(default_factory=dict)
    _members: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.look()
        self._first = dict(self._last)

    def look(self) -> None:
        """Note what has been used by now."""
        self.ended = time.perf_counter()
        for name, pids in self.groups.items():
            members = self._members.setdefault(name, set())
            members.update(pids())
            for pid in members:
                with contextlib.suppress(*_GONE):
                    self._last[pid] = cpu_seconds(pid)
                    self.titles[pid] = title(pid) or self.titles.get(pid, "")

    @property
    def seconds(self) -> float:
        """Seconds between the first and the last look."""
        return self.ended - self.began

    def processes(self, group: str) -> dict[int, tuple[float, float]]:
        """Return the seconds of each process of a group, (its own, the kernel's for it)."""
        found = {}
        for pid in self._members[group] & self._last.keys():
            now, then = self._last[pid], self._first.get(pid, _NOTHING)
            found[pid] = (now[0] - then[0], now[1] - then[1])
        return found

    def share(self, group: str) -> float:
        """Return a group's share of one core."""
        return sum(map(sum, self.processes(group).values())) / self.seconds
