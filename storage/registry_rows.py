"""A whole registry as rows, ready for the database; durations are microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime


class EntityRow(NamedTuple):
    """An enterprise, source, permit, recipient or rule set; ``definition`` is its entry as JSON."""

    kind: str
    path: str
    definition: str


AGREEMENT = 0.05  # of a channel that says nothing of it


class ChannelRow(NamedTuple):
    """A channel, measured or derived.

    ``state`` says as JSON what gas its values are of. ``basis`` tells what is derived of one
    channel apart, in words ("" is what is measured); ``recipe`` says as JSON how it is derived.
    ``agreement``: by what share of ours a mean that its unit reports may differ.
    """

    enterprise: str
    source: str
    channel: str
    parameter: str
    uom: str
    range_low: float
    range_high: float
    period_us: int
    missing: tuple[float, ...]
    stuck_after_us: int
    max_step: float
    state: str | None
    basis: str = ""
    recipe: str | None = None
    agreement: float = AGREEMENT


class UnitRow(NamedTuple):
    """A unit, whether or not it reports anything."""

    enterprise: str
    unit: str


class KeyRow(NamedTuple):
    """What a payload key of a unit means: a channel of the same enterprise."""

    enterprise: str
    unit: str
    key: str
    source: str
    channel: str


class LimitRow(NamedTuple):
    """A limit of a permit, or one condition of the rule set that judges it.

    ``valid_until`` is excluded, shares are texts, compared exactly. ``basis`` is that of the
    channel, ``condition`` the condition and its version ("" for a limit without a rule set),
    ``rule`` the condition as JSON.
    """

    permit: str
    enterprise: str
    source: str
    channel: str
    average: str
    window_us: int
    valid_from: datetime
    valid_until: datetime
    value: float
    uom: str
    coverage: str
    warn_at: str
    clear_at: str
    open_after_us: int
    clear_after_us: int
    basis: str = ""
    condition: str = ""
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class RegistryRows:
    """The rows of a registry; each field can be iterated over again and again.

    ``ruled``: derived channels, and the limits that rule sets judge them by, some at a time. They
    are made together: of a national registry neither fits into memory, and making them takes long.
    """

    entities: Iterable[EntityRow]
    measured: Iterable[ChannelRow]
    units: Iterable[UnitRow]
    keys: Iterable[KeyRow]
    plain: Iterable[LimitRow]
    ruled: Iterable[tuple[Sequence[ChannelRow], Sequence[LimitRow]]]

    @property
    def channels(self) -> Iterator[ChannelRow]:
        """All channels."""
        yield from self.measured
        for channels, _ in self.ruled:
            yield from channels

    @property
    def limits(self) -> Iterator[LimitRow]:
        """All limits."""
        yield from self.plain
        for _, limits in self.ruled:
            yield from limits
