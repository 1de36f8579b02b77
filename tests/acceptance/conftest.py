"""Short directories (a socket's path has 107 bytes), and each of the brokers in turn."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

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
