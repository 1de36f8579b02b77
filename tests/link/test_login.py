"""Who may connect: passwords, certificates, permissions, versions; a refusal is told."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.broker_url import parse_broker_url
from ingest.control import Control
from ingest.link import Link
from tests.fixtures.brokers import Broker, mosquitto_broker, nats_broker, running
from tests.link.certificates import Pair, authority, signed
from tests.link.waiting import link_to, until

USERS = """
authorization { users = [
  { user: "ams", password: "right" }
  { user: "deaf", password: "right", permissions: { subscribe: ["$MQTT.>"] } }
] }
"""


@pytest.fixture(params=["mosquitto", "nats"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """Each broker with a user `ams` whose password is `right`."""
    if request.param == "nats":
        yield from running(nats_broker(tmp_path / "nats", lambda config: config + USERS))
        return
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(["mosquitto_passwd", "-b", passwords, "ams", "right"], check=True, timeout=10)
    files = {"allow_anonymous": "false", "password_file": str(passwords)}
    yield from running(mosquitto_broker(tmp_path / "mosquitto", **files))


async def nobody(*status: object) -> None:
    raise AssertionError(status)


def as_user(broker: Broker, user: str) -> Link:
    url = broker.url.replace("://", f"://{user}@")
    return Link(parse_broker_url(url), "ams-server", mqtt5=broker.name == "mosquitto")


async def test_the_right_password_is_let_in(guarded: Broker) -> None:
    async with as_user(guarded, "ams:right") as link:
        await until(lambda: link.connected)


@pytest.mark.parametrize("user", ["ams:wrong", "ams", "nobody:right"])
async def test_a_wrong_login_is_told(guarded: Broker, user: str) -> None:
    async with as_user(guarded, user) as link:
        await until(lambda: "the broker refuses the login: not authori" in link.last_error)
        assert not link.connected
        assert "wrong" not in link.last_error
        assert "right" not in link.last_error


async def test_a_wrong_login_of_the_control_connection_is_told(guarded: Broker) -> None:
    url = guarded.url.replace("://", "://ams:wrong@")
    async with Control(parse_broker_url(url), "ams-server", nobody) as control:
        await until(lambda: "authori" in control.last_error)
        assert not control.connected


async def test_a_refused_subscription_is_told(tmp_path: Path) -> None:
    for nats in running(nats_broker(tmp_path / "nats", lambda config: config + USERS)):
        async with as_user(nats, "deaf:right") as link:
            await until(
                lambda: "refuses the subscription to ams/v1/+/+/readings" in link.last_error
            )
            assert not link.connected


async def test_a_broker_of_3_1_1_only_is_asked_for_that(nats: Broker) -> None:
    async with link_to(nats, mqtt5=True) as link:
        await until(lambda: link.connected)
        nats.stop()
        await until(lambda: not link.connected)
        nats.start()
        await until(lambda: link.connected)


@dataclass(frozen=True)
class Secured:
    """A mosquitto that takes only clients with a certificate of its authority."""

    url: str
    ca: Pair
    client: Pair
    other_ca: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("tls")
    ca, other_ca = authority(directory, "ca"), authority(directory, "other-ca")
    server = signed(directory, "server", ca, "IP:127.0.0.1")
    client = signed(directory, "ams-server", ca)
    broker = mosquitto_broker(
        directory / "mosquitto",
        cafile=str(ca.certificate),
        certfile=str(server.certificate),
        keyfile=str(server.key),
        require_certificate="true",
        use_identity_as_username="true",
    )
    for running_broker in running(broker):
        url = running_broker.url.replace("mqtt", "mqtts")
        yield Secured(url, ca, client, other_ca, signed(directory, "stranger", other_ca))


def link_with(secured: Secured, ca: Pair, client: Pair | None, url: str = "") -> Link:
    broker = parse_broker_url(
        url or secured.url,
        ca_file=ca.certificate,
        cert_file=None if client is None else client.certificate,
        key_file=None if client is None else client.key,
    )
    return Link(broker, "ams-server")


async def test_tls_with_a_client_certificate(secured: Secured) -> None:
    async with link_with(secured, secured.ca, secured.client) as link:
        await until(lambda: link.connected)
        assert not link.last_error


async def test_tls_of_the_control_connection(secured: Secured) -> None:
    broker = parse_broker_url(
        secured.url,
        ca_file=secured.ca.certificate,
        cert_file=secured.client.certificate,
        key_file=secured.client.key,
    )
    async with Control(broker, "ams-server", nobody) as control:
        await until(lambda: control.connected)


async def test_a_broker_of_another_authority_is_not_believed(secured: Secured) -> None:
    async with link_with(secured, secured.other_ca, secured.client) as link:
        await until(lambda: "certificate verify failed" in link.last_error)


async def test_a_broker_of_another_name_is_not_believed(secured: Secured) -> None:
    url = secured.url.replace("127.0.0.1", "localhost")
    async with link_with(secured, secured.ca, secured.client, url) as link:
        await until(lambda: "certificate verify failed" in link.last_error)


@pytest.mark.parametrize("known", [False, True])
async def test_without_a_certificate_of_its_authority_the_broker_says_no(
    secured: Secured, *, known: bool
) -> None:
    async with link_with(secured, secured.ca, secured.stranger if known else None) as link:
        await until(lambda: link.last_error not in {"", "not connected yet"})
        assert not link.connected
        assert "alert" in link.last_error.lower()
