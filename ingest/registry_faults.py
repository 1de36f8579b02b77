"""What is wrong with a registry file, and where: file, line, column, path in the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# Where something stands in a document: ("enterprises", 0, "sources", 1, "id").
Loc: TypeAlias = tuple[str | int, ...]
# Line and column, both counted from 1.
Place: TypeAlias = tuple[int, int]
# Finds the places of many locs at once: (of the value, of its key). What is not there is found
# at what holds it.
Locate: TypeAlias = "Callable[[Collection[Loc]], dict[Loc, tuple[Place, Place]]]"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One error of a registry file, in words for whoever mends it."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        path = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{self.column}:{path} {self.message}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault before its place is looked up: ``file`` is the number of the file.

    ``at_key``: it is the key that is wrong. ``other`` is a second place to name, as ``{other}`` in
    the message.
    """

    file: int
    loc: Loc
    message: str
    at_key: bool = False
    other: tuple[int, Loc] | None = None


class RegistryInvalid(Exception):  # noqa: N818 - the sentence that the user reads
    """The registry has errors and nothing of it was applied; ``faults`` names each one."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def path_text(loc: Loc) -> str:
    """Return ``enterprises[0].sources[1].id`` for a place in the document."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def place_findings(findings: list[Finding], names: list[str], locates: list[Locate]) -> list[Fault]:
    """Return the findings with their places, sorted by file and place.

    ``names`` and ``locates`` are the files' names and ways to find a place, by number of file.
    """
    wanted: list[set[Loc]] = [set() for _ in names]
    for finding in findings:
        wanted[finding.file].add(finding.loc)
        if finding.other is not None:
            wanted[finding.other[0]].add(finding.other[1])
    found = [locate(locs) if locs else {} for locate, locs in zip(locates, wanted, strict=True)]
    faults = []
    for finding in findings:
        place = found[finding.file][finding.loc]
        line, column = place[1] if finding.at_key else place[0]
        message = finding.message
        if finding.other is not None:
            file, loc = finding.other
            (other_line, other_column), _ = found[file][loc]
            message = message.replace("{other}", f"{names[file]}:{other_line}:{other_column}")
        faults.append(Fault(names[finding.file], line, column, path_text(finding.loc), message))
    order = {name: number for number, name in enumerate(names)}
    return sorted(set(faults), key=lambda fault: (order[fault.file], fault))
