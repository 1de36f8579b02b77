"""Certificates for TLS tests, made by the openssl program."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.brokers import missing


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


def openssl(*arguments: object) -> None:
    program = shutil.which("openssl")
    if program is None:
        missing("openssl")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, timeout=60)


def authority(directory: Path, name: str) -> Pair:
    """A certificate authority of our own."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", pair.key, "-out", pair.certificate]
    extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl("req", "-x509", *key, *files, "-subj", f"/CN={name}", "-days", "2", *extensions)
    return pair


def signed(directory: Path, name: str, by: Pair, names: str = "") -> Pair:
    """A certificate for `name`, signed by an authority; `names` as in subjectAltName."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    request = directory / f"{name}.csr"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-new", *key, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    extensions = directory / f"{name}.ext"
    extensions.write_text(
        "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
        + (f"subjectAltName={names}\n" if names else "")
    )
    authority_files = ["-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial"]
    files = ["-in", request, "-out", pair.certificate, "-extfile", extensions]
    openssl("x509", "-req", *files, *authority_files, "-days", "2")
    return pair
