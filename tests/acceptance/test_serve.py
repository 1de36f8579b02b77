"""`ams-server serve`: what it promises to whoever starts, stops and configures it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.acceptance import plants
from tests.acceptance.publishing import plant, rfc3339, sample
from tests.acceptance.server import AmsServer, run, serving, until
from tests.fixtures.brokers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.api import Api
    from tests.fixtures.brokers import Broker

pytestmark = pytest.mark.timeout(240)
RECENT = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)


async def test_it_says_where_it_is_and_takes_that_back_when_it_stops(here: Path) -> None:
    """`--ready-file`: mode 0600, JSON with `http`, `mqtt`, `database` and `pid`, removed."""
    async with serving(here, registry=plants.write(here, plants.registry())) as server:
        assert server.process is not None
        assert stat.S_IMODE(server.ready_file.stat().st_mode) == 0o600
        assert server.ready == {**server.ready, "pid": server.process.pid}
        assert server.ready.keys() == {"http", "mqtt", "database", "pid"}
        async with server.api() as api:
            assert await api.status("/healthz") == 200
            assert await api.status("/readyz") == 200
        async with server.sql() as conn:
            assert await conn.fetchval("select count(*) from channels") == 2
        async with plant(server.mqtt) as unit:
            await unit.send(sample(RECENT, {"so2": 1.0}))
        await server.stop()
        assert not server.ready_file.exists()
        left = [name for _, _, names in os.walk(here) for name in names if "ready" in name]
        assert not left, "nothing half written stays"


METRICS = [
    "ams_messages_total",
    "ams_readings_total",
    "ams_commit_seconds_bucket",
    "ams_batch_readings_bucket",
    "ams_unacked_messages",
    "ams_oldest_unacked_seconds",
    "ams_event_lag_seconds_bucket",
    "ams_evaluation_seconds_bucket",
    "ams_channels",
    "ams_alerts",
    "ams_notices_total",
    "ams_notices_waiting",
    "ams_quarantine_items",
    "ams_disk_free_bytes",
    "ams_database_up",
    "ams_broker_up",
    "ams_build_info",
]


async def test_metrics_are_there_from_the_start_and_count_as_the_ledger(here: Path) -> None:
    """Section 7: every name before anything happened, then the outcomes."""
    async with (
        serving(here, registry=plants.write(here, plants.registry())) as server,
        server.api() as api,
    ):

        async def metrics() -> dict[str, float]:
            async with api.session.get("/metrics") as answer:
                lines = (await answer.text()).splitlines()
            pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            return {name: float(value) for name, value in pairs}

        names = {name.partition("{")[0] for name in await metrics()}
        assert names >= set(METRICS)
        async with plant(server.mqtt) as unit:
            good = await unit.send(sample(RECENT, {"so2": 1.0, "nox": 2.0}))
            await unit.raw(good)
            await unit.raw(b"no")

        async def three() -> bool:
            return await api.received() == 3

        await until(three, "three messages")
        found = await metrics()
        for outcome in ("stored", "duplicate", "quarantined"):
            assert found[f'ams_messages_total{{outcome="{outcome}"}}'] == 1
        assert found['ams_readings_total{outcome="stored"}'] == 2
        assert (found["ams_database_up"], found["ams_broker_up"], found["ams_channels"]) == (
            1,
            1,
            2,
        )


async def test_a_ready_file_of_a_killed_server_goes_at_the_next_start(here: Path) -> None:
    """Nobody takes the old URLs for the new server's."""
    server = AmsServer(here)
    await server.start()
    await server.kill()
    assert server.ready_file.exists()
    old = server.ready_file.stat().st_ino
    stale = here / "stale.json"
    server.ready_file.rename(stale)
    await server.launch()
    stale.rename(server.ready_file)

    async def fresh() -> bool:
        try:
            return server.ready_file.stat().st_ino != old
        except FileNotFoundError:
            return True

    try:
        await until(fresh, "the old ready file to go")
    finally:
        await server.kill()


