"""The tree of a YAML file: each value with its line and column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ingest.registry_faults import path_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from ingest.registry_faults import Loc, Place

Scalar: TypeAlias = "str | float | bool | None"

_DEEPEST = 40  # levels; a registry has ten
_LARGEST = 5_000_000  # values, aliases counted with all that they repeat


@dataclass(slots=True)
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping of key to (key's place, node).

    ``size`` counts the values in it, itself too.
    """

    value: Any
    line: int
    column: int
    size: int = 1

    def plain(self) -> Any:  # noqa: ANN401 - whatever the file says
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, (_, node) in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; ``key`` waits for its value, with its place."""

    node: Node
    anchor: str | None
    key: Any = None
    key_place: Place | None = None


class Builder:
    """Builds the tree from what the parser meets, and collects what must not stand there.

    Afterwards ``root`` is the tree (None: an empty file) and ``faults`` holds (place, path,
    message). ``too_large`` tells that building was given up.
    """

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[tuple[Place, str, str]] = []
        self.too_large = False
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None: still open

    def fault(self, place: Place, message: str) -> None:
        """Note a fault of what is being read."""
        self.faults.append((place, path_text(self._loc()), message))

    def begin(self, empty: dict[str, Any] | list[Any], anchor: str | None, place: Place) -> None:
        """Open a list or a mapping."""
        if anchor:
            self._anchors[anchor] = None
        if len(self._stack) >= _DEEPEST:
            self.fault(place, f"nested more than {_DEEPEST} levels deep")
            self.too_large = True
            return
        self._stack.append(_Open(Node(empty, *place), anchor))

    def end(self) -> None:
        """Close what was opened last."""
        opened = self._stack.pop()
        if opened.anchor:
            self._anchors[opened.anchor] = opened.node
        self._add(opened.node)

    def scalar(self, value: Scalar, anchor: str | None, place: Place) -> None:
        """Add a scalar."""
        node = Node(value, *place)
        if anchor:
            self._anchors[anchor] = node
        self._add(node)

    def alias(self, anchor: str, place: Place) -> None:
        """Add what ``anchor`` names once more."""
        node = self._anchors.get(anchor)
        if node is None:
            inside = anchor in self._anchors
            self.fault(
                place,
                f"*{anchor} stands inside what it names"
                if inside
                else f"*{anchor} names nothing: there is no &{anchor} before it",
            )
            node = Node(None, *place)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        holder = parent.node.value
        if isinstance(holder, list):
            holder.append(node)
        elif parent.key_place is None:
            self._take_key(parent, node)
            return
        else:
            key, place = parent.key, parent.key_place
            parent.key = parent.key_place = None
            if key is None or key in holder:  # a fault that _take_key has noted
                return
            holder[key] = (place, node)
        parent.node.size += node.size
        if parent.node.size > _LARGEST:
            self.fault((node.line, node.column), f"more than {_LARGEST:,} values: use JSON")
            self.too_large = True

    def _take_key(self, parent: _Open, node: Node) -> None:
        place = (node.line, node.column)
        if isinstance(node.value, str):
            parent.key = node.value
            if node.value in parent.node.value:
                (line, column), _ = parent.node.value[node.value]
                self.fault(
                    place, f'the key "{node.value}" stands here twice: first at {line}:{column}'
                )
        elif isinstance(node.value, (dict, list)):
            self.fault(place, "a list or a mapping cannot be a key")
        else:
            words = {None: "nothing (null)", True: "true", False: "false"}
            is_word = node.value is None or isinstance(node.value, bool)
            what = words[node.value] if is_word else f"the number {node.value}"
            self.fault(place, f"{what} cannot be a key: if it is text, quote it")
        parent.key_place = place

    def _loc(self) -> Loc:
        loc: list[str | int] = []
        for opened in self._stack:
            if isinstance(opened.node.value, list):
                loc.append(len(opened.node.value))
            elif isinstance(opened.key, str):
                loc.append(opened.key)
        return tuple(loc)


def locate_nodes(root: Node, locs: Collection[Loc]) -> dict[Loc, tuple[Place, Place]]:
    """Return where the value and its key stand, for each loc; of what is missing, its holder's."""
    return {loc: _locate(root, loc) for loc in locs}


def _locate(root: Node, loc: Loc) -> tuple[Place, Place]:
    node = root
    key = place = (root.line, root.column)
    for step in loc:
        if isinstance(node.value, dict) and step in node.value:
            key, node = node.value[step]
            place = (node.line, node.column)
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            key = place = (node.line, node.column)
        else:
            break
    return place, key
