"""What is set aside, as storage keeps it: texts that a database column and its index can hold."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from ingest.wire import unit_of
from storage.received import AsideMessage, AsideValue

if TYPE_CHECKING:
    from ingest.careful import Aside, Refused
    from ingest.wire import Kind
    from storage.registry import Unit

_KEY = 200  # characters of a key or an id
_TOPIC = 1_000
_DETAIL = 1_000


def aside_message(
    number: int, topic: str, payload: bytes, refused: Refused, kind: Kind = "readings"
) -> AsideMessage:
    """Return message ``number`` as set aside whole, under the unit that its topic names."""
    enterprise, unit = unit_of(topic, kind) or (None, None)
    return AsideMessage(
        message=number,
        topic=storable(topic, _TOPIC),
        payload=payload,
        enterprise=enterprise and storable(enterprise, _KEY),
        unit=unit and storable(unit, _KEY),
        reason=refused.reason,
        detail=storable(refused.detail, _DETAIL),
    )


def aside_value(number: int, topic: str, unit: Unit, aside: Aside) -> AsideValue:
    """Return a value of message ``number`` as set aside."""
    return AsideValue(
        message=number,
        topic=topic,
        enterprise=unit.enterprise,
        unit=unit.unit,
        unit_id=unit.id,
        key=storable(aside.key, _KEY),
        reason=aside.reason,
        detail=storable(aside.detail, _DETAIL),
        payload=aside.payload,
    )


def storable(text: str, size: int) -> str:
    """Return ``text`` without U+0000, which PostgreSQL refuses, and not longer than ``size``.

    What is cut ends with a digest of all of it, so that two long texts stay two.
    """
    text = text.replace("\0", "\\u0000")
    if len(text) <= size:
        return text
    digest = sha256(text.encode()).hexdigest()[:16]
    return f"{text[: size - len(digest) - 1]}…{digest}"