async def test_what_was_received_is_committed_and_acknowledged_before_it_stops(
    here: Path, broker_options: dict[str, str]
) -> None:
    """SIGTERM amid a stream: exit 0, and with the next start nothing is lost or stored twice."""
    registry = plants.write(here, plants.registry())
    async with serving(here, registry=registry, **broker_options) as server:
        async with plant(server.mqtt) as unit:
            for minute in range(150):
                await unit.send(sample(RECENT + timedelta(minutes=minute), {"so2": float(minute)}))
        await server.stop()
        await server.start()
        async with server.api() as api:

            async def all_there() -> bool:
                return len(await api.items("readings", channel="so2")) == 150

            await until(all_there, "150 readings")
            [entry] = (await api.ledger()).values()
            assert entry["readings"]["stored"] == 150


async def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(
    here: Path,
) -> None:
    """Precedence, seen by where the server listens and what it writes."""
    by_flag, by_environment, by_file = free_port(), free_port(), free_port()
    config = here / "ams.toml"
    config.write_text(
        f'http = "127.0.0.1:{by_file}"\nmqtt-port = {by_file}\nretention = 100\n'
        f'data-dir = "{here}/of-file"\nready_file = "{here}/ready.json"\n'
    )
    env = {
        "AMS_HTTP": f"127.0.0.1:{by_environment}",
        "AMS_MQTT_PORT": str(by_environment),
        "AMS_DATA_DIR": str(here / "of-env"),
    }
    server = AmsServer(here, env=env)
    server.words = lambda: ["--config", str(config), "--http", f"127.0.0.1:{by_flag}"]  # type: ignore[method-assign]
    try:
        await server.start()
        assert server.ready["http"] == f"http://127.0.0.1:{by_flag}"
        assert server.ready["mqtt"] == f"mqtt://127.0.0.1:{by_environment}"
        assert (here / "of-env").is_dir()
        assert not (here / "of-file").exists()
    finally:
        await server.kill()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--retention", "soon", "days"),
        ("--retention", "0", "days"),
        ("--mqtt-port", "70000", "port"),
        ("--http", "8080", "HOST:PORT"),
        ("--broker", "http://127.0.0.1", "mqtt"),
        ("--database", "mysql://127.0.0.1/ams", "postgresql"),
        ("--accept-from", "yesterday", "time"),
        ("--reporting-zone", "Mars/Olympus", "zone"),
        ("--ready-file", "/nowhere/ready.json", "directory"),
    ],
)
async def test_a_configuration_error_is_one_line_and_exit_2(
    here: Path, option: str, value: str, expected: str
) -> None:
    """The line names the key, the value and what was expected: as a flag and as a variable."""
    data = ("--data-dir", here / "data")
    name = f"AMS_{option.removeprefix('--').replace('-', '_').upper()}"
    by_flag = await run("ams-server", "serve", *data, option, value)
    by_variable = await run("ams-server", "serve", *data, env={name: value})
    for said, key in ((by_flag, option), (by_variable, name)):
        assert said.code == 2, said.all
        assert len(said.err.splitlines()) == 1, said.err
        for word in (key, value, expected):
            assert word in said.err
    assert not (here / "data").exists(), "nothing was begun"


async def test_a_data_directory_that_is_a_file_is_a_configuration_error(here: Path) -> None:
    (here / "file").touch()
    said = await run("ams-server", "serve", "--data-dir", here / "file")
    assert said.code == 2
    [line] = said.err.splitlines()
    assert all(word in line for word in ("--data-dir", str(here / "file"), "directory"))


async def test_an_unknown_key_of_the_file_is_a_configuration_error(here: Path) -> None:
    config = here / "ams.toml"
    config.write_text("retentoin = 5\n")
    said = await run("ams-server", "serve", "--config", config, "--data-dir", here / "data")
    assert said.code == 2
    [line] = said.err.splitlines()
    assert "retentoin" in line
    assert "5" in line


