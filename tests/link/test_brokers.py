"""The brokers that the other tests use run, and keep their port and data."""

import subprocess

from tests.fixtures.brokers import Broker


def publish(broker: Broker, topic: str, payload: str) -> None:
    address = ["-h", "127.0.0.1", "-p", str(broker.port)]
    command = ["mosquitto_pub", *address, "-V", "mqttv311", "-q", "1", "-t", topic, "-r", "-m"]
    subprocess.run([*command, payload], check=True, timeout=10)


def retained(broker: Broker, topic: str) -> str:
    address = ["-h", "127.0.0.1", "-p", str(broker.port)]
    command = ["mosquitto_sub", *address, "-V", "mqttv311", "-t", topic, "-C", "1", "-W", "5"]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=10)
    return answer.stdout.decode().strip()


def test_a_broker_stopped_and_started_keeps_what_it_retained(broker: Broker) -> None:
    publish(broker, "ams/v1/gres1/ams-1/status", "online")
    broker.stop()
    broker.start()
    assert retained(broker, "ams/v1/gres1/ams-1/status") == "online"


def test_a_killed_broker_starts_again_on_its_port(broker: Broker) -> None:
    url = broker.url
    broker.kill()
    broker.start()
    assert broker.url == url
    publish(broker, "ams/v1/gres1/ams-1/status", "online")
