"""What two ways to judge the same history have in common, and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import NEVER
from ingest.pairing import differ, lone, paired, rows_of
from ingest.what_if_differences import KINDS, NOTHING, SEVERITIES, STATES, Differences, rows_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from alerts.core.course import Alerts
    from alerts.core.limits import Limits
    from alerts.core.records import JudgementRows
    from ingest.what_if_differences import Tally

    Rows = NDArray[np.void]
    Places = NDArray[np.intp]

_ROW = np.dtype(
    [
        ("limit", "i4"), ("version", "i4"), ("start", "i8"), ("finish", "i8"), ("value", "f8"),
        ("count", "i4"), ("expected", "i4"), ("state", "i2"), ("threshold", "f8"),
    ]
)  # fmt: skip
_ALERT = np.dtype(
    [
        ("limit", "i4"), ("opened_at", "i8"), ("resolved_at", "i8"), ("worst", "i1"),
        ("peak", "f8"), ("peak_at", "i8"),
    ]
)  # fmt: skip


def judgement_rows(found: JudgementRows, limits: Limits, start: int, end: int) -> Rows:
    """Return the judgements of blocks that start in [start, end), with what was compared with."""
    here = (found.start >= start) & (found.start < end)
    columns = ("limit", "version", "start", "finish", "count", "expected", "state")
    rows = rows_of(found, here, _ROW, columns)
    rows["value"] = found.mean[here]
    keys = (limits.limit.astype(np.int64) << 32) | limits.version
    wanted = (rows["limit"].astype(np.int64) << 32) | rows["version"]
    if len(wanted):
        rows["threshold"] = limits.value[np.searchsorted(keys, wanted)]
    return rows


def compared_judgements(before: Rows, after: Rows, tally: Tally) -> Differences:
    """Return the blocks that are judged otherwise, or by another mean; count all.

    A block without any value that only one of the two has is no difference.
    """
    return _compared("judgement", before, after, tally)


def compared_verdicts(before: Rows, after: Rows, tally: Tally) -> Differences:
    """Return the periods of conditions, rows of ``VERDICT``, judged otherwise; count all."""
    return _compared("verdict", before, after, tally)


def _compared(kind: str, before: Rows, after: Rows, tally: Tally) -> Differences:
    a, b = paired(before, after, "limit", KINDS[kind][1])
    other = differ(before, after, (a, b), ("state", "value"))
    count = "count" if kind == "judgement" else "expected"
    gone, come = lone(before, a, count), lone(after, b, count)
    nothing = STATES.index(NOTHING)
    tally.add(kind, before["state"][a], after["state"][b], STATES)
    tally.add(kind, before["state"][gone], np.full(len(gone), nothing), STATES)
    tally.add(kind, np.full(len(come), nothing), after["state"][come], STATES)
    pairs = (
        np.concatenate([a[other], gone, np.full(len(come), -1)]),
        np.concatenate([b[other], np.full(len(gone), -1), come]),
    )
    return Differences.of(kind, (before, after), pairs)


def compared_alerts(
    before: Alerts, after: Alerts, span: tuple[int, int], tally: Tally
) -> Differences:
    """Return the alerts that would be others: opened before the span ends, not over before it.

    An alert's counterpart is the first one of its limit that overlaps it.
    """
    old, new = _alerts_of(before, *span), _alerts_of(after, *span)
    a, b = _matched(old, new)
    was, becomes = rows_at(old, a), rows_at(new, b)
    tally.add("alert", was["worst"], becomes["worst"], SEVERITIES)
    other = was != becomes
    return Differences.of("alert", (old, new), (a[other], b[other]))


def _alerts_of(alerts: Alerts, start: int, end: int) -> Rows:
    here = alerts.confirmed & (alerts.opened_at < end)
    here &= (alerts.resolved_at == NEVER) | (alerts.resolved_at >= start)
    return rows_of(alerts, here, _ALERT)


def _matched(old: Rows, new: Rows) -> tuple[Places, Places]:
    """Return places in each that belong together, -1 for nothing."""
    limits = np.union1d(old["limit"], new["limit"])
    of_old, of_new = (np.searchsorted(limits, rows["limit"]) for rows in (old, new))
    n_old, n_new = (np.bincount(of, minlength=len(limits)) for of in (of_old, of_new))
    # Where there are as many of both, mostly each overlaps its own.
    alike = n_old == n_new
    a, b = np.flatnonzero(alike[of_old]), np.flatnonzero(alike[of_new])
    alike[of_old[a[~_overlap(old[a], new[b])]]] = False
    kept = alike[of_old[a]]
    a, b = a[kept], b[kept]
    gone, come = np.flatnonzero((n_new == 0)[of_old]), np.flatnonzero((n_old == 0)[of_new])
    others = np.flatnonzero(~alike & (n_old > 0) & (n_new > 0)).tolist()
    one_by_one = [
        pair
        for limit in others
        for pair in _one_by_one(
            (old, np.flatnonzero(of_old == limit).tolist()),
            (new, np.flatnonzero(of_new == limit).tolist()),
        )
    ]
    x, y = np.array(one_by_one, np.intp).reshape(-1, 2).T
    return (
        np.concatenate([a, gone, np.full(len(come), -1), x]),
        np.concatenate([b, np.full(len(gone), -1), come, y]),
    )


def _one_by_one(
    before: tuple[Rows, list[int]], after: tuple[Rows, list[int]]
) -> Iterator[tuple[int, int]]:
    """Yield the places of one limit's alerts that belong together, both sides in order of time."""
    (old, left), (new, right) = before, after
    while left or right:
        if left and right and _overlap(old[left[:1]], new[right[:1]])[0]:
            yield left.pop(0), right.pop(0)
        elif not right or (left and old["opened_at"][left[0]] < new["opened_at"][right[0]]):
            yield left.pop(0), -1
        else:
            yield -1, right.pop(0)


def _overlap(some: Rows, others: Rows) -> NDArray[np.bool_]:
    begin = np.maximum(some["opened_at"], others["opened_at"])
    overlap = np.ones(len(begin), np.bool_)
    for rows in (some, others):
        overlap &= (rows["resolved_at"] == NEVER) | (begin < rows["resolved_at"])
    return overlap
