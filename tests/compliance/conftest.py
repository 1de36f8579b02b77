"""A plant for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.compliance.plant import Plant

if TYPE_CHECKING:
    import asyncpg


@pytest_asyncio.fixture
async def plant(pool: asyncpg.Pool) -> Plant:
    """An empty plant in a database of the test's own."""
    return Plant(pool)
