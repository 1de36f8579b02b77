"""Broker URLs: what is taken, and what a wrong one is told."""

from pathlib import Path

import pytest

from ingest.broker_url import BrokerUrl, BrokerUrlError, parse_broker_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://localhost", BrokerUrl("localhost", 1883)),
        ("mqtts://broker.example", BrokerUrl("broker.example", 8883, tls=True)),
        ("mqtt://10.0.0.7:2883/", BrokerUrl("10.0.0.7", 2883)),
        ("mqtt://[::1]:1884", BrokerUrl("::1", 1884)),
        ("mqtt://ams@h", BrokerUrl("h", 1883, username="ams")),
        ("mqtt://a%40b:p%2F%3Aw@h", BrokerUrl("h", 1883, username="a@b", password="p/:w")),  # noqa: S106 - made up
    ],
)
def test_urls_that_are_taken(url: str, expected: BrokerUrl) -> None:
    assert parse_broker_url(url) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:1883", "unknown scheme 'localhost'"),
        ("http://h", "unknown scheme 'http'"),
        ("mqtt://", "no host"),
        ("mqtt://h:0", "port 0"),
        ("mqtt://h:70000", "not a broker URL"),
        ("mqtt://h:x", "not a broker URL"),
        ("mqtt://h/topic", "something follows"),
        ("mqtt://h?x=1", "something follows"),
        ("mqtt://:secret@h", "a password without a user"),
    ],
)
def test_a_wrong_url_is_told_what_was_expected(url: str, told: str) -> None:
    with pytest.raises(BrokerUrlError, match=told) as raised:
        parse_broker_url(url)
    assert "expected mqtt://" in str(raised.value)


@pytest.mark.parametrize("url", ["mqtt://u:sec#ret@h", "mqtt://u:sec/ret@h", "mqtt://u:secret@h:x"])
def test_a_wrong_url_does_not_give_its_password_away(url: str) -> None:
    with pytest.raises(BrokerUrlError) as raised:
        parse_broker_url(url)
    assert "sec" not in str(raised.value)


def test_the_password_is_not_in_what_is_printed() -> None:
    broker = parse_broker_url("mqtt://u:secret@h")
    assert "secret" not in repr(broker) + str(broker)


def test_tls_options_are_checked(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    with pytest.raises(BrokerUrlError, match="begins mqtts://"):
        parse_broker_url("mqtt://h", ca_file=junk)
    with pytest.raises(BrokerUrlError, match="there is no file"):
        parse_broker_url("mqtts://h", ca_file=tmp_path / "absent.pem")
    with pytest.raises(BrokerUrlError, match="needs its certificate"):
        parse_broker_url("mqtts://h", key_file=junk)
    with pytest.raises(BrokerUrlError, match=r"CA file .*junk.pem cannot be used"):
        parse_broker_url("mqtts://h", ca_file=junk).ssl_context()
    with pytest.raises(BrokerUrlError, match=r"client certificate .*junk.pem"):
        parse_broker_url("mqtts://h", cert_file=junk).ssl_context()


def test_without_tls_there_is_no_context() -> None:
    assert parse_broker_url("mqtt://h").ssl_context() is None
