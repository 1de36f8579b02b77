"""Short directories (a socket's path has 107 bytes), each of the brokers, a server on each."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import plants
from tests.acceptance.recipient import SECRET, recipient
from tests.acceptance.server import ENVIRONMENT, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.acceptance.waiting import Where
    from tests.fixtures.brokers import Broker


@pytest.fixture
def here() -> Iterator[Path]:
    """A directory of the test's own with a short name."""
    directory = Path(tempfile.mkdtemp(prefix="ams-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["embedded", "mosquitto"])
def broker_options(request: pytest.FixtureRequest) -> dict[str, str]:
    """The options of a server for each of the brokers: its own, and mosquitto beside it."""
    if request.param == "embedded":
        return {}
    mosquitto: Broker = request.getfixturevalue("mosquitto")
    return {"broker": mosquitto.url}


@pytest.fixture
def start() -> datetime:
    """Six hours ago, at a full hour of the past."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)


@pytest.fixture
async def where(
    here: Path, broker_options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Where]:
    """A server on one of the brokers, its API, and a recipient of its notices."""
    monkeypatch.setitem(ENVIRONMENT, plants.SECRET_VARIABLE, SECRET)
    async with recipient() as hook:
        registry = plants.write(here, plants.registry(hook=hook.url))
        async with (
            serving(here, registry=registry, **broker_options) as server,
            server.api() as api,
        ):
            yield server, api, hook
