"""A running pipeline for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.pipeline import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@pytest_asyncio.fixture
async def server(pool: asyncpg.Pool) -> AsyncIterator[plant.Plant]:
    """A pipeline that runs on a database of the test's own."""
    async with plant.plant(pool) as made:
        await made.start()
        yield made
