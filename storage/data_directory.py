"""The directory of the embedded PostgreSQL: its lock, its pid file, the way to its socket."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from storage.errors import AlreadyRunning, StartFailed

_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 107  # bytes: what the system takes as the address of a socket


def lock(data_dir: Path) -> int:
    """Lock the directory against a second server and return the descriptor that holds the lock.

    The lock ends with us, however we end.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartFailed(
            f"the data directory {data_dir} cannot be used: {error.strerror}; "
            "name another with --data-dir"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(f"another server runs in {data_dir}; stop it first") from None
    return descriptor


def pid_file(cluster: Path) -> tuple[int, str]:
    """Return process id and state as postmaster.pid says, (0, "") without a whole file."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return int(lines[0]), lines[7].strip()
    except (FileNotFoundError, NotADirectoryError, PermissionError, IndexError, ValueError):
        return 0, ""


def works_in(pid: int, cluster: Path) -> bool:
    """Say whether process ``pid`` lives and works in ``cluster``, as PostgreSQL's servers do."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        return Path(f"/proc/{pid}/cwd").stat().st_ino == cluster.stat().st_ino
    except OSError:
        return False


def disown_stale_pid(cluster: Path) -> None:
    """Let PostgreSQL start though the pid that it left behind now belongs to another process.

    It ignores its parent's pid (and still checks that no shared memory of it is in use), so ours
    is written in the place of the stranger's.
    """
    file = cluster / "postmaster.pid"
    try:
        first, *rest = file.read_text(encoding="utf-8").splitlines(keepends=True)
        pid = int(first)
    except (FileNotFoundError, ValueError):
        return
    if not works_in(pid, cluster):
        # Over what is there, not into an emptied file: PostgreSQL does not start with an empty one,
        # which is what a full disk would leave.
        with file.open("r+", encoding="utf-8") as opened:
            opened.write("".join([f"{os.getpid()}\n", *rest]))
            opened.truncate()


def socket_url(cluster: Path) -> str:
    """Return the URL of the server there, by a short link where the path is too long."""
    place = cluster
    if len(os.fsencode(cluster / _SOCKET)) > _LONGEST_SOCKET_PATH:
        short = tempfile.mkdtemp(prefix="ams-")
        atexit.register(shutil.rmtree, short, ignore_errors=True)
        place = Path(short) / "d"
        place.symlink_to(cluster)
    return f"postgresql://postgres@/postgres?host={quote(str(place))}"
