"""Where the broker is: the parts of an ``mqtt://`` or ``mqtts://`` URL."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's address, how to log in, and how long (seconds) the first connection may take."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    patience: float = 30.0

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_broker(url: str, ca_file: str | None = None) -> Broker:
    """Return the broker that ``url`` names; ``ca_file`` says whose certificates to trust.

    Raises ValueError, with what was expected and never the password, for any other URL.
    """
    expected = "expected mqtt://[user:password@]host[:port] or mqtts://…"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{error}; {expected}") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(expected)
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=_tls(ca_file) if parts.scheme == "mqtts" else None,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"cannot use the certificates in {ca_file}: {error}") from None
