"""Connections to the database, and its failures in our own words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import asyncpg

from storage.errors import (
    DataError,
    Refused,
    SchemaError,
    StartFailed,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = [
    "DataError",
    "SchemaError",
    "StartFailed",
    "Unavailable",
    "answering",
    "connect",
    "leave",
    "open_pool",
    "unavailable",
]

_SESSION = {
    "application_name": "ams-server",
    "search_path": "ams, public",
    "timezone": "UTC",
    "statement_timeout": "300s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "120s",
    # A server whose machine is gone keeps its lock for a minute, not for the usual two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "jit": "off",  # compiling a short query takes longer than running it
}
_CONNECT = 10.0  # seconds
_GOODBYE = 5.0  # seconds
_ANSWER = 330.0  # seconds without an answer before a connection counts as dead

# Classes of SQLSTATE: connection, resources, operator intervention, system, internal; then what a
# second attempt cures: serialization failure, deadlock, lock not available, and a database that may
# only be read (a standby after a failover, or its owner guards a full disk).
_RETRY_CLASSES = ("08", "53", "57", "58", "XX")
# What asyncpg says of a connection that was lost in the middle of something. One of a pool is taken
# back from us at once when it is lost: whoever uses it then has "released" it.
_LOST = ("clos", "another operation", "unexpected", "released back")
_RETRY_CODES = ("40001", "40P01", "55P03", "25P03", "25006")


@contextlib.asynccontextmanager
async def unavailable(doing: str) -> AsyncIterator[None]:
    """Raise Unavailable for whatever in the body means "the database is away, try again"."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if not _passes(error):
            raise
        raise Unavailable(f"{doing}: {error}") from error
    except asyncpg.InterfaceError as error:
        if not any(word in str(error) for word in _LOST):  # else it is our own fault
            raise
        raise Unavailable(f"{doing}: {error}") from error
    except asyncpg.InternalClientError as error:
        # The driver's state after a backend was ended between two statements, "cannot switch to
        # state 11; another operation (2) is in progress": its last words came as nobody asked.
        raise Unavailable(f"{doing}: {error}") from error
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"{doing}: {str(error) or type(error).__name__}") from error
    except RuntimeError as error:
        if "unable to perform operation on" not in str(error):  # uvloop, of a lost connection
            raise
        raise Unavailable(f"{doing}: {error}") from error


@contextlib.asynccontextmanager
async def answering(doing: str, conn: asyncpg.Connection, within: float) -> AsyncIterator[None]:
    """Raise Unavailable as ``unavailable`` does, and when the body takes longer (s).

    Then the connection is dropped, and whatever waits for it fails at once. To cancel the body
    would be to wait on: until the database gives up the statement, then for a rollback, and one
    that hangs does neither.
    """
    late = False

    def drop() -> None:
        nonlocal late
        late = True
        with contextlib.suppress(asyncpg.InterfaceError):  # it is lost already
            conn.terminate()

    timer = asyncio.get_running_loop().call_later(within, drop)
    try:
        async with unavailable(doing):
            yield
    except Unavailable as error:
        if not late:
            raise
        raise Unavailable(f"{doing}: no answer within {within:g} s") from error
    finally:
        timer.cancel()


def _passes(error: Exception) -> bool:
    """Say whether a second attempt at the same may go better."""
    code = getattr(error, "sqlstate", None) or ""
    return code.startswith(_RETRY_CLASSES) or code in _RETRY_CODES


async def _open(*url: str, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - asyncpg's own
    """Connect, as asyncpg does and its pools do; raise Refused when the database takes us not."""
    try:
        conn = await asyncpg.connect(*url, **options)
    except (asyncpg.PostgresError, ValueError) as error:  # the second of a URL that cannot be read
        if _passes(error):
            raise
        raise Refused(f"the database refuses the connection: {error}") from error
    try:
        await _prepare(conn)
    except BaseException:
        conn.terminate()
        raise
    return conn


async def _prepare(conn: asyncpg.Connection) -> None:
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


def _named(url: str) -> str:
    """Return the database's address for people, without user and password."""
    address = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"the database at {address}" if address else "the database"


async def open_pool(url: str, *, size: int) -> asyncpg.Pool:
    """Open a pool of at most ``size`` connections, one of them at once; see ``connect``."""
    async with unavailable(f"connect to {_named(url)}"):
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            server_settings=_SESSION,
            command_timeout=_ANSWER,
            timeout=_CONNECT,
            connect=_open,
        )


async def connect(url: str) -> asyncpg.Connection:
    """Open a connection: schema ``ams``, time zone UTC, jsonb as Python values.

    Raises Unavailable when the database cannot be reached, Refused when it takes us not.
    """
    async with unavailable(f"connect to {_named(url)}"):
        return await _open(url, server_settings=_SESSION, command_timeout=_ANSWER, timeout=_CONNECT)


async def leave(conn: asyncpg.Connection) -> None:
    """Close a connection; one that is lost already, or does not answer, is dropped."""
    with contextlib.suppress(Unavailable):
        async with unavailable("close"):
            await conn.close(timeout=_GOODBYE)
