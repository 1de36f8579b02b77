"""JSON text: its faults of notation, and where in it something stands.

Built for files of hundreds of megabytes: whatever is not looked for is skipped by the decoder's
C code.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from ingest.registry_faults import Fault, path_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ingest.registry_faults import Loc, Place

_SPACE = re.compile(r"[ \t\n\r]*")
_NEWLINE = re.compile("\n")
_DEEPEST = 40


def read_json(name: str, text: str) -> list[Fault]:
    """Return the faults of notation: broken syntax (without a path), or each repeated key."""
    repeated = False

    def check(pairs: list[tuple[str, Any]]) -> bool:
        nonlocal repeated
        if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
            repeated = True
        return True  # the value itself is not wanted

    try:
        json.loads(text, object_pairs_hook=check)
    except json.JSONDecodeError as error:
        return [Fault(name, error.lineno, error.colno, "", f"not JSON: {error.msg}")]
    except RecursionError:
        return [Fault(name, 1, 1, "", "not a registry: nested too deeply")]
    except ValueError as error:  # a number of thousands of digits
        return [Fault(name, 1, 1, "", f"not JSON: {error}")]
    if not repeated:
        return []
    lines = _Lines(text)
    return [
        Fault(
            name,
            *lines.place(position),
            path_text(loc),
            f'the key "{loc[-1]}" stands here twice: first at {{}}:{{}}'.format(
                *lines.place(first)
            ),
        )
        for loc, first, position in _repeated(text, _skip_space(text, 0), ())
    ]


def locate_json(text: str, locs: Collection[Loc]) -> dict[Loc, tuple[Place, Place]]:
    """Return where the value and its key stand, for each loc; of what is missing, its holder's."""
    tree: dict[str | int, Any] = {}
    for loc in locs:
        node = tree
        for step in loc:
            node = node.setdefault(step, {})
    start = _skip_space(text, 0)
    found: dict[Loc, tuple[int, int]] = {(): (start, start)}
    _locate(text, start, tree, (), found)
    lines = _Lines(text)
    places = {}
    for loc in locs:
        known = loc
        while known not in found:
            known = known[:-1]
        value, key = found[known]
        places[loc] = (lines.place(value), lines.place(key))
    return places


def _locate(
    text: str, start: int, tree: dict[str | int, Any], loc: Loc, found: dict[Loc, tuple[int, int]]
) -> None:
    if not tree:
        return
    for step, key, value in _members(text, start):
        if step in tree:
            found[(*loc, step)] = (value, key)
            _locate(text, value, tree[step], (*loc, step), found)


def _members(text: str, start: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield (key or index, position of the key, position of the value) of a list or object."""
    opener = text[start]
    if opener not in "[{":
        return
    decode = json.JSONDecoder(object_pairs_hook=len).raw_decode
    position = _skip_space(text, start + 1)
    index = 0
    while text[position] not in "]}":
        step: str | int = index
        key = position
        if opener == "{":
            step, position = decode(text, position)
            position = _skip_space(text, _skip_space(text, position) + 1)  # the colon
        yield step, key, position
        _, position = decode(text, position)
        position = _skip_space(text, position)
        if text[position] == ",":
            position = _skip_space(text, position + 1)
        index += 1


def _repeated(text: str, start: int, loc: Loc) -> Iterator[tuple[Loc, int, int]]:
    """Yield (loc, first position, this position) of each repeated key in the value at ``start``."""
    seen: dict[str | int, int] = {}
    for step, key, value in _members(text, start):
        if step in seen:
            yield (*loc, step), seen[step], key
        seen.setdefault(step, key)
        if len(loc) < _DEEPEST and _repeats(text, value):
            yield from _repeated(text, value, (*loc, step))


def _repeats(text: str, start: int) -> bool:
    """Tell whether an object in the value at ``start`` repeats a key."""
    if text[start] not in "[{":
        return False
    found = False

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.JSONDecoder(object_pairs_hook=check).raw_decode(text, start)
    return found


def _skip_space(text: str, position: int) -> int:
    return _SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing too


class _Lines:
    """Turns positions of a text into lines and columns."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    def place(self, position: int) -> Place:
        line = bisect_right(self._starts, position)
        return line, position - self._starts[line - 1] + 1
