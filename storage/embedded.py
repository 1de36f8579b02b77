"""The embedded PostgreSQL: a server of our own in a data directory, for as long as we live.

Layout of the directory: ``cluster/`` (PostgreSQL's own, mode 0700, with the socket) and
``postgres.log`` (what the start says; afterwards PostgreSQL logs to ``cluster/log``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import structlog

from storage.data_directory import disown_stale_pid, lock, pid_file, socket_url, works_in
from storage.errors import AlreadyRunning, StartFailed
from storage.postgres_process import (
    Child,
    database_user,
    programs,
    require_reachable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

log = structlog.get_logger(__name__)

_POLL = 0.02  # seconds
_PREDECESSOR = 120.0  # seconds that a server which lost its parent may take to shut down
_LONG_START = 10.0  # seconds after which a start is worth a line in the log
_FAST_SHUTDOWN = 60.0  # seconds before the shutdown becomes an immediate one
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds before an attempt to restart


def default_settings() -> dict[str, str]:
    """Return the settings of the server: tuned for ingest, durability as PostgreSQL has it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "listen_addresses": "''",
        "unix_socket_directories": "'.'",
        "unix_socket_permissions": "0700",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": f"{min(max(memory // 8, 64), 1024)}MB",
        "wal_compression": "pglz",
        "wal_buffers": "16MB",
        "min_wal_size": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "max_connections": "50",
        "max_locks_per_transaction": "512",  # one for each partition that a query plans for
        "max_parallel_workers_per_gather": "0",  # the processors belong to the intake
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_filename": "'postgresql-%a.log'",  # a week, then from the start again
        "log_truncate_on_rotation": "on",
        "log_checkpoints": "off",
    }


class EmbeddedPostgres:
    """``async with EmbeddedPostgres(directory) as url``: a running server and its URL.

    Raises AlreadyRunning when another server holds the directory and StartFailed when this one
    cannot start. A server that needs crash recovery is waited for as long as it takes.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.restarts = 0
        self._cluster = self.data_dir / "cluster"
        self._settings = default_settings() | dict(settings or {})
        self._child: Child | None = None
        self._stack = contextlib.ExitStack()

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while there is none."""
        return self._child.pid if self._child and not self._child.exited.done() else None

    async def __aenter__(self) -> str:
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(self._prepare, stack)
            if not await asyncio.to_thread(self._cluster.exists):
                await self._initialize()
            await self._start()
            self._stack = stack.pop_all()
        return await asyncio.to_thread(socket_url, self._cluster)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            await asyncio.shield(asyncio.ensure_future(self._stop()))

    async def exited(self) -> int:
        """Wait until the server ends by itself or by another's hand, and return its code."""
        if self._child is None:
            raise RuntimeError("not started")
        return await asyncio.shield(asyncio.wrap_future(self._child.exited))

    async def supervise(self) -> None:
        """Start the server again whenever it ends, until cancelled."""
        pause, began = _SHORTEST_PAUSE, time.monotonic()
        while True:
            code = await self.exited()
            log.error("the embedded PostgreSQL ended", code=code, action="start it again")
            lived = time.monotonic() - began
            pause = _SHORTEST_PAUSE if lived > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            try:
                await self._start()
            except (StartFailed, AlreadyRunning) as error:
                log.error("the embedded PostgreSQL cannot start", reason=str(error))  # noqa: TRY400 - the reason is the message
                continue
            self.restarts += 1
            began = time.monotonic()

    def _prepare(self, stack: contextlib.ExitStack) -> None:
        stack.callback(os.close, lock(self.data_dir))
        self._user = database_user()
        self._programs = programs()
        require_reachable(self._programs / "postgres", self._user)

    async def _initialize(self) -> None:
        fresh = self.data_dir / "cluster.new"  # renamed when complete: a kill leaves no half
        child = await asyncio.to_thread(self._initdb, fresh)
        code = await asyncio.shield(asyncio.wrap_future(child.exited))
        if code:
            raise StartFailed(f"initdb failed in {self.data_dir}: {self._said()}")
        await asyncio.to_thread(self._adopt, fresh)

    def _initdb(self, fresh: Path) -> Child:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._user.switch:
            os.chown(fresh, self._user.uid, self._user.gid)
        arguments = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
        locale = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
        return self._spawn("initdb", fresh, *arguments, *locale)

    def _adopt(self, fresh: Path) -> None:
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude_if_exists = 'ams.conf'  # written at each start\n")
            file.write("include_if_exists = 'local.conf'  # yours, and the last word\n")
        fresh.rename(self._cluster)

    async def _start(self) -> None:
        deadline = time.monotonic() + _PREDECESSOR
        while True:
            try:
                self._child = child = await asyncio.to_thread(self._launch)
            except OSError as error:
                raise StartFailed(
                    f"PostgreSQL cannot be started in {self.data_dir}: {error}"
                ) from error
            if await self._ready(child):
                return
            said = await asyncio.to_thread(self._said)
            if "postmaster.pid" not in said and "still in use" not in said:
                raise StartFailed(f"PostgreSQL does not start in {self.data_dir}: {said}")
            if time.monotonic() > deadline:
                raise AlreadyRunning(f"another PostgreSQL runs in {self.data_dir}: {said}")
            await asyncio.sleep(0.1)

    def _launch(self) -> Child:
        lines = [f"{name} = {value}\n" for name, value in self._settings.items()]
        text = "# Written at each start; change local.conf beside it instead.\n" + "".join(lines)
        (self._cluster / "ams.conf").write_text(text, encoding="utf-8")
        disown_stale_pid(self._cluster)
        return self._spawn("postgres", self._cluster)

    async def _ready(self, child: Child) -> bool:
        """Wait until the server takes connections (True) or has ended (False)."""
        began = told = time.monotonic()
        while not child.exited.done():
            pid, state = await asyncio.to_thread(pid_file, self._cluster)
            if pid == child.pid and state == "ready":
                return True
            if time.monotonic() - told > _LONG_START:
                told = time.monotonic()
                log.warning("PostgreSQL is recovering", seconds=round(told - began))
            await asyncio.sleep(_POLL)
        return False

    async def _stop(self) -> None:
        if self._child is None:
            return
        ended = asyncio.wrap_future(self._child.exited)
        self._child.signal(signal.SIGINT)
        done, _ = await asyncio.wait([ended], timeout=_FAST_SHUTDOWN)
        if not done:
            log.warning("PostgreSQL does not stop", action="immediate shutdown; it will recover")
            self._child.signal(signal.SIGQUIT)
            await ended

    def _spawn(self, program: str, cluster: Path, *arguments: str) -> Child:
        """Run a program on the directory, which its user may be unable to reach by path.

        As root we hand it an open descriptor instead of widening the permissions of what lies
        above (a data directory under /root would open /root to everybody).
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        errors = os.open(self.data_dir / "postgres.log", flags, 0o600)
        directory = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
        by_descriptor = self._user.switch and sys.platform == "linux"
        path = f"/proc/self/fd/{directory}" if by_descriptor else str(cluster)
        if not by_descriptor:
            require_reachable(cluster, self._user)
        command = [str(self._programs / program), "-D", path, *arguments]
        try:
            return Child(command, user=self._user, stderr=errors, pass_fd=directory)
        finally:
            os.close(directory)
            os.close(errors)

    def _said(self) -> str:
        text = (self.data_dir / "postgres.log").read_text(encoding="utf-8", errors="replace")
        return " / ".join(line.strip() for line in text.splitlines()[-3:])


def attach(data_dir: Path) -> str | None:
    """Return the URL of the server that another process runs in ``data_dir``, None if none."""
    cluster = data_dir.absolute() / "cluster"
    pid, state = pid_file(cluster)
    return socket_url(cluster) if pid and state == "ready" and works_in(pid, cluster) else None
