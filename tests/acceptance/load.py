"""Steady load on a server, and what it says while its database is away."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.acceptance.server import BIN, ENVIRONMENT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence

    from tests.acceptance.api import Api


@asynccontextmanager
async def load(
    mqtt: str, *, rate: int, seconds: float, shape: Sequence[str]
) -> AsyncIterator[Process]:
    """Units in a process of its own; it prints what the broker took of them."""
    child = await asyncio.create_subprocess_exec(
        BIN / "ams-simulator",
        *("load", "--broker", mqtt, "--rate", str(rate), "--duration", f"{seconds:.0f}s", "--json"),
        *shape,
        env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def says_why(api: Api) -> bool:
    """Whether it is not ready, and says that the database is the reason."""
    async with api.session.get("/readyz") as answer:
        return answer.status == 503 and "the database is away" in json.dumps(await answer.json())
