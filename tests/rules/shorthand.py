"""Reads the shorthand of short-term averages in tests/scenarios/rules: see the README there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = re.compile(r"\s*([(),]|[^\s(),]+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_RAW = re.compile(r"[A-Z](\+[A-Z])*")
_STATUSES = ("start_up", "shut_down", "stopped")


@dataclass(frozen=True, slots=True)
class Average:
    """One short-term average; None: all slots (``count``, ``quarters``) or none.

    ``value`` None: nothing measured. ``raw``: the names of raw values that it is made of, in equal
    parts. ``idle``, ``stopped``, ``marked``: slots; -1 is all of them.
    """

    value: float | None = None
    raw: tuple[str, ...] = ()
    count: int | None = None
    of: int | None = None
    quarters: int = 4
    idle: int = 0
    stopped: int = 0
    marked: int = 0
    serviced: int = 0
    load: float | None = None


def averages(text: str) -> list[Average]:
    """Read ``720 x 180, 24 x 230 40/60, 3 x -, 10 x (4 x -, 20 x 100)``."""
    words = _WORD.findall(text)
    found, rest = _items(words)
    assert not rest, f"expected nothing after {' '.join(words[: -len(rest)])!r}: {rest}"
    return found


def _items(words: list[str]) -> tuple[list[Average], list[str]]:
    found: list[Average] = []
    while words and words[0] != ")":
        times = 1
        if len(words) > 1 and words[1] == "x":
            times, words = int(words[0].replace("_", "")), words[2:]
        if words[0] == "(":
            inside, words = _items(words[1:])
            assert words[:1] == [")"], f"expected a closing parenthesis at {words}"
            words = words[1:]
        else:
            end = next((n for n, word in enumerate(words) if word in ",)"), len(words))
            inside, words = [_average(words[:end])], words[end:]
        found += inside * times
        if words[:1] == [","]:
            words = words[1:]
    return found, words


def _average(words: list[str]) -> Average:
    first = words[0]
    if _NUMBER.fullmatch(first):
        return Average(value=float(first), **_qualifiers(words[1:]))
    if _RAW.fullmatch(first):
        return Average(raw=tuple(first.split("+")), **_qualifiers(words[1:]))
    if first == "-":
        return Average(count=0, **_qualifiers(words[1:]))
    assert first in _STATUSES, f"expected a value, - or a status, not {' '.join(words)!r}"
    return Average(count=0, idle=-1, stopped=-1 if first == "stopped" else 0)


def _qualifiers(words: list[str]) -> dict[str, Any]:
    """Return the settings of ``40/60``, ``3 quarters``, ``20 stopped``, ``35 load``."""
    return dict(_each_qualifier(words))


def _each_qualifier(words: list[str]) -> Iterator[tuple[str, int]]:
    while words:
        if "/" in words[0]:
            count, of = words[0].split("/")
            yield from (("count", int(count)), ("of", int(of)))
            words = words[1:]
            continue
        number, what, words = int(words[0]), words[1], words[2:]
        if what in _STATUSES:
            yield "idle", number
            if what == "stopped":
                yield "stopped", number
        else:
            names = {"substituted": "marked", "quarters": what, "serviced": what, "load": what}
            yield names[what], number
