"""Entries of a file that has errors, as far as they can be understood.

So that the rest of the file is checked too, and one run names every error: what is wrong or
missing becomes UNKNOWN (or empty), which the checks leave alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ingest.registry_model import (
    Channel,
    Document,
    Enterprise,
    Limit,
    Permit,
    Recipient,
    Source,
    Unit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ingest.registry_faults import Loc

UNKNOWN = "\0"  # can stand in no valid entry
_T = TypeVar("_T")


def loose_document(raw: object, broken: Collection[Loc]) -> Document:
    """Return what can be understood of ``raw``, in which the values at ``broken`` are wrong."""
    entry = _Entry(raw, (), set(broken))
    return _bare(
        Document,
        enterprises=entry.entries("enterprises", _enterprise),
        permits=entry.entries("permits", _permit),
        recipients=entry.entries("recipients", _recipient),
        effective=None,
        rule_sets=[],
    )


class _Entry:
    """A mapping of the file, of whatever kind it turns out to be."""

    def __init__(self, raw: object, loc: Loc, broken: set[Loc]) -> None:
        self._raw = raw if isinstance(raw, dict) else {}
        self._loc = loc
        self._broken = broken

    def text(self, key: str, *, even_broken: bool = False) -> str:
        """Return a text; an id is one even when it breaks the rules for ids."""
        value = self._raw.get(key)
        wrong = (*self._loc, key) in self._broken and not even_broken
        return UNKNOWN if wrong or not isinstance(value, str) else value

    def has(self, key: str) -> bool:
        """Tell whether there is something at ``key``."""
        return self._raw.get(key) is not None

    def entries(self, key: str, make: Callable[[_Entry], _T]) -> list[_T]:
        """Return a list of mappings; entries keep their numbers."""
        items = self._raw.get(key)
        if not isinstance(items, list):
            return []
        return [
            make(_Entry(item, (*self._loc, key, n), self._broken)) for n, item in enumerate(items)
        ]

    def mapping(self, key: str) -> dict[str, str]:
        """Return the sound pairs of a mapping of texts."""
        items = self._raw.get(key)
        if not isinstance(items, dict):
            return {}
        loc = (*self._loc, key)
        return {k: v for k, v in items.items() if (*loc, k) not in self._broken}

    def texts(self, key: str) -> list[str]:
        """Return a list of texts; what is wrong in it is UNKNOWN."""
        items = self._raw.get(key)
        if items == "*":
            return ["*"]
        if not isinstance(items, list):
            return []
        loc = (*self._loc, key)
        return [UNKNOWN if (*loc, n) in self._broken else item for n, item in enumerate(items)]


def _bare(kind: type[_T], **fields: Any) -> _T:  # noqa: ANN401 - fields of any kind
    """Return an entry that was not validated and has these fields only."""
    entry = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(entry, name, value)
    return entry


def _enterprise(entry: _Entry) -> Enterprise:
    return _bare(
        Enterprise,
        id=entry.text("id", even_broken=True),
        sources=entry.entries("sources", _source),
        units=entry.entries("units", _unit),
    )


def _source(entry: _Entry) -> Source:
    return _bare(
        Source,
        id=entry.text("id", even_broken=True),
        channels=entry.entries("channels", _channel),
    )


def _channel(entry: _Entry) -> Channel:
    return _bare(
        Channel,
        id=entry.text("id", even_broken=True),
        unit=entry.text("unit"),
        period=entry.text("period"),
    )


def _unit(entry: _Entry) -> Unit:
    return _bare(Unit, id=entry.text("id", even_broken=True), channels=entry.mapping("channels"))


def _permit(entry: _Entry) -> Permit:
    return _bare(
        Permit,
        number=entry.text("number", even_broken=True),
        enterprise=entry.text("enterprise", even_broken=True),
        limits=entry.entries("limits", _limit),
    )


def _limit(entry: _Entry) -> Limit:
    return _bare(
        Limit,
        source=entry.text("source"),
        channel=entry.text("channel"),
        unit=entry.text("unit"),
        average=entry.text("average"),
        rules=entry.text("rules") if entry.has("rules") else None,
    )


def _recipient(entry: _Entry) -> Recipient:
    return _bare(
        Recipient,
        id=entry.text("id", even_broken=True),
        enterprises=entry.texts("enterprises"),
    )
