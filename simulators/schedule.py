"""Seeded episodes along simulated time: when something is the matter, and what exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Detail = TypeVar("Detail")


@dataclass(frozen=True, slots=True)
class Episode(Generic[Detail]):
    """Something that lasts from ``begin`` until before ``end`` (microseconds)."""

    begin: int
    end: int
    detail: Detail

    def progress(self, time: int) -> float:
        """Return how far the episode is at ``time``: 0 at its begin, 1 at its end."""
        return (time - self.begin) / (self.end - self.begin)


class Schedule(Generic[Detail]):
    """Episodes one after the other, ``every`` so long on average, each within ``lasts``.

    ``detail`` draws what is particular of an episode when it is planned. ``quiet`` is how long
    after ``start`` none begins; ``first`` fixes the first one instead. Times are microseconds.
    """

    def __init__(  # noqa: PLR0913  the whole description of a random process
        self,
        rng: Random,
        start: int,
        every: int,
        lasts: tuple[int, int],
        detail: Callable[[Random], Detail],
        *,
        quiet: int = 0,
        first: Episode[Detail] | None = None,
    ) -> None:
        self._rng, self._every, self._lasts, self._detail = rng, every, lasts, detail
        self._next = first if first is not None else self._plan(start + quiet)

    def at(self, time: int) -> Episode[Detail] | None:
        """Return the episode at ``time``, if any; times must not decrease from call to call."""
        while self._next.end <= time:
            self._next = self._plan(self._next.end)
        return self._next if self._next.begin <= time else None

    def _plan(self, after: int) -> Episode[Detail]:
        begin = after + round(self._rng.expovariate(1 / self._every))
        length = self._rng.randint(*self._lasts)
        return Episode(begin, begin + length, self._detail(self._rng))
