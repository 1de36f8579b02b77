"""Cursors: the key of the last item shown, opaque to those who pass it back."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from console.problems import bad_parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.problems import Problem

_LONGEST = 1000  # characters
_BIGINT = 2**63


def encode_cursor(key: Sequence[Any]) -> str:
    """Return the text for a key of instants, integers, texts and UUIDs."""
    text = json.dumps([_plain(part) for part in key], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def decode_cursor(text: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """Return the key that ``encode_cursor`` was given; a Problem where it never was."""
    try:
        parts = json.loads(urlsafe_b64decode(text[:_LONGEST] + "=" * (-len(text) % 4)))
        return tuple(_read(part, kind) for part, kind in zip(list(parts), kinds, strict=True))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _refusal() from error


def _plain(part: object) -> int | str:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    return part if isinstance(part, int) else str(part)


def _read(part: object, kind: type) -> object:
    if kind is int:
        if type(part) is not int or not -_BIGINT <= part < _BIGINT:
            raise ValueError("expected an integer")
        return part
    if not isinstance(part, str) or not part.isprintable():
        raise ValueError("expected a text")
    if kind is datetime:
        return datetime.fromisoformat(part).astimezone(UTC)
    return UUID(part) if kind is UUID else part


def _refusal() -> Problem:
    return bad_parameter(
        "cursor", "cursor: expected what an answer of this very route gave as its next."
    )
