"""Registry files as JSON text that remembers where each value stood in the file.

YAML 1.2 is read event by event with scalar rules of our own, since `no`, `on` and `0330` must be
text. JSON of any size goes on as it is; places in it are looked up only when there are errors.
"""

from __future__ import annotations

import hashlib
import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ingest.registry_faults import Fault
from ingest.registry_json import locate_json, read_json
from ingest.registry_nodes import Builder, Node, locate_nodes

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.events import Event

    from ingest.registry_faults import Locate, Place
    from ingest.registry_nodes import Scalar

_SUFFIXES = (".yaml", ".yml", ".json")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OTHER_BASE = re.compile(r"[-+]?0[xob][0-9a-fA-F_]+")
_WORDS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_LONGEST_NUMBER = 40  # characters


@dataclass(frozen=True, slots=True)
class SourceText:
    """One file: its name as given, what it says as JSON, and how to find a place in it.

    ``digest`` is the SHA-256 of the file as it is.
    """

    name: str
    digest: bytes
    json: bytes
    locate: Locate


def registry_paths(path: Path) -> list[Path]:
    """Return the registry files that ``path`` stands for: itself, or those in the directory.

    Raises:
        OSError: the path cannot be read.
        FileNotFoundError: a directory without *.yaml, *.yml or *.json files.
    """
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.iterdir()
        if file.suffix in _SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
    if not found:
        raise FileNotFoundError(2, "a directory without *.yaml, *.yml or *.json files", str(path))
    return found


def read_source(path: Path) -> tuple[SourceText | None, list[Fault]]:
    """Return what a file says, and each fault of its notation.

    None when the notation is broken: then nothing can be said of the rest. OSError when the file
    cannot be read.
    """
    return parse_source(str(path), path.read_bytes(), is_json=path.suffix == ".json")


def parse_source(
    name: str, content: bytes, *, is_json: bool
) -> tuple[SourceText | None, list[Fault]]:
    """Do the same as ``read_source`` for the content of a file called ``name``."""
    if not is_json and content.lstrip()[:1] == b"{":
        # JSON under another name; the reader of YAML would take it too, a hundred times slower.
        try:
            json.loads(content, object_pairs_hook=len)
            is_json = True
        except (ValueError, RecursionError):
            is_json = False
    digest = hashlib.sha256(content).digest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return None, [Fault(name, line, column, "", "not UTF-8: save the file as UTF-8")]
    if is_json:
        faults = read_json(name, text)
        del text  # of hundreds of megabytes, and needed again only if something is wrong
        said = content.removeprefix(BOM_UTF8)
        source = SourceText(name, digest, said, lambda locs: locate_json(said.decode(), locs))
        return (None if faults and not faults[0].path else source), faults
    return _read_yaml(name, digest, text)


def _read_yaml(name: str, digest: bytes, text: str) -> tuple[SourceText | None, list[Fault]]:
    builder = Builder()
    try:
        _feed(builder, text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return None, [Fault(name, line, column, "", _syntax(error))]
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the character U+{ord(text[error.position]):04X} must not stand in a file"
        return None, [Fault(name, line, column, "", message)]
    except YAMLError as error:
        return None, [Fault(name, 1, 1, "", f"not YAML: {error}")]
    root = builder.root or Node(None, 1, 1)
    faults = [Fault(name, *at, path, message) for at, path, message in builder.faults]
    if builder.too_large:
        return None, faults
    text_of = json.dumps(root.plain()).encode()
    return SourceText(name, digest, text_of, lambda locs: locate_nodes(root, locs)), faults


def _syntax(error: MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "not YAML")
    if "'\\t'" in problem:
        return "a tab: YAML is indented and separated with spaces"
    if error.context and error.context_mark and error.problem:
        line = error.context_mark.line + 1
        return f"not YAML: {error.context} that begins in line {line}: {problem}"
    return f"not YAML: {problem}"


def _feed(builder: Builder, text: str) -> None:
    documents = 0
    # typ "safe" in pure Python: the C parser is another, of YAML 1.1.
    for event in YAML(typ="safe", pure=True).parse(text):
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                builder.fault(place, "a second document in the file: one document a file")
                return
            if event.version not in (None, (1, 2)):
                builder.fault(place, "another version of YAML: a registry is written in YAML 1.2")
        else:
            _build(builder, event, place)
        if builder.too_large:
            return


def _build(builder: Builder, event: Event, place: Place) -> None:
    tag = getattr(event, "ctag", None)
    if tag is not None:
        builder.fault(place, f"a tag ({tag}): leave it out, quotes make a value text")
    match event:
        case AliasEvent():
            builder.alias(event.anchor, place)
        case MappingStartEvent():
            builder.begin({}, event.anchor, place)
        case SequenceStartEvent():
            builder.begin([], event.anchor, place)
        case MappingEndEvent() | SequenceEndEvent():
            builder.end()
        case ScalarEvent():
            value = event.value
            if event.style is None:
                value = _plain(builder, event.value, place)
            elif any("\ud800" <= character <= "\udfff" for character in event.value):
                builder.fault(place, "half of a character (a lone surrogate escape)")
                value = ""
            builder.scalar(value, event.anchor, place)


def _plain(builder: Builder, text: str, place: Place) -> Scalar:
    """Return what a scalar without quotes means: text, unless it is plainly something else."""
    value: Scalar = text
    if text in _WORDS:
        value = _WORDS[text]
    elif _NOT_FINITE.fullmatch(text):
        value = float(text.replace(".", ""))
    elif _OTHER_BASE.fullmatch(text):
        builder.fault(
            place,
            f'{text} is ambiguous: write a decimal number, or "{text}" in quotes if it is text',
        )
        value = None
    elif _FLOAT.fullmatch(text):
        if len(text) > _LONGEST_NUMBER:
            builder.fault(place, "a number of more digits than any instrument has")
            value = None
        else:
            value = int(text) if _INTEGER.fullmatch(text) else float(text)
    return value
