"""What delivery is given: the outbox as callables, and how patient to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID


class Waiting(Protocol):
    """The first waiting notice of an alert and recipient."""

    @property
    def number(self) -> int:
        """The row of the outbox."""

    @property
    def id(self) -> UUID:
        """What the recipient knows the notice by."""

    @property
    def alert(self) -> UUID:
        """Notices of one alert go out one after the other."""

    @property
    def attempts(self) -> int:
        """How many have failed so far."""

    @property
    def body(self) -> bytes:
        """The event, as it is signed and sent."""


class Heads(Protocol):
    """Reads each alert's first waiting notice that is due, oldest first.

    With them comes the instant when the next one that is not due yet will be, else None. ``now``
    in microseconds; ``delays`` as in ``Policy``.
    """

    async def __call__(
        self, recipient: str, limit: int, now: int, delays: Sequence[float]
    ) -> tuple[Sequence[Waiting], int | None]:
        """Return at most ``limit`` notices."""


class Record(Protocol):
    """Keeps what came of an attempt to deliver the notice in row ``number``."""

    async def __call__(self, number: int, at: int, outcome: str, *, delivered: bool) -> None:
        """``at`` in microseconds, ``outcome`` a few words for people."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """What delivery reads and writes. Each raises ``unavailable`` while the database is away.

    ``expire`` gives up the notices made before an instant and returns how many.
    """

    heads: Heads
    record: Record
    expire: Callable[[int], Awaitable[int]]
    unavailable: type[Exception]


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient delivery is, in seconds, and how much it does at once.

    ``delays`` follow the first, second, … failure of a notice, the last of them every later one;
    each is shortened by up to a half, so that what failed together does not return together.
    ``page`` notices a recipient are in memory, ``side_by_side`` of them (of different alerts) on
    their way. A recipient that has taken none of the last ones gets the next after a growing
    pause, at most ``breath``: with it no delay exceeds 5 minutes.
    """

    answer_within: float = 10.0
    delays: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 290)
    keep: float = 7 * 86_400.0
    expire_every: float = 60.0
    look_again: float = 30.0
    page: int = 200
    side_by_side: int = 8
    breath: float = 5.0
    database_delays: tuple[float, ...] = (0.5, 1, 2, 5, 10)
