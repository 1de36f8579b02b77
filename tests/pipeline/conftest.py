"""A running pipeline for each test, and a database to begin from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.pipeline import plant
from tests.pipeline.streams import FIRST, REGISTRY
from tests.pipeline.whole import prepared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg


@pytest_asyncio.fixture
async def server(pool: asyncpg.Pool) -> AsyncIterator[plant.Plant]:
    """A pipeline that runs on a database of the test's own."""
    async with plant.plant(pool) as made:
        await made.start()
        yield made


@pytest_asyncio.fixture
async def template(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database that has the registry of the streams and nothing else."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with prepared(postgres_url, registry, FIRST) as name:
        yield name
