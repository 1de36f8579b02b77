"""Episodes of alerts, and which alert a re-evaluated one is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.core.vocabulary import Severity

Id = TypeVar("Id")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alert's state or severity at the evaluation ``at`` (NaN: not assessed)."""

    at: int
    state: Literal["pending", "open", "resolved"]
    severity: Severity
    mean: float


@dataclass(slots=True)
class Episode:
    """An alert from the first evaluation over the threshold until it is resolved, or goes on.

    Not ``confirmed``: pending still. ``severity`` is the last it had, ``worst`` the highest,
    ``value`` the last mean assessed within it. ``continued``: it goes on with the alert, open or
    pending, of the state that the course began with; ``changes`` holds the changes in this course.
    """

    opened_at: int
    confirmed: bool
    resolved_at: int | None
    severity: Severity
    worst: Severity
    peak: float
    peak_at: int
    value: float
    changes: list[Change] = field(default_factory=list)
    continued: bool = False


@dataclass(frozen=True, slots=True)
class Known(Generic[Id]):
    """An alert as it stands: not withdrawn; ``resolved_at`` None while it is open or pending."""

    id: Id
    opened_at: int
    resolved_at: int | None


@dataclass(frozen=True, slots=True)
class Withdrawn(Generic[Id]):
    """An alert that no longer is; ``replaced_by`` is the place of a new episode, or None."""

    id: Id
    replaced_by: int | None


@dataclass(frozen=True, slots=True)
class Reconciled(Generic[Id]):
    """``kept``: for each new episode the id that it keeps, None where it is a new alert."""

    kept: list[Id | None]
    withdrawn: list[Withdrawn[Id]]


def reconcile(old: Sequence[Known[Id]], new: Sequence[Episode]) -> Reconciled[Id]:
    """Match the alerts of one limit with the episodes of its new course.

    An episode keeps the id of the earliest alert that it overlaps and no earlier episode has
    taken. Every other alert is withdrawn: replaced by the earliest episode that it overlaps, or by
    nothing. An alert lasts from its first evaluation until before the one that resolves it.
    """
    known = sorted(old, key=lambda alert: alert.opened_at)
    order = sorted(range(len(new)), key=lambda place: new[place].opened_at)
    kept: list[Id | None] = [None] * len(new)
    taken: set[int] = set()
    for place in order:
        mine = (i for i, one in enumerate(known) if i not in taken and _overlap(one, new[place]))
        first = next(mine, None)
        if first is not None:
            taken.add(first)
            kept[place] = known[first].id
    withdrawn = [
        Withdrawn(one.id, next((place for place in order if _overlap(one, new[place])), None))
        for i, one in enumerate(known)
        if i not in taken
    ]
    return Reconciled(kept, withdrawn)


def _overlap(one: Known[Id], other: Episode) -> bool:
    one_ends_first = one.resolved_at is not None and one.resolved_at <= other.opened_at
    other_ends_first = other.resolved_at is not None and other.resolved_at <= one.opened_at
    return not one_ends_first and not other_ends_first
