"""Which sequence numbers of each boot were received: repeats, gaps, and how far none is missing."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BOOTS = 500_000  # remembered at once: about 250 MB
MAX_RANGES = 1_000  # of one boot


@dataclass(slots=True)
class Boot:
    """One start of a unit: ``id`` in the database and the ranges received, first and last each.

    Ranges are in order and do not touch. Bounded: of a boot with more than ``MAX_RANGES`` the
    second is forgotten here (the database keeps all), so that ``complete`` stays true and at
    worst a repeat in it is not recognised as one.
    """

    id: int
    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)

    @property
    def complete(self) -> int:
        """The last number up to which, from the lowest received, none is missing; -1 for none."""
        return self.lasts[0] if self.lasts else -1

    def add(self, seq: int) -> tuple[bool, bool]:
        """Take note of ``seq``; return whether it was received before and whether it left a hole.

        A hole is a missing predecessor of any but the lowest number.
        """
        lasts = self.lasts
        if lasts and seq == lasts[-1] + 1:  # nearly always
            lasts[-1] = seq
            return False, False
        return self._insert(seq)

    def _insert(self, seq: int) -> tuple[bool, bool]:
        firsts, lasts = self.firsts, self.lasts
        place = bisect_right(firsts, seq)  # the first range that starts after seq
        if place and seq <= lasts[place - 1]:
            return True, False
        joins_before = place > 0 and lasts[place - 1] == seq - 1
        joins_after = place < len(firsts) and firsts[place] == seq + 1
        if joins_before and joins_after:
            lasts[place - 1] = lasts.pop(place)
            del firsts[place]
        elif joins_before:
            lasts[place - 1] = seq
        elif joins_after:
            firsts[place] = seq
        else:
            firsts.insert(place, seq)
            lasts.insert(place, seq)
            if len(firsts) > MAX_RANGES:
                del firsts[1], lasts[1]
        return False, place > 0 and not joins_before


class Sequences:
    """The boots of all units, by unit number and boot, the least lately used forgotten first.

    A boot that is forgotten, or was never there, must be looked up in the database before its
    messages are taken: ``unknown`` names those, ``remember`` takes the answer.
    """

    def __init__(self, max_boots: int = MAX_BOOTS) -> None:
        # A plain dict would search for its first entry among all that were ever moved away.
        self._boots: OrderedDict[tuple[int, str], Boot] = OrderedDict()
        self._max_boots = max_boots

    def __len__(self) -> int:
        return len(self._boots)

    def unknown(self, boots: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return those of ``boots`` that must be looked up, each once, in their order."""
        return [boot for boot in dict.fromkeys(boots) if boot not in self._boots]

    def remember(
        self, unit: int, boot: str, number: int, ranges: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Take note of a boot, its number in the database and the ranges committed of it."""
        if len(self._boots) >= self._max_boots:
            self._boots.popitem(last=False)
        pairs = sorted(ranges)
        self._boots[unit, boot] = Boot(number, [low for low, _ in pairs], [up for _, up in pairs])

    def use(self, unit: int, boot: str) -> Boot:
        """Return a boot that is known, and keep it longest."""
        self._boots.move_to_end((unit, boot))
        return self._boots[unit, boot]
