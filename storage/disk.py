"""Room on the disk that the database writes to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from storage.pool import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

_GIB = 2**30

# Only a database on this machine has a directory that we can measure.
_DIRECTORIES = """
select current_setting('data_directory', true) as path
where inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8'
union select pg_tablespace_location(oid) from pg_tablespace
where (inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8')
  and pg_tablespace_location(oid) <> ''
"""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes free for ordinary users and bytes in all, on the fullest disk."""

    free: int
    total: int

    @property
    def nearly_full(self) -> bool:
        """Whether the intake must stop so that the database can go on: 1 GiB or 2 % left."""
        return self.free < min(_GIB, self.total // 50)


def room(directories: Iterable[Path]) -> Room | None:
    """Return the room on the fullest of the disks, None when none of them can be seen here."""
    found = []
    for directory in directories:
        try:
            stat = os.statvfs(directory)
        except OSError:
            continue
        found.append(Room(stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    return min(found, key=lambda disk: disk.free, default=None)


async def database_directories(conn: asyncpg.Connection) -> list[Path]:
    """Return where a database on this machine keeps its files, as far as it may say so."""
    async with unavailable("ask for the database's directories"):
        try:
            rows = await conn.fetch(_DIRECTORIES)
        except asyncpg.InsufficientPrivilegeError:
            return []
    paths = [row["path"] or "" for row in rows]
    return [Path(path) for path in paths if path and not path.startswith("/proc/")]
