"""A notice to a recipient: the bytes of one CloudEvents 1.0 JSON event, and their signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

CONTENT_TYPE = "application/cloudevents+json"
SIGNATURE_HEADER = "X-AMS-Signature"
CHANGES = ("opened", "updated", "resolved", "withdrawn")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_type(change: str) -> str:
    """Return the CloudEvents ``type`` of a change, e.g. ``kz.ams.alert.opened``.

    Raises ValueError for a change that recipients do not know.
    """
    if change not in CHANGES:
        raise ValueError(
            f"{change!r} is not a kind of notice; expected one of {', '.join(CHANGES)}"
        )
    return f"kz.ams.alert.{change}"


def event(  # noqa: PLR0913 - an event's attributes, each named by the caller
    *,
    id: UUID,  # noqa: A002 - the attribute's name in the specification
    source: str,
    change: str,
    time: int,
    alert: Mapping[str, Any],
    evidence: Mapping[str, Any] | None,
) -> bytes:
    """Return the UTF-8 JSON of a notice, the very bytes that are signed and sent.

    ``id`` is the notice's own and stays with it through every retry; ``source`` a URI reference
    that names this installation; ``time`` microseconds since 1970, when the notice was made;
    ``alert`` what the API shows of the alert; ``evidence`` the values behind the judgement. NaN or
    infinity anywhere raises ValueError: JSON has no word for them.
    """
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(id),
            "source": source,
            "type": event_type(change),
            "subject": str(alert["id"]),
            "time": _rfc3339(time),
            "datacontenttype": "application/json",
            "data": {**alert, "evidence": evidence},
        },
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    ).encode()


def signature(secret: bytes, body: bytes) -> str:
    """Return the value of the signature header: HMAC-SHA256 of the raw body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def _rfc3339(microseconds: int) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat().replace("+00:00", "Z")