async def refused(server: AmsServer, *said: str) -> None:
    """The server ends by itself, says one line why, and never reached the broker."""
    await server.launch()
    assert server.process is not None
    code = await asyncio.wait_for(server.process.wait(), 60)
    server.process = None
    assert code != 0
    last = server.log.splitlines()[-1]
    assert all(word in last for word in said), server.log
    assert "Traceback" not in server.log, server.log
    assert "broker link connected" not in server.log
    assert not server.ready_file.exists()


async def goes_on(api: Api, url: str, minute: int) -> None:
    """The first server still receives: its session at the broker was not taken over."""
    async with plant(url, boot=f"m{minute}") as unit:
        await unit.send(sample(RECENT + timedelta(minutes=minute), {"so2": 1.0}))

    async def there() -> bool:
        time = rfc3339(RECENT + timedelta(minutes=minute))
        return any(item["time"] == time for item in await api.items("readings"))

    await until(there, "the first server to go on")
    assert await api.status("/readyz") == 200


async def test_a_second_server_says_so_and_the_first_goes_on(here: Path, mosquitto: Broker) -> None:
    """The same data directory, database or port: each is told, and the broker sees nothing."""
    registry = plants.write(here, plants.registry())
    async with (
        serving(here, registry=registry, broker=mosquitto.url) as first,
        first.api() as api,
    ):
        http = first.ready["http"].removeprefix("http://")
        cases: list[tuple[str, str, tuple[str, ...]]] = [
            ("--data-dir", str(first.data_dir), ("another server", str(first.data_dir))),
            ("--database", first.database, ("another", "database")),
            ("--http", http, ("--http", http)),
        ]
        for minute, (option, value, words) in enumerate(cases):
            directory = here / option
            directory.mkdir()
            await refused(AmsServer(directory, {"--broker": mosquitto.url, option: value}), *words)
            await goes_on(api, first.mqtt, minute)


async def test_a_second_server_on_the_mqtt_port_says_so(here: Path) -> None:
    """The embedded broker's port is taken: told in a line, and the first goes on."""
    registry = plants.write(here, plants.registry())
    async with serving(here, registry=registry) as first, first.api() as api:
        port = first.mqtt.rpartition(":")[2]
        directory = here / "second"
        directory.mkdir()
        await refused(AmsServer(directory, {"--mqtt-port": port}), port)
        await goes_on(api, first.mqtt, 1)


async def test_ready_only_while_the_subscription_is_live(here: Path, mosquitto: Broker) -> None:
    """`/readyz` is 503 with the reason while the broker is away, `/healthz` stays 200."""
    async with serving(here, broker=mosquitto.url) as server, server.api() as api:
        assert await api.status("/readyz") == 200
        mosquitto.stop()

        async def not_ready() -> bool:
            return await api.status("/readyz") == 503

        await until(not_ready, "readiness to end")
        assert await api.status("/healthz") == 200
        async with api.session.get("/readyz") as answer:
            assert answer.content_type == "application/problem+json"
            assert "broker" in json.dumps(await answer.json())
        mosquitto.start()

        async def ready() -> bool:
            return await api.status("/readyz") == 200

        await until(ready, "the broker to be found again")


async def test_a_database_url_that_answers_nobody_is_no_traceback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://ams:hush@127.0.0.1:{taken.getsockname()[1]}/ams"
        said = await run("ams-server", "migrate", "--database", url)
    assert said.code != 0
    assert "Traceback" not in said.all
    assert "hush" not in said.all


async def test_it_serves_on_a_database_of_its_operator(here: Path, empty_database_url: str) -> None:
    """`--database URL`: nothing embedded is started for it."""
    async with serving(here, database=empty_database_url) as server:
        assert server.database == empty_database_url
        assert not (server.data_dir / "database").exists()
    conn = await asyncpg.connect(empty_database_url)
    assert await conn.fetchval("select count(*) from ams.installation") == 1
    await conn.close()
