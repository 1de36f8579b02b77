"""The application on its port."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SHUTDOWN = 2.0  # seconds that requests under way may take


class PortTaken(Exception):  # noqa: N818 - the sentence that the user reads
    """Nobody can listen where the server was told to."""


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app`` and give the URL under which a client on this machine finds it.

    Port 0 picks a free one. Raises PortTaken.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, shutdown_timeout=_SHUTDOWN).start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortTaken(
                f"--http {host}:{port}: cannot listen there ({reason}), a free port expected"
            ) from error
        yield f"http://{_reachable(host)}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
