"""The link runs on the server's own event loop here, and whatever blocks that loop fails."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from blockbuster import blockbuster_ctx

from tests.fixtures.brokers import Broker, mosquitto_broker, nats_broker, running


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    # The modules left out read files on purpose: the server calls them in a thread or before its
    # loop, tests call them wherever they are.
    with blockbuster_ctx("ingest", excluded_modules=["ingest.broker_url", "ingest.nats_server"]):
        yield


@pytest.fixture
def impatient_nats(tmp_path: Path) -> Iterator[Broker]:
    """NATS that sends again after one second, for tests that wait for it."""

    def one_second(config: str) -> str:
        return config.replace('ack_wait: "30s"', 'ack_wait: "1s"')

    yield from running(nats_broker(tmp_path / "nats", one_second))


@pytest.fixture
def forgetful_mosquitto(tmp_path: Path) -> Iterator[Broker]:
    """Mosquitto whose sessions end with it."""
    yield from running(mosquitto_broker(tmp_path / "mosquitto", persistence="false"))


@pytest.fixture(params=["mosquitto", "impatient_nats"])
def prompt(request: pytest.FixtureRequest) -> Broker:
    """Each broker, set to send again soon what is not acknowledged."""
    given: Broker = request.getfixturevalue(request.param)
    return given
