"""The server as its users run it: a process of its own, on free ports, with data of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.acceptance.api import Api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

BIN = Path(sys.executable).parent
PATIENCE = 120.0  # seconds that a busy machine may take for anything
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AMS_")}


async def until(
    condition: Callable[[], Awaitable[object]], what: str, patience: float = PATIENCE
) -> None:
    """Wait until the condition holds; say ``what`` was waited for when it never does."""
    try:
        async with asyncio.timeout(patience):
            while not await condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"waited {patience:g} s in vain: {what}") from None


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


async def run(
    program: str,
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Said:
    """Run a console script to its end."""
    child = await asyncio.create_subprocess_exec(
        BIN / program,
        *map(str, words),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env={**ENVIRONMENT, "COLUMNS": "200", **(env or {})},
        cwd=cwd,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), 2 * PATIENCE)
    except BaseException:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    assert child.returncode is not None
    return Said(child.returncode, out.decode(), err.decode())


@dataclass
class AmsServer:
    """``ams-server serve`` in ``directory``; may be stopped, killed and started again.

    ``options`` override the harness's own: data, free ports and ready file in ``directory``.
    """

    directory: Path
    options: dict[str, str | Path] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    ready: dict[str, Any] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def ready_file(self) -> Path:
        return self.directory / "ready.json"

    @property
    def log(self) -> str:
        file = self.directory / "server.log"
        return file.read_text() if file.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended, by itself or by another's hand."""
        return self.process is not None and self.process.returncode is None

    @property
    def mqtt(self) -> str:
        return str(self.ready["mqtt"])

    @property
    def database(self) -> str:
        return str(self.ready["database"])

    def words(self) -> list[str]:
        options: dict[str, str | Path] = {
            "--data-dir": self.data_dir,
            "--http": "127.0.0.1:0",
            "--mqtt-port": "0",
            "--ready-file": self.ready_file,
            **self.options,
        }
        return [str(word) for option in options.items() for word in option]

    async def start(self) -> None:
        """Start the server and wait until it says that it is ready."""
        await self.launch()
        assert self.process is not None
        process = self.process

        async def settled() -> bool:
            return process.returncode is not None or self.ready_file.exists()

        await until(settled, f"the server to be ready; its log:\n{self.log}")
        assert process.returncode is None, f"the server ended at once:\n{self.log}"
        self.ready = json.loads(self.ready_file.read_text())

    async def launch(self) -> None:
        """Start the process and wait for nothing."""
        assert self.process is None, "the server runs already"
        self.ready_file.unlink(missing_ok=True)  # of a server that was killed
        with (self.directory / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                BIN / "ams-server",
                "serve",
                *self.words(),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, **self.env},
            )

    async def stop(self) -> None:
        """SIGTERM; it drains and exits with 0."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        code = await self._ended()
        assert code == 0, f"exit code {code}:\n{self.log}"
        assert "Traceback" not in self.log, self.log

    async def kill(self) -> None:
        """What a power cut does: nothing is finished, nothing is said."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self._ended()

    async def _ended(self) -> int:
        assert self.process is not None
        try:
            code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"the server does not stop:\n{self.log}") from None
        self.process = None
        return code

    async def command(self, *words: str | Path) -> Said:
        """Run another command of `ams-server` on this server's data."""
        return await run("ams-server", *words, "--data-dir", self.data_dir)

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        async with Api.of(str(self.ready["http"])) as api:
            yield api

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to the running server's database."""
        conn = await asyncpg.connect(self.database, server_settings={"search_path": "ams, public"})
        try:
            yield conn
        finally:
            await conn.close()

    async def all_judged(self) -> None:
        """Wait until every batch that was committed is judged and its block means are written."""
        async with self.sql() as conn:

            async def judged() -> bool:
                done: bool = await conn.fetchval(
                    "select (select batch from progress where follower = 'alerts')"
                    " >= (select coalesce(max(id), 0) from batches)"
                )
                return done

            await until(judged, f"every batch to be judged; the server's log:\n{self.log[-3000:]}")


@asynccontextmanager
async def serving(directory: Path, **options: str | Path) -> AsyncIterator[AmsServer]:
    """A running server with these options by their names; it ends as it should."""
    named = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    server = AmsServer(directory, named)
    try:
        await server.start()
        yield server
    except BaseException:
        if server.process is not None:
            await server.kill()
        raise
    if server.process is not None:
        await server.stop()
