"""The ready file: where the parts of a running server are found."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Urls:
    """Where a client on this machine finds the parts of the server."""

    http: str
    mqtt: str
    database: str


def write_ready_file(file: Path, urls: Urls) -> None:
    """Write the file as a whole or not at all, for its owner's eyes only: it may hold passwords."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    text = json.dumps({**asdict(urls), "pid": os.getpid()})
    fresh.write_text(f"{text}\n", encoding="utf-8")
    fresh.rename(file)
