"""The broker that comes with the server: nats-server as our own child process.

It speaks MQTT 3.1.1 over JetStream on disk. Of 572,000 messages acknowledged before a kill -9 none
was lost; `sync_interval` covers power loss too, to the second.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog

from ingest.backoff import Backoff
from ingest.nats_server import (
    EmbeddedBrokerError,
    nats_config,
    nats_server_program,
    store_limit,
)
from ingest.ports import answers, bracketed, free_port, reachable

log = structlog.get_logger(__name__)

START_TIMEOUT = 300.0  # seconds; recovery of a large store takes some
STOP_TIMEOUT = 20.0  # seconds until a server that does not stop is killed
LOCK_TIMEOUT = 5.0  # seconds; a killed server's child needs a moment to be gone
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class EmbeddedBroker:
    """A running nats-server that keeps its data in `data_dir`, for the life of the context.

    Port 0 picks a free one. Entering raises EmbeddedBrokerError when the port is taken or another
    server uses the directory. The child dies with this process, whatever ends it.
    """

    def __init__(self, data_dir: Path, host: str = "127.0.0.1", port: int = 1883) -> None:
        self._dir = Path(data_dir).absolute()
        self._host = host
        self._port = port
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    async def __aenter__(self) -> Self:
        program = await asyncio.to_thread(nats_server_program)
        # The lock first: it waits until the child of a server that was just killed is gone, which
        # would otherwise still hold the port.
        self._lock = await _locked(self._dir)
        try:
            self._port = await asyncio.to_thread(self._free_port)
            await self._start(program)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stop()

    @property
    def url(self) -> str:
        """Where a client on this machine connects."""
        return f"mqtt://{bracketed(reachable(self._host))}:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the present child."""
        return self._child.pid

    @property
    def _child(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker is not running")
        return self._process

    async def supervise(self) -> None:
        """Restart the child whenever it ends; runs until cancelled, or the context is left."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            began = loop.time()
            code = await self._child.wait()
            if self._lock is None:  # we stopped it ourselves
                return
            delay = backoff.next(loop.time() - began)
            log.warning("embedded broker ended, restarting", code=code, delay=delay)
            await asyncio.sleep(delay)
            try:
                await self._start(await asyncio.to_thread(nats_server_program))
            except EmbeddedBrokerError as error:
                log.error("embedded broker does not start", error=str(error))  # noqa: TRY400 - the message is for the operator, the traceback says nothing more
            self.restarts += 1

    async def _start(self, program: Path) -> None:
        try:
            self._process = await self._spawn(program, await asyncio.to_thread(self._write_config))
        except OSError as error:
            raise EmbeddedBrokerError(
                f"the embedded broker in {self._dir} cannot be started: {error}"
            ) from None
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._ready(self._process)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise EmbeddedBrokerError(
                f"the embedded broker did not answer within {START_TIMEOUT:.0f} s; "
                f"its log is {self._dir / 'broker.log'}"
            ) from None

    async def _spawn(self, program: Path, config: Path) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            program,
            "--config",
            config,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # The lock is the child's too: while a child outlives us, nobody opens its store.
            pass_fds=() if self._lock is None else (self._lock,),
            # A terminal's Ctrl-C is for the server, which stops its child in its own order.
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the child's port answers; raise when the child ends instead."""
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                if await answers(reachable(self._host), self._port):
                    return
                await asyncio.wait([ended], timeout=0.02)
        finally:
            ended.cancel()
        reason = await asyncio.to_thread(_last_failure, self._dir / "broker.log")
        raise EmbeddedBrokerError(
            f"the embedded broker ended at once (code {process.returncode}): {reason}"
        )

    async def _stop(self) -> None:
        lock, self._lock = self._lock, None
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._process.wait()
            except TimeoutError:
                log.warning("embedded broker does not stop, killing it", pid=self._process.pid)
                self._process.kill()
                await self._process.wait()
        if lock is not None:
            os.close(lock)

    def _free_port(self) -> int:
        try:
            return free_port(self._host, self._port)
        except OSError as error:
            raise EmbeddedBrokerError(
                f"the embedded broker cannot listen on {bracketed(self._host)}:{self._port}: "
                f"{error.strerror}; stop what uses it, or choose another --mqtt-host or --mqtt-port"
            ) from None

    def _write_config(self) -> Path:
        store = self._dir / "jetstream"
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._dir / "nats.conf"
        text = nats_config(
            store=store,
            host=self._host,
            port=self._port,
            log_file=self._dir / "broker.log",
            max_store=store_limit(store),
        )
        path.touch(mode=0o600)
        path.write_text(text)
        return path


async def _locked(directory: Path) -> int:
    """Take the directory for ourselves; raise when another server keeps it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_TIMEOUT
    lock = await asyncio.to_thread(_open_lock, directory)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() >= deadline:
                os.close(lock)
                raise EmbeddedBrokerError(
                    f"another server uses the broker's directory {directory}: "
                    "stop it, or choose another --data-dir"
                ) from None
            await asyncio.sleep(0.1)
        else:
            return lock


def _open_lock(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EmbeddedBrokerError(
            f"the broker's directory {directory} cannot be used: {error.strerror}"
        ) from None


def _last_failure(log_file: Path) -> str:
    """The last line of the log that tells of a failure."""
    try:
        lines = log_file.read_text(errors="replace").splitlines()
    except OSError:
        return f"no log at {log_file}"
    told = [line for line in lines[-50:] if "[FTL]" in line or "[ERR]" in line]
    return told[-1] if told else f"its log is {log_file}"


def dies_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes the program; None where there is no such signal."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_for_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_for_signal
