"""Who gets notices: the registry's recipients with the secrets that sign what they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Recipient:
    """A webhook. ``secret`` None: its registry entry asks for no signature.

    ``trouble`` says why nothing can be sent to it for now, else None. The URL may hold a password
    and the secret is one: neither appears in ``repr`` or in any log.
    """

    id: str
    url: str
    secret: bytes | None = None
    trouble: str | None = None

    def __repr__(self) -> str:
        return f"Recipient({self.id!r})"


def recipient(definition: Mapping[str, Any], environ: Mapping[str, str]) -> Recipient:
    """Return the recipient of a registry entry, its secret taken from the environment.

    A secret that the environment lacks is a trouble: nothing is sent unsigned.
    """
    name = (definition.get("secret") or {}).get("env")
    secret = environ.get(name, "") if name else ""
    return Recipient(
        id=definition["id"],
        url=definition["url"],
        secret=secret.encode() if secret else None,
        trouble=None if secret or not name else f"environment variable {name} is not set",
    )
