"""What two ways to judge the same history have in common, and where they differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.verdicts import NONE
from alerts.core.vocabulary import Judgement
from alerts.track import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.core.course import Episode
    from alerts.core.limits import Limits
    from alerts.core.records import JudgementRows

    Rows = NDArray[np.void]

NOTHING = "nothing"
_STATES = (*(one.label for one in Judgement), NOTHING)
_ROW = np.dtype(
    [
        ("limit", "i4"), ("version", "i4"), ("start", "i8"), ("finish", "i8"), ("value", "f8"),
        ("count", "i4"), ("expected", "i4"), ("state", "i2"), ("threshold", "f8"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One judgement, alert or verdict as it is (``before``) and as it would be; None: not there."""

    kind: str
    limit: int
    start: int
    end: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(slots=True)
class Tally:
    """How many judgements, alerts and verdicts come from which state to which."""

    changes: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    def add(self, kind: str, before: str, after: str, number: int = 1) -> None:
        """Count some that come from ``before`` to ``after``."""
        self.changes.setdefault(kind, Counter())[before, after] += number


def judgement_rows(found: JudgementRows, limits: Limits, start: int, end: int) -> Rows:
    """Return the judgements of blocks that start in [start, end), with what was compared with."""
    here = (found.start >= start) & (found.start < end)
    rows = np.zeros(int(here.sum()), _ROW)
    for name in ("limit", "version", "start", "finish", "count", "expected", "state"):
        rows[name] = getattr(found, name)[here]
    rows["value"] = found.mean[here]
    keys = (limits.limit.astype(np.int64) << 32) | limits.version
    wanted = (rows["limit"].astype(np.int64) << 32) | rows["version"]
    if len(wanted):
        rows["threshold"] = limits.value[np.searchsorted(keys, wanted)]
    return rows


def compared_judgements(before: Rows, after: Rows, tally: Tally) -> Iterator[Difference]:
    """Yield the blocks that are judged otherwise, or by another mean; count all.

    A block without any value that only one of the two has is no difference.
    """
    for old, new in _paired(before, after, "start", tally, "judgement"):
        yield _difference("judgement", old, new, _judgement)


def compared_verdicts(before: Rows, after: Rows, tally: Tally) -> Iterator[Difference]:
    """Yield the periods of conditions that are judged otherwise, rows of ``VERDICT``; count all."""
    for old, new in _paired(before, after, "finish", tally, "verdict"):
        yield _difference("verdict", old, new, _verdict)


def _paired(
    before: Rows, after: Rows, key: str, tally: Tally, kind: str
) -> Iterator[tuple[Any, Any]]:
    """Yield (old, new) of rows of one (limit, ``key``) that differ, None for one that lacks."""
    old, new = _keys(before, key), _keys(after, key)
    both, a, b = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    same = np.ones(len(both), np.bool_)
    for name in ("state", "value"):
        x, y = before[name][a], after[name][b]
        same &= (x == y) | ((x != x) & (y != y))  # noqa: PLR0124 - NaN
    pairs = np.stack([before["state"][a], after["state"][b]], axis=1)
    for (x, y), number in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        tally.add(kind, _STATES[x], _STATES[y], int(number))
    found = [(before[i], after[j]) for i, j in zip(a[~same], b[~same], strict=True)]
    gone = before[~np.isin(old, both)]
    come = after[~np.isin(new, both)]
    for some, place in ((gone, 0), (come, 1)):
        count = "count" if "count" in (some.dtype.names or ()) else "expected"
        for row in some[some[count] > 0]:
            state = _STATES[row["state"]]
            tally.add(kind, *((state, NOTHING), (NOTHING, state))[place])
            found.append(((row, None), (None, row))[place])
    yield from sorted(found, key=lambda pair: _order(pair, key))


def _keys(rows: Rows, key: str) -> NDArray[np.int64]:
    seconds = rows[key] // 1_000_000
    keys: NDArray[np.int64] = (rows["limit"].astype(np.int64) << 34) | seconds
    return keys


def _order(pair: tuple[Any, Any], key: str) -> tuple[int, int]:
    row = pair[1] if pair[0] is None else pair[0]
    return int(row["limit"]), int(row[key])


def _difference(kind: str, old: Any, new: Any, told: Any) -> Difference:  # noqa: ANN401 - rows
    row = new if old is None else old
    return Difference(
        kind,
        int(row["limit"]),
        int(row["start"]),
        int(row["finish"]),
        None if old is None else told(old),
        None if new is None else told(new),
    )


def _judgement(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    return {
        "state": _STATES[row["state"]],
        "mean": _number(row["value"]),
        "count": int(row["count"]),
        "expected": int(row["expected"]),
        "limit": _number(row["threshold"]),
        "limit_version": int(row["version"]),
    }


def _verdict(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    counted = {
        name: None if row[name] == NONE else int(row[name]) for name in ("exceeding", "allowed")
    }
    return {
        "state": _STATES[row["state"]],
        "value": _number(row["value"]),
        "valid": int(row["valid"]),
        "expected": int(row["expected"]),
        **counted,
        "over": bool(row["over"]),
        "limit_version": int(row["version"]),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def compared_alerts(
    before: Mapping[int, Sequence[Episode]],
    after: Mapping[int, Sequence[Episode]],
    span: tuple[int, int],
    tally: Tally,
) -> Iterator[Difference]:
    """Yield the alerts that would be others: opened before the span ends, not over before it.

    An alert's counterpart is the first one of its limit that overlaps it.
    """
    for limit in sorted({*before, *after}):
        old = _of_span(before.get(limit, ()), *span)
        new = _of_span(after.get(limit, ()), *span)
        for was, now in _matched(old, new):
            told = (_alert(was), _alert(now))
            was_like, now_like = (one["severity"] if one else NOTHING for one in told)
            tally.add("alert", was_like, now_like)
            if told[0] != told[1]:
                first = min(one.opened_at for one in (was, now) if one is not None)
                yield Difference("alert", limit, first, None, *told)


def _of_span(episodes: Sequence[Episode], start: int, end: int) -> list[Episode]:
    return [
        one
        for one in episodes
        if one.confirmed
        and one.opened_at < end
        and (one.resolved_at is None or one.resolved_at >= start)
    ]


def _matched(
    old: list[Episode], new: list[Episode]
) -> Iterator[tuple[Episode | None, Episode | None]]:
    old, new = list(old), list(new)
    while old or new:
        if old and new and _overlap(old[0], new[0]):
            yield old.pop(0), new.pop(0)
        elif not new or (old and old[0].opened_at < new[0].opened_at):
            yield old.pop(0), None
        else:
            yield None, new.pop(0)


def _overlap(one: Episode, other: Episode) -> bool:
    ends = [e.resolved_at for e in (one, other) if e.resolved_at is not None]
    return max(one.opened_at, other.opened_at) < min(ends, default=max(one.opened_at, 0) + 2**62)


def _alert(one: Episode | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "severity": one.worst.label,
        "opened_at": iso(one.opened_at),
        "resolved_at": None if one.resolved_at is None else iso(one.resolved_at),
        "peak": one.peak,
        "peak_at": iso(one.peak_at),
    }
