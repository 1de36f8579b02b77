"""Registry files that describe what the simulators send (contracts.md section 3)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeGuard

from simulators.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Entry = dict[str, object]


def write_registry(
    target: str, enterprises: Callable[[], Iterable[Entry]], permits: Callable[[], Iterable[Entry]]
) -> None:
    """Write a registry to the file ``target``, at once and whole, or to standard output for ``-``.

    A name that ends in ``.json`` is written as JSON, which large registries need, any other as
    YAML. Entries are asked for one by one. Raises UserError when the file cannot be written.
    """
    emit = _json if target.endswith(".json") else _yaml
    try:
        with _open(target) as out:
            for text in emit({"enterprises": enterprises(), "permits": permits()}):
                out.write(text)
    except OSError as error:
        raise UserError(f"cannot write the registry to {target}: {error.strerror}") from None


@contextlib.contextmanager
def _open(target: str) -> Iterator[TextIO]:
    if target == "-":
        yield sys.stdout
        return
    path = Path(target)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _json(sections: dict[str, Iterable[Entry]]) -> Iterator[str]:
    separator = "{"
    for section, entries in sections.items():
        yield f'{separator}"{section}":['
        for place, entry in enumerate(entries):
            yield f"{',' if place else ''}\n{_flow(entry)}"
        yield "\n]"
        separator = ",\n"
    yield "}\n"


def _yaml(sections: dict[str, Iterable[Entry]]) -> Iterator[str]:
    for section, entries in sections.items():
        yield f"{section}:\n"
        for entry in entries:
            yield from _item(entry, "  ")


def _item(entry: Entry, indent: str) -> Iterator[str]:
    """Yield an entry as a block with its lists of entries, a plain one in flow style.

    JSON is YAML 1.2: its strings are quoted, so "no" and "0330" stay strings.
    """
    if not any(_is_entries(value) for value in entry.values()):
        yield f"{indent}- {_flow(entry)}\n"
        return
    lead = f"{indent}- "
    for key, value in entry.items():
        if _is_entries(value):
            yield f"{lead}{key}:\n"
            for nested in value:
                yield from _item(nested, f"{indent}    ")
        else:
            yield f"{lead}{key}: {_flow(value)}\n"
        lead = f"{indent}  "


def _is_entries(value: object) -> TypeGuard[list[Entry]]:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _flow(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
