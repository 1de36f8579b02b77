# ruff: noqa: INP001 - a program, not a package
"""`make demo`: the server on embedded parts, three simulated plants, and a recipient of notices.

The recipient's port and secret are this demonstration's own; everything else is what
`ams-server serve` and `ams-simulator fleet` do by themselves. Data stays in ./demo-data: a second
run finds it. Ctrl-C stops everything in good order.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
DATA = Path("demo-data")
PROGRAMS = Path(sys.executable).parent
SECRET = secrets.token_hex(16)
SPEED = 600
BACKLOG = timedelta(days=7)
COLOURS = {"opened": "31", "updated": "33", "resolved": "32", "withdrawn": "36"}


def what(alert: dict[str, Any]) -> str:
    """Say what an alert is about."""
    if alert["kind"] == "forecast":
        counted = alert["uom"] or "that exceed"
        return f"{alert['rules']} {alert['condition']}: {alert['value']:g} {counted} to be expected"
    return f"{alert['window']} mean {alert['value']:g} {alert['uom']}, limit {alert['limit']:g}"


class Recipient(BaseHTTPRequestHandler):
    """A regulator's system: checks the signature of each notice and prints one line."""

    def do_POST(self) -> None:
        """Take a notice."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(self.headers.get("X-AMS-Signature", ""), expected)
        self.send_response(204 if genuine else 403)
        self.end_headers()
        event = json.loads(body)
        alert = event["data"]
        kind = event["type"].rpartition(".")[2]
        say(
            f"\033[{COLOURS.get(kind, '0')}mnotice: alert {kind:9}\033[0m"
            f" {alert['enterprise']}/{alert['source']}/{alert['channel']}"
            f" {what(alert)} ({alert['severity']}) since {alert['opened_at']}"
            f" [signature {'verified' if genuine else 'WRONG'}]"
        )

    def log_message(self, *_: object) -> None:
        """Print nothing for each request."""


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def free(port: int) -> int:
    """Return the port if nobody listens there, else any free one."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(program: str, *arguments: str, log: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start one of our programs in a group of its own: Ctrl-C is for us to pass on."""
    return subprocess.Popen(  # noqa: S603 - our own programs
        [PROGRAMS / program, *arguments],
        env=os.environ | {"AMS_HOOK_SECRET": SECRET},
        start_new_session=True,
        stdout=log,
        stderr=log,
    )


def wait_until_ready(server: subprocess.Popen[bytes], ready: Path) -> dict[str, str]:
    """Wait for the ready file; end with the server's last words if it ends instead."""
    while not ready.exists():
        if server.poll() is not None:
            sys.exit(
                f"the server did not start; its log is {DATA / 'server.log'}:\n" + last_words()
            )
        time.sleep(0.1)
    urls: dict[str, str] = json.loads(ready.read_text())
    return urls


def last_words() -> str:
    """Return the end of the server's log."""
    return "\n".join((DATA / "server.log").read_text().splitlines()[-5:])


class Calendar:
    """Where simulated time is: a week back at first, later where the run before left it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        now = datetime.now(UTC)
        self.start = now - BACKLOG
        if file.exists():
            self.start = max(self.start, datetime.fromisoformat(file.read_text()))
        self._began = now

    def note(self) -> None:
        """Remember how far simulated time can be by now: never further than the clock."""
        now = datetime.now(UTC)
        ahead = self.start + SPEED * (now - self._began) + timedelta(minutes=5)
        self._file.write_text(min(now, ahead).isoformat())


def stop(process: subprocess.Popen[bytes], name: str) -> None:
    """Ask a process to end, and wait until it has."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        say(f"stopping {name} …")
        process.wait(60)


def main() -> None:
    """Run the demonstration until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    DATA.mkdir(exist_ok=True)
    recipient = ThreadingHTTPServer(("127.0.0.1", free(9000)), Recipient)
    threading.Thread(target=recipient.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{recipient.server_port}/hook"
    example = (HERE / "registry.example.yaml").read_text(encoding="utf-8")
    registry = DATA / "registry.yaml"
    registry.write_text(example.replace("http://127.0.0.1:9000/hook", hook), encoding="utf-8")
    ready = DATA / "ready.json"
    say("starting ams-server on embedded PostgreSQL and the embedded broker …")
    with (DATA / "server.log").open("wb") as log:
        server = start(
            "ams-server", "serve", "--data-dir", str(DATA), "--registry", str(registry),
            "--ready-file", str(ready), "--http", f"127.0.0.1:{free(8080)}",
            "--mqtt-port", str(free(1883)), log=log,
        )  # fmt: skip
    fleet = None
    calendar = Calendar(DATA / "simulated-until")
    try:
        urls = wait_until_ready(server, ready)
        say(f"\n  console and API   {urls['http']}/\n  metrics           {urls['http']}/metrics")
        say(f"  MQTT broker       {urls['mqtt']}\n  notices go to     {hook}")
        say(f"  database          psql '{urls['database']}'\n")
        say("three plants push readings, 600 times as fast as life until they have caught up;")
        say("Ctrl-C stops. Notices as the recipient gets them:\n")
        fleet = start(
            "ams-simulator", "fleet", "--broker", urls["mqtt"], "--speed", str(SPEED),
            "--faults", "spike,duplicate,drop-out,minus-one",
            "--start", calendar.start.isoformat(), log=subprocess.DEVNULL,
        )  # fmt: skip
        while server.poll() is None and fleet.poll() is None:
            calendar.note()
            time.sleep(0.5)
        sys.exit(f"ended unexpectedly; the server's log is {DATA / 'server.log'}:\n" + last_words())
    except KeyboardInterrupt:
        say("")
    finally:
        if fleet:
            stop(fleet, "the plants")
        stop(server, "the server")
        recipient.shutdown()
    say(f"stopped; the data are in {DATA.absolute()}")


if __name__ == "__main__":
    main()
