"""`ams-server registry check` and `apply`, and the registry that `serve` is started with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ingest.registry_faults import Fault, RegistryInvalid
from ingest.registry_read import parse_registry, registry_digest
from ingest.registry_rows import registry_rows
from ingest.rules_resolve import presets_digest
from storage.registry_apply import Changes, apply_registry, present_version

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import asyncpg

_FORMAT = b"2"  # of the rows that a file becomes: another number reads unchanged files again

__all__ = ["RegistryInvalid", "apply_registry_file", "check_registry_file", "digest_of"]


def check_registry_file(path: Path) -> list[Fault]:
    """Return every fault of a registry file or directory; none when it can be applied.

    A path that cannot be read is a fault too.
    """
    try:
        parse_registry(path)
    except RegistryInvalid as invalid:
        return invalid.faults
    except OSError as error:
        return [_unreadable(path, error)]
    return []


async def apply_registry_file(
    conn: asyncpg.Connection,
    path: Path,
    *,
    default_zone: str,
    effective: datetime | None = None,
) -> Changes:
    """Validate a registry file or directory and apply it.

    ``effective`` is since when its changes apply, before what the file itself says; None with
    neither: now. ``default_zone`` is where days begin for enterprises that name no zone. The very
    files that were applied last are not read again: nothing can have changed.

    Raises:
        RegistryInvalid: the registry has errors, or cannot be read; nothing was applied.
        Unavailable: the database is away.
    """
    try:
        present = await present_version(conn)
        if present is not None and present.digest == digest_of(path, default_zone):
            return Changes(present.version, present.effective)
        document = parse_registry(path)
    except OSError as error:
        raise RegistryInvalid([_unreadable(path, error)]) from error
    return await apply_registry(
        conn,
        registry_rows(document, default_zone),
        effective=effective or document.effective,
        source=document.source,
        digest=_digest(document.digest, default_zone),
    )


def digest_of(path: Path, default_zone: str) -> bytes:
    """Return what a registry file or directory is known by once it is applied.

    Raises OSError when a file cannot be read.
    """
    return _digest(registry_digest(path), default_zone)


def _digest(of_files: bytes, default_zone: str) -> bytes:
    # Rule sets that are shipped may change with the server: then the limits that name them do.
    return hashlib.sha256(_FORMAT + of_files + default_zone.encode() + presets_digest()).digest()


def _unreadable(path: Path, error: OSError) -> Fault:
    return Fault(str(error.filename or path), 1, 1, "", f"cannot be read: {error.strerror}")
