"""What is tested here runs on the server's own event loop."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop
from blockbuster import blockbuster_ctx


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def nothing_blocks_the_loop() -> Iterator[None]:
    with blockbuster_ctx("alerts") as blocking:
        for function in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            blocking.functions[function].can_block_in(
                "asyncpg/connect_utils.py", "_read_password_file"
            )
        yield
