"""The audit's first look: many channels judged at once, to find those where anything differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.vocabulary import HOUR, NEVER, SECOND, Severity
from alerts.history import judge_history, kept_blocks
from alerts.track import iso
from ingest.archive import asked, bulk_of, valid_of
from ingest.pairing import differ, lone, paired, rows_of
from storage.compliance import read_blocks
from storage.judging import read_judgements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.bulk import Bulk
    from alerts.core.course import Alerts, Episode
    from alerts.core.records import Alert, BlockRows, JudgementRows
    from alerts.history import Asked, History
    from alerts.layout import Layout
    from ingest.archive import Archive

    Channels = NDArray[np.int32]
    Rows = NDArray[np.void]
    Places = NDArray[np.intp]
    Limits = NDArray[np.int32]
    Span = tuple[int, int]

# What differs, by what it concerns: ("judgement", limit, start) or ("alert", limit, opened_at).
Lines = dict[tuple[str, int, int], str]

_JUDGEMENT = np.dtype(
    [
        ("limit", "i4"), ("start", "i8"), ("version", "i4"), ("mean", "f8"), ("count", "i4"),
        ("expected", "i4"), ("state", "i2"),
    ]
)  # fmt: skip
_ALERT = np.dtype(
    [
        ("limit", "i4"), ("opened_at", "i8"), ("resolved_at", "i8"), ("severity", "i1"),
        ("worst", "i1"), ("peak", "f8"), ("peak_at", "i8"),
    ]
)  # fmt: skip
_BLOCK = np.dtype(
    [("channel", "i4"), ("start", "i8"), ("mean", "f8"), ("count", "i4"), ("expected", "i4")]
)


@dataclass(frozen=True, slots=True)
class Together:
    """``doubtful``: channels with something to be looked at closely.

    ``blocks``: pairs of block means, stored and recomputed, that differ; None for one that lacks.
    """

    doubtful: list[int]
    blocks: list[tuple[int, int, int, Any, Any]]


async def judge_together(
    archive: Archive, layout: Layout, channels: Channels, span: Span
) -> Together:
    """Judge channels again and compare them with what is stored of [start, end).

    What agrees when judged by readings only, or by the clock too, agrees.
    """
    by_readings, by_clock = archive.judged_until(layout, channels)
    since = np.full(len(channels), span[0])
    ask, needed = await asked(archive, layout, channels, since, by_readings)
    rows = await archive.read(layout, channels, needed.start, by_clock + HOUR)
    valid = valid_of(layout, channels, rows, needed, by_readings)
    bulk = bulk_of(layout, channels, valid, by_clock)
    numbers = np.unique(ask.limits.limit).tolist()
    stored = await read_judgements(archive.conn, numbers, *span)
    doubtful = differing(ask, judge_history(bulk, ask), stored, span)
    if doubtful and not layout.chained[channels[0]]:
        later = replace(ask, until=by_clock)
        doubtful &= differing(later, judge_history(bulk, later), stored, span)
    blocks = await _block_pairs(archive, bulk, ask, span)
    return Together(sorted(doubtful), blocks)


def differing(ask: Asked, found: History, stored: Rows, span: Span) -> set[int]:
    """Return the channels with a judgement or alert that is stored otherwise than ``found``."""
    limits = np.union1d(
        _differing_judgements(found.judgements, stored, span),
        _differing_alerts(ask.known, found.alerts, span),
    )
    return set(ask.limits.channel[np.searchsorted(ask.limits.limit, limits)].tolist())


def _differing_judgements(found: JudgementRows, stored: Rows, span: Span) -> Limits:
    """Return the limits; a block without a value that only one side has is no difference."""
    here = (found.start >= span[0]) & (found.start < span[1])
    return _other_limits(rows_of(found, here, _JUDGEMENT), stored, "count")


def _differing_alerts(known: Mapping[int, Sequence[Alert]], found: Alerts, span: Span) -> Limits:
    """Return the limits of alerts that only one side has, or that are not the same on both."""
    here = found.confirmed & (found.opened_at >= span[0]) & (found.opened_at < span[1])
    stored = np.array(
        [
            (
                one.limit,
                one.opened_at,
                NEVER if one.resolved_at is None else one.resolved_at,
                Severity[one.severity.upper()],
                Severity[one.worst.upper()],
                one.peak,
                one.peak_at,
            )
            for some in known.values()
            for one in some
            if one.state in {"open", "resolved"} and span[0] <= one.opened_at < span[1]
        ],
        _ALERT,
    )
    return _other_limits(rows_of(found, here, _ALERT), stored)


def _other_limits(made: Rows, stored: Rows, holds: str | None = None) -> Limits:
    """Return the limits of rows that are not the same on both sides, or on one side only."""
    a, b, other = _compared(made, stored)
    return np.concatenate(
        [
            made["limit"][a[other]],
            made["limit"][lone(made, a, holds)],
            stored["limit"][lone(stored, b, holds)],
        ]
    )


def _compared(made: Rows, stored: Rows) -> tuple[Places, Places, NDArray[np.bool_]]:
    """Return the places of pairs in both, and which of them differ.

    The first two columns of ``made`` say what is meant: whose, and from when on.
    """
    owner, start, *columns = made.dtype.names or ()
    a, b = paired(made, stored, owner, start)
    return a, b, differ(made, stored, (a, b), columns)


async def _block_pairs(
    archive: Archive, bulk: Bulk, ask: Asked, span: Span
) -> list[tuple[int, int, int, Any, Any]]:
    """Return the blocks that compliance rests on and that readings make otherwise."""
    kept = ~ask.limits.legal
    found = []
    for window in np.unique(ask.limits.window[kept]).tolist():
        here = kept & (ask.limits.window == window)
        channels = np.unique(ask.limits.channel[here]).tolist()
        stored = await read_blocks(archive.conn, channels, window // SECOND, *span)
        for pair in _other_blocks(kept_blocks(bulk, ask, window), stored, span):
            row = pair[0] if pair[1] is None else pair[1]
            found.append((int(row["channel"]), window, int(row["start"]), *pair))
    return found


def _other_blocks(made: BlockRows, stored: Rows, span: Span) -> list[tuple[Any, Any]]:
    rows = rows_of(made, (made.start >= span[0]) & (made.start < span[1]), _BLOCK)
    a, b, other = _compared(rows, stored)
    lacking = rows[lone(rows, a, "count")]
    return [*zip(stored[b[other]], rows[a[other]], strict=True), *((None, row) for row in lacking)]


def block_differences(together: Together, names: Mapping[int, str]) -> list[str]:
    """Return a line for each block mean that is stored otherwise."""
    return [
        f"block {names[channel]} {window // (60 * SECOND)} min from {iso(start)}: "
        f"stored {_block(stored)}, recomputed {_block(made)}"
        for channel, window, start, stored, made in together.blocks
    ]


def _block(row: Any) -> str:  # noqa: ANN401 - a row
    return "nothing" if row is None else f"mean {row['mean']:g}, {row['count']}/{row['expected']}"


def alert_differences(
    name: str, limit: int, known: Sequence[Alert], episodes: Sequence[Episode], span: Span
) -> Lines:
    """Return a line for each alert of the channel ``name`` that is stored otherwise."""
    old = {
        a.opened_at: (a.resolved_at, a.severity, a.worst, a.peak, a.peak_at)
        for a in known
        if a.state in {"open", "resolved"} and span[0] <= a.opened_at < span[1]
    }
    new = {
        e.opened_at: (e.resolved_at, e.severity.label, e.worst.label, e.peak, e.peak_at)
        for e in episodes
        if e.confirmed and span[0] <= e.opened_at < span[1]
    }
    return {
        ("alert", limit, opened): f"alert {name} opened {iso(opened)}: "
        f"stored {_alert(old.get(opened))}, recomputed {_alert(new.get(opened))}"
        for opened in sorted({*old, *new})
        if old.get(opened) != new.get(opened)
    }


def _alert(course: tuple[int | None, str, str, float, int] | None) -> str:
    if course is None:
        return "nothing"
    resolved, severity, worst, peak, peak_at = course
    ended = "open" if resolved is None else f"resolved {iso(resolved)}"
    return f"{ended}, {severity}, at worst {worst}, peak {peak:g} at {iso(peak_at)}"
