"""Periods for the slow twin of rule sets: the items of each day, month or last so many hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tests.oracles import DAY, HOUR, MINUTE, _zone, block_edges, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LENGTHS = {"min": MINUTE, "h": HOUR, "d": DAY}
CALENDAR: dict[str, Callable[[date], object]] = {
    "1d": lambda day: day,
    "1week": lambda day: day.isocalendar()[:2],
    "1month": lambda day: (day.year, day.month),
    "1quarter": lambda day: (day.year, (day.month - 1) // 3),
    "1year": lambda day: day.year,
}

Period = tuple[int, int, list[Any]]  # start, finish, items


class Calendar:
    """The periods of a reporting zone; items have a ``start`` and lie where they start.

    ``length``: of the shortest items, which follow UTC. One that a midnight cuts is the last of its
    period, which ends with it.
    """

    def __init__(self, zone: str, length: int = 1) -> None:
        self.zone, self.length = zone, length

    def midnight(self, day: date) -> int:
        """When the first of the shortest items that begin on ``day`` begins."""
        return self.uncut(instant(day, self.zone))

    def uncut(self, edge: int) -> int:
        return edge + -edge % self.length if self.length <= HOUR else edge

    def day(self, item: Any) -> date:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=item.start)
        return moment.astimezone(_zone(self.zone)).date()

    def blocks(self, length: str, items: Sequence[Any]) -> list[Period]:
        """The items of each block; (start, finish, items)."""
        if length not in CALENDAR:
            return self.blocks_within_a_day(micros(length), items)
        key = CALENDAR[length]
        found = []
        for _, group in groupby(items, lambda item: key(self.day(item))):
            members = list(group)
            first = last = self.day(members[0])
            while key(first - timedelta(days=1)) == key(first):
                first -= timedelta(days=1)
            while key(last) == key(first):
                last += timedelta(days=1)
            found.append((self.midnight(first), self.midnight(last), members))
        return found

    def blocks_within_a_day(self, length: int, items: Sequence[Any]) -> list[Period]:
        if not items:
            return []
        found, rest = [], list(items)
        for start, finish in self.blocks_from(length, items[0].start):
            members = [item for item in rest if start <= item.start < finish]
            rest = rest[len(members) :]
            if members:
                found.append((start, finish, members))
            if not rest:
                return found
        return found

    def blocks_from(self, length: int, start: int) -> Iterator[tuple[int, int]]:
        for begin, finish in block_edges(length, self.zone, start - HOUR):
            yield self.uncut(begin), self.uncut(finish)

    def rolling(self, length: str, items: Sequence[Any]) -> list[tuple[Period, list[Any]]]:
        """The periods at each step, each with what its last step holds."""
        number, unit = split(length)
        bases: list[Period]
        if unit in {"month", "year"}:
            bases = self.blocks("1month", items)
            number *= 12 if unit == "year" else 1
        elif unit == "d" and number > 1:
            bases = self.blocks("1d", items)
        else:
            bases = [(item.start, item.finish, [item]) for item in items]
            number = micros(length) // (items[0].finish - items[0].start) if items else 1
        found = []
        for end in range(number, len(bases) + 1):
            window = bases[end - number : end]
            members = [item for base in window for item in base[2]]
            found.append(((window[0][0], window[-1][1], members), window[-1][2]))
        return found


def split(length: str) -> tuple[int, str]:
    digits = "".join(one for one in length if one.isdigit())
    return int(digits), length[len(digits) :]


def micros(length: str) -> int:
    number, unit = split(length)
    return number * LENGTHS[unit]


def beyond_a_day(length: str) -> bool:
    number, unit = split(length)
    return unit not in {"min", "h"} and (number, unit) != (1, "d")
