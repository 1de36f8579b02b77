"""Alerts of disagreement: what compared block means change in those of one channel and window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from alerts.core import agreement
from alerts.core.episodes import Episode, Known, reconcile
from alerts.core.records import DISAGREEMENT, Alert
from alerts.core.vocabulary import SECOND, Severity
from alerts.journal import Cause
from alerts.track import iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from numpy.typing import NDArray

    from alerts.journal import Evidence, Journal

_WARNING = Severity.WARNING.label


@dataclass(frozen=True, slots=True)
class Series:
    """Which means are compared: ``window`` in microseconds, ``average`` as it is written."""

    channel: int
    window: int
    average: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Blocks of one series that can be compared, by start; parallel arrays.

    ``share`` is the channel's agreement when the block ended, ``low`` and ``high`` its range.
    """

    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    reported: NDArray[np.float64]
    ours: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def tolerance(self) -> NDArray[np.float64]:
        """By how much each may differ."""
        return agreement.tolerance(self.ours, self.share, self.low, self.high)

    @property
    def difference(self) -> NDArray[np.float64]:
        """Reported less ours."""
        return agreement.difference(self.reported, self.ours)

    def evidence(self, finish: int) -> Evidence | None:
        """Return what was compared for the block that ends then; None where it is not here."""
        rows = np.flatnonzero(self.finish == finish)
        if not len(rows):
            return None
        row = int(rows[0])
        return {
            "start": iso(int(self.start[row])),
            "end": iso(int(self.finish[row])),
            "window_s": int(self.finish[row] - self.start[row]) // SECOND,
            "reported": float(self.reported[row]),
            "ours": float(self.ours[row]),
            "difference": float(self.difference[row]),
            "tolerance": float(self.tolerance[row]),
        }


def record_agreement(
    journal: Journal, series: Series, rows: Compared, known: Sequence[Alert], *, whole: bool
) -> None:
    """Put into the journal what compared blocks change in the series' alerts.

    ``whole``: the rows are the whole course from the first of the ``known`` alerts on, which are
    matched with it; else they follow what was compared before, and ``known`` is the open alert.
    """
    running = None if whole or not known else _episode(known[0])
    difference = rows.difference
    apart = np.abs(difference)
    episodes = agreement.course(rows.finish, apart, apart > rows.tolerance, running)
    matched = reconcile([Known(a.id, a.opened_at, a.resolved_at) for a in known], episodes)
    by_id = {alert.id: alert for alert in known}
    ids = [key or uuid4() for key in matched.kept]
    for key, episode in zip(ids, episodes, strict=True):
        _record(journal, rows, by_id.get(key), _alert(key, series, episode), episode)
    for gone in matched.withdrawn:
        before = by_id[gone.id]
        replaced_by = None if gone.replaced_by is None else ids[gone.replaced_by]
        after = replace(before, state="withdrawn", replaced_by=replaced_by)
        journal.put(before, after)
        journal.note(after, "withdrawn", None, None)


def _record(
    journal: Journal,
    rows: Compared,
    before: Alert | None,
    after: Alert,
    episode: Episode,
) -> None:
    late = journal.cause is Cause.LATE
    if before is not None:
        corrected = _course(before) != _course(after)
        after = replace(
            after,
            changed_at=after.changed_at if episode.changes else before.changed_at,
            late=before.late or (late and corrected),
        )
        if after == before:
            return
    else:
        corrected = False
        after = replace(after, late=late)
    journal.put(before, after)
    for change in episode.changes:
        if before is None or change.at > before.changed_at:
            word = "opened" if change.state == "open" else "resolved"
            step = replace(after, state=change.state, changed_at=change.at)
            journal.note(step, word, change.mean, rows.evidence(change.at))
    if late and corrected:
        journal.note(after, "corrected", after.peak, rows.evidence(after.peak_at))


def _course(alert: Alert) -> tuple[Any, ...]:
    return alert.opened_at, alert.resolved_at, alert.peak, alert.peak_at


def _alert(key: UUID, series: Series, episode: Episode) -> Alert:
    return Alert(
        id=key,
        limit=0,
        version=0,
        state="open" if episode.resolved_at is None else "resolved",
        severity=_WARNING,
        worst=_WARNING,
        opened_at=episode.opened_at,
        resolved_at=episode.resolved_at,
        peak=episode.peak,
        peak_at=episode.peak_at,
        value=episode.value,
        changed_at=episode.changes[-1].at if episode.changes else episode.opened_at,
        kind=DISAGREEMENT,
        channel=series.channel,
        average=series.average,
    )


def _episode(alert: Alert) -> Episode:
    """Return the episode of an open alert, to go on."""
    return Episode(
        opened_at=alert.opened_at,
        confirmed=True,
        resolved_at=None,
        severity=Severity.WARNING,
        worst=Severity.WARNING,
        peak=alert.peak,
        peak_at=alert.peak_at,
        value=alert.value,
        continued=True,
    )
