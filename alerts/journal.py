"""What a pass of the engine changes in alerts: rows, history and the notices that follow.

A pass may move an alert several times; its recipients get one notice for what it became.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import numpy as np

from alerts.core.episodes import Known, reconcile
from alerts.core.records import Alert, Entry
from alerts.core.vocabulary import Severity
from alerts.recompute import version_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.board import Board, Moved
    from alerts.core.course import Change, Episode
    from alerts.core.limits import Limits
    from alerts.recompute import LimitCourse

Evidence = dict[str, Any]


def notice_for(before: Alert | None, after: Alert, *, corrected: bool) -> str | None:
    """Return the kind of notice that a change calls for: None where nobody was told of it.

    ``corrected``: late or revised data are the reason, so that a changed course is told as well.
    """
    was = before.state if before else "nothing"
    if after.state == "pending" or (after.state == "withdrawn" and was not in {"open", "resolved"}):
        return None
    if after.state != was:
        return {"open": "opened", "resolved": "resolved", "withdrawn": "withdrawn"}[after.state]
    if before and before.severity != after.severity:
        return "updated"
    return "updated" if corrected and before and _course(before) != _course(after) else None


def _course(alert: Alert) -> tuple[object, ...]:
    return (
        alert.opened_at,
        alert.resolved_at,
        alert.severity,
        alert.worst,
        alert.peak,
        alert.peak_at,
    )


class Cause(Enum):
    """Why a pass was made: readings in their order, late or revised ones, a changed registry."""

    ORDER = auto()
    LATE = auto()
    REGISTRY = auto()


@dataclass(slots=True)
class Journal:
    """The changes of one pass."""

    cause: Cause = Cause.ORDER
    before: dict[UUID, Alert | None] = field(default_factory=dict)
    after: dict[UUID, Alert] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)

    @property
    def corrected(self) -> bool:
        """Whether what was decided before may have been wrong."""
        return self.cause is not Cause.ORDER

    def put(self, old: Alert | None, new: Alert) -> None:
        """Note that an alert became ``new``; ``old`` is None for one that was not there."""
        self.before.setdefault(new.id, old)
        self.after[new.id] = new

    def note(
        self, alert: Alert, change: str, value: float | None, evidence: Evidence | None
    ) -> None:
        """Append to an alert's history what changed at its ``changed_at``."""
        self.history.append(
            Entry(alert.id, alert.changed_at, change, alert.state, alert.severity, value, evidence)
        )

    def notices(self) -> list[tuple[UUID, str]]:
        """Return (alert, kind) of the notices due."""
        found = []
        for key, alert in self.after.items():
            kind = notice_for(self.before[key], alert, corrected=self.corrected)
            if kind:
                found.append((key, kind))
        return found


def record_moves(
    journal: Journal, board: Board, moved: Moved, unresolved: dict[int, Alert]
) -> None:
    """Put the changes of an evaluation into the journal, and the alerts into ``unresolved``."""
    layout = board.layout
    for i, row in enumerate(moved.limit.tolist()):
        number = int(layout.limit_number[row])
        old = unresolved.pop(number, None)
        new, change = _moved(old, number, moved, i, layout.versions)
        journal.put(old, new)
        shown = change not in {"pending", "faded"}
        evidence = board.evidence(row, new.changed_at) if shown else None
        journal.note(new, change, evidence["mean"] if evidence else None, evidence)
        if new.state in {"pending", "open"}:
            unresolved[number] = new


def _moved(
    old: Alert | None, number: int, moved: Moved, i: int, versions: Limits
) -> tuple[Alert, str]:
    at = int(moved.at[i])
    version = int(versions.version[moved.version[i]])
    before, after = moved.before, moved.after
    severity, pending = Severity(after.severity[i]), bool(after.pending[i])
    if severity or pending:
        state = "open" if severity else "pending"
        change = _change(Severity(before.severity[i]), severity)
        label = (severity or Severity.WARNING).label
        new = Alert(
            old.id if old else uuid4(),
            number,
            version,
            state,
            label,
            (Severity(after.worst[i]) or Severity.WARNING).label,
            int(after.opened_at[i]),
            None,
            float(after.peak[i]),
            int(after.peak_at[i]),
            float(after.value[i]),
            at,
            late=old.late if old else False,
        )
        return new, change
    if old is None:
        raise RuntimeError(f"limit {number} leaves an alert at {at} that is not there")
    ended = replace(
        old,
        version=version,
        peak=float(before.peak[i]),
        peak_at=int(before.peak_at[i]),
        value=float(after.value[i]),
        changed_at=at,
        silent_since=None,
    )
    if old.state == "pending":
        return replace(ended, state="withdrawn"), "faded"
    lapsed = at > int(versions.valid_until[moved.version[i]])
    final = old.severity if lapsed else Severity.WARNING.label
    return replace(ended, state="resolved", resolved_at=at, severity=final), "resolved"


