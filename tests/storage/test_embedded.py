"""The embedded PostgreSQL: one server for one directory, which lives exactly as long as we do."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from storage.data_directory import disown_stale_pid
from storage.embedded import EmbeddedPostgres, attach
from storage.errors import AlreadyRunning
from storage.postgres_process import User, database_user, require_reachable

if TYPE_CHECKING:
    from pathlib import Path

INIT = 1  # a process that is not ours


async def test_starts_in_a_directory_that_only_we_may_enter(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    async with EmbeddedPostgres(private / "data") as url:
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select 1") == 1
        assert await conn.fetchval("show fsync") == "on"
        assert await conn.fetchval("show wal_compression") == "pglz"
        await conn.close()
    assert private.stat().st_mode & 0o777 == 0o700
    assert attach(private / "data") is None


async def test_keeps_its_data(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as url:
        conn = await asyncpg.connect(url)
        await conn.execute("create table kept as select 42 as answer")
        await conn.close()
    async with EmbeddedPostgres(tmp_path) as url:
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select answer from kept") == 42
        await conn.close()


async def test_a_second_server_says_so(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as url:
        with pytest.raises(AlreadyRunning, match=str(tmp_path)):
            await EmbeddedPostgres(tmp_path).__aenter__()
        assert attach(tmp_path) == url


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 120)
    async with EmbeddedPostgres(long) as url:
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select 1") == 1
        await conn.close()


async def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    async with server as url:
        watch = asyncio.create_task(server.supervise())
        first = server.pid
        assert first
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(30):
            while server.restarts == 0:  # noqa: ASYNC110 - another's counter
                await asyncio.sleep(0.02)
        assert server.pid != first
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select 1") == 1
        await conn.close()
        watch.cancel()


async def test_a_server_that_cannot_be_started_again_is_tried_again(tmp_path: Path) -> None:
    """A disk without room for its settings is one of many reasons that pass."""
    server = EmbeddedPostgres(tmp_path)
    async with server as url:
        watch = asyncio.create_task(server.supervise())
        first = server.pid
        assert first
        settings = tmp_path / "cluster" / "ams.conf"
        settings.unlink()
        settings.mkdir()  # cannot be written
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(0.5)
        assert not watch.done()
        settings.rmdir()
        async with asyncio.timeout(30):
            while server.restarts == 0:  # noqa: ASYNC110 - another's counter
                await asyncio.sleep(0.02)
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select 1") == 1
        await conn.close()
        watch.cancel()


def test_a_disk_without_room_costs_no_pid_file(tmp_path: Path) -> None:
    """PostgreSQL does not start where that file is empty."""
    pid_file = tmp_path / "postmaster.pid"
    said = f"{INIT}\n/somewhere\n1\n5432\n.\n\n1 1\nready   \n"
    pid_file.write_text(said)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            disown_stale_pid(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert pid_file.read_text() == said
    disown_stale_pid(tmp_path)
    assert pid_file.read_text().startswith(f"{os.getpid()}\n/somewhere\n")


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as url:
        pass
    pid_file = tmp_path / "cluster" / "postmaster.pid"
    stranger = _stranger()
    pid_file.write_text(f"{stranger.pid}\n/somewhere\n1\n5432\n.\n\n1 1\nready   \n")
    try:
        assert attach(tmp_path) is None
        async with EmbeddedPostgres(tmp_path) as url:
            conn = await asyncpg.connect(url)
            assert await conn.fetchval("select 1") == 1
            await conn.close()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


_OWNER = """
import asyncio, pathlib, sys
from storage.embedded import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    async with server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def _stranger() -> subprocess.Popen[bytes]:
    user = database_user()
    return subprocess.Popen(["sleep", "60"], user=user.uid if user.switch else None)


def _owner(directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _OWNER, str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def test_dies_with_its_owner_and_starts_for_the_next(tmp_path: Path) -> None:
    owner = _owner(tmp_path)
    assert owner.stdout
    with owner.stdout:
        orphan = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    async with EmbeddedPostgres(tmp_path) as url:  # waits for the other to shut down
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("select 1") == 1
        await conn.close()
    assert not os.path.exists(f"/proc/{orphan}/cwd")  # noqa: PTH110, ASYNC240 - of a dead process


def test_an_unreachable_program_is_named_with_its_remedy(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    other = User(uid=12345, gid=12345, name="pgserver", switch=True)
    with pytest.raises(Exception, match=r"pgserver.*chmod o\+x"):
        require_reachable(closed / "postgres", other)
