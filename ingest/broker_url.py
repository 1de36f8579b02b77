"""Where the broker is and how to log in there."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
EXPECTED = "expected mqtt://[USER[:PASSWORD]@]HOST[:PORT] or mqtts://…"


class BrokerUrlError(ValueError):
    """The URL or a TLS option is wrong; the message says what was expected, never the password."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """A broker's address, checked; `ca_file`, `cert_file`, `key_file` are PEM files for TLS."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __str__(self) -> str:
        """The URL without user and password, for messages and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS needs, the broker's certificate and name checked; None without TLS.

        Reads the files, so call it in a thread. Raises BrokerUrlError naming the file at fault.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise BrokerUrlError(
                f"the CA file {self.ca_file} cannot be used ({_reason(error)}): "
                "expected certificates in PEM form"
            ) from None
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
            except OSError as error:
                raise BrokerUrlError(
                    f"the client certificate {self.cert_file} with key "
                    f"{self.key_file or self.cert_file} cannot be used ({_reason(error)}): "
                    "expected a certificate and its unencrypted private key in PEM form"
                ) from None
        return context


def parse_broker_url(
    url: str,
    *,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> BrokerUrl:
    """A URL as a user writes it, with the TLS options beside it.

    User and password are percent-encoded. Raises BrokerUrlError.
    """
    parts = _split(url)
    tls = parts.scheme == "mqtts"
    if not tls and (ca_file or cert_file or key_file):
        raise BrokerUrlError("certificates need TLS: expected a broker URL that begins mqtts://")
    if key_file and not cert_file:
        raise BrokerUrlError("a client key needs its certificate: expected both files or neither")
    for file in (ca_file, cert_file, key_file):
        if file is not None and not file.is_file():
            raise BrokerUrlError(f"there is no file {file}: expected a PEM file")
    return BrokerUrl(
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        tls=tls,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise BrokerUrlError(f"not a broker URL: {EXPECTED}") from None
    if parts.scheme not in PORTS:
        raise BrokerUrlError(f"unknown scheme {parts.scheme!r}: {EXPECTED}")
    if not parts.hostname or port == 0:
        raise BrokerUrlError(f"no host, or port 0: {EXPECTED}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        # a password with an unescaped / or # ends up here, so the text is not repeated
        raise BrokerUrlError(f"something follows host and port: {EXPECTED}, with / in it as %2F")
    if parts.password is not None and not parts.username:
        raise BrokerUrlError(f"a password without a user: {EXPECTED}")
    return parts


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _no_password() -> str:
    """Answer for an encrypted key, in place of OpenSSL's question on the terminal."""
    raise BrokerUrlError("the client's key file is encrypted: expected an unencrypted private key")
