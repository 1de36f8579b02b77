"""JSON read to the letter: strict UTF-8, no repeated keys, numbers kept as they were written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BOM = "\ufeff"

quote = json.JSONEncoder(ensure_ascii=False).encode  # of texts, and of true, false and null


@dataclass(frozen=True, slots=True)
class Token:
    """A number as it stands in the payload, or one of the bare words NaN and (-)Infinity."""

    text: str


class Repeating(dict[str, Any]):
    """An object that names a key twice; ``repeated`` is the first such key."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        for self.repeated, _ in pairs:
            if self.repeated in seen:
                break
            seen.add(self.repeated)


class BadJson(ValueError):  # noqa: N818 - named like the reasons that it carries
    """The payload cannot be used: ``reason`` and what is wrong where. ``tree`` if it was read."""

    def __init__(self, reason: Reason, detail: str, tree: object = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.tree = tree


def read(payload: bytes) -> Any:  # noqa: ANN401 - a JSON text is any value
    """Return the tree of a JSON text: dict, list, str, bool, None, and ``Token`` for numbers.

    Raises:
        BadJson: not one JSON text in UTF-8, or an object with a repeated key.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise BadJson(Reason.NOT_JSON, f"byte {error.start}: not UTF-8") from error
    if text.startswith(_BOM):
        raise BadJson(Reason.NOT_JSON, "byte 0: a byte order mark")
    repeating: list[Repeating] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) == len(pairs):
            return tree
        repeating.append(Repeating(pairs))
        return repeating[-1]

    tree = _decode(text, build)
    if "\\u" in text:
        _refuse_lone_surrogates(tree)
    if repeating:
        path, found = next(_places(tree, "$"))
        detail = f"{path}: the key {quote(found.repeated)} is there twice"
        raise BadJson(Reason.REPEATED_KEY, detail, tree)
    return tree


def write(tree: object) -> str:
    """Return ``tree`` as JSON text, each ``Token`` as it was written."""
    if isinstance(tree, Token):
        return tree.text
    if isinstance(tree, dict):
        inside = (f"{quote(key)}:{write(tree[key])}" for key in tree)
        return "{" + ",".join(inside) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(write(item) for item in tree) + "]"
    return quote(tree)


def _decode(text: str, build: Any) -> Any:  # noqa: ANN401 - json's own types
    decoder = json.JSONDecoder(
        object_pairs_hook=build, parse_float=Token, parse_int=Token, parse_constant=Token
    )
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        detail = f"line {error.lineno} column {error.colno}: {error.msg}"
        raise BadJson(Reason.NOT_JSON, detail) from error
    except RecursionError as error:
        raise BadJson(Reason.NOT_JSON, "nested too deeply") from error


def _places(tree: object, path: str) -> Iterator[tuple[str, Repeating]]:
    if isinstance(tree, Repeating):
        yield path, tree
    steps: Iterable[tuple[str, object]] = ()
    if isinstance(tree, dict):
        steps = ((f".{key}", inner) for key, inner in tree.items())
    elif isinstance(tree, list):
        steps = ((f"[{index}]", inner) for index, inner in enumerate(tree))
    for step, inner in steps:
        yield from _places(inner, path + step)


def _refuse_lone_surrogates(tree: object) -> None:
    """Refuse halves of escaped surrogate pairs: no text, so that nothing could store them."""
    try:
        write(tree).encode()
    except UnicodeEncodeError as error:
        detail = "half of a surrogate pair in a string"
        raise BadJson(Reason.NOT_JSON, detail) from error