def _change(before: Severity, after: Severity) -> str:
    if not after:
        return "pending"
    if not before:
        return "opened"
    return "raised" if after > before else "lowered"


def record_course(
    journal: Journal,
    limits: Limits,
    versions: NDArray[np.intp],
    found: LimitCourse,
    known: Sequence[Alert],
) -> Alert | None:
    """Put what a recomputed course changes into the journal; return the alert that goes on.

    ``known`` are the limit's alerts as stored, oldest first; those over before the course stay.
    """
    old = [a for a in known if a.resolved_at is None or a.resolved_at >= found.start]
    matched = reconcile([Known(a.id, a.opened_at, a.resolved_at) for a in old], found.episodes)
    by_id = {alert.id: alert for alert in old}
    ids = [key or uuid4() for key in matched.kept]
    current = None
    for key, episode in zip(ids, found.episodes, strict=True):
        before = by_id.get(key)
        after = _from_episode(key, limits, versions, episode, before)
        if before is None or _differs(before, after):
            late = journal.cause is Cause.LATE and (
                before is None or _course(before) != _course(after)
            )
            after = replace(after, late=after.late or late)
            journal.put(before, after)
            _note_changes(journal, found, before, after, episode.changes)
        if after.state in {"pending", "open"}:
            current = after
    for gone in matched.withdrawn:
        alert = by_id[gone.id]
        replaced_by = None if gone.replaced_by is None else ids[gone.replaced_by]
        after = replace(alert, state="withdrawn", replaced_by=replaced_by, silent_since=None)
        journal.put(alert, after)
        journal.note(after, "withdrawn", None, None)
    return current


def _from_episode(
    key: UUID,
    limits: Limits,
    versions: NDArray[np.intp],
    episode: Episode,
    before: Alert | None,
) -> Alert:
    unchanged = before.changed_at if before else episode.opened_at
    last = episode.changes[-1].at if episode.changes else unchanged
    row, _ = version_at(limits, versions, np.array([last], np.int64))
    state = "pending" if not episode.confirmed else "open"
    return Alert(
        key,
        int(limits.limit[row[0]]),
        int(limits.version[row[0]]),
        "resolved" if episode.resolved_at is not None else state,
        (episode.severity or Severity.WARNING).label,
        (episode.worst or Severity.WARNING).label,
        episode.opened_at,
        episode.resolved_at,
        episode.peak,
        episode.peak_at,
        episode.value,
        last,
        silent_since=before.silent_since if before and episode.resolved_at is None else None,
        late=before.late if before else False,
    )


def _differs(before: Alert, after: Alert) -> bool:
    return replace(after, version=before.version) != before


def _note_changes(
    journal: Journal,
    found: LimitCourse,
    before: Alert | None,
    after: Alert,
    changes: Sequence[Change],
) -> None:
    """Append the changes that the history does not hold yet, and a correction where one is due."""
    severity = Severity.NONE
    for change in changes:
        word = change.state if change.state != "open" else _change(severity, change.severity)
        severity = change.severity if change.state == "open" else severity
        if before is None or change.at > before.changed_at:
            step = replace(
                after, state=change.state, severity=change.severity.label, changed_at=change.at
            )
            journal.note(step, word, _number(change.mean), _evidence(found, change.at))
    if before is not None and journal.corrected and _course(before) != _course(after):
        journal.note(after, "corrected", after.peak, _evidence(found, after.peak_at))


def _evidence(found: LimitCourse, at: int) -> Evidence | None:
    track = found.track
    if at > track.first + len(track.total) * track.granule:
        return None  # the limit ended long after the last reading
    return track.evidence(at, found.window)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
