"""What a change of blocks changes in compliance: which conditions, periods, from which data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alerts.carrying import NO_KEPT, Carried, fingerprint, holds, looks_for_days
from alerts.compliance import combine, judge_conditions
from alerts.core.compliance import VERDICT, kind_of
from alerts.core.events import WEEKS_BACK
from alerts.core.filling import fills, looks_back
from alerts.core.periods import duration, edges, rolling_step
from alerts.core.substitution import LONGEST_GAP
from alerts.core.vocabulary import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.carrying import Kept
    from alerts.core.compliance import Condition
    from alerts.core.periods import Duration
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

    Rows = NDArray[np.void]
    Span = tuple[int, int]

OPERATING_DAYS_WITHIN = 800 * DAY  # how far back the last operating days are looked for
LONGEST_RUN = 31 * DAY  # how far back an uninterrupted occurrence is followed
FILLED_BEFORE = LONGEST_GAP + 32 * DAY  # a gap that an hour ends, in months that end before it
COUNTED_WEEKS = (7 * WEEKS_BACK + 1) * DAY  # over which those out of calibration are counted
FAR = 253_370_764_800_000_000  # the year 9999: later than all that is stored

CHANGED = np.dtype(
    [("limit", "i4"), ("first", "i8"), ("last", "i8"), ("finish", "i8"), ("begun", "i8"),
     ("carried", "?")]
)  # fmt: skip
"""Of each condition from when to when something changed: periods that hold any of it depend.

``finish``: when the last of them ends. ``begun``: where the channel's data begin. ``carried``:
whether what was carried on still holds.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Conditions of one kind and zone that are judged together from averages of ``span``.

    And from what was carried on of each from ``before`` the span; None: nothing was.
    """

    rule: Rule
    zone: str
    conditions: tuple[Condition, ...]
    span: Span
    before: Carried | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it: periods, rows of ``VERDICT``, and what to carry on, by limit."""

    rows: Rows
    carried: dict[int, Kept]


def merged(spans: Iterable[Span], apart: int) -> list[Span]:
    """Return spans in order, those that are no more than ``apart`` from each other as one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + apart:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def changes_of(  # noqa: PLR0913, PLR0917 - what changed and all that is known already
    conditions: Sequence[Condition],
    spans: Mapping[int, Span],
    judged: Mapping[int, int],
    begun: Mapping[int, int],
    until: int,
    kept: Mapping[int, Kept] = NO_KEPT,
) -> Rows:
    """Return what changed for each condition, ``CHANGED``; nothing for channels without data.

    ``spans``: the first and last changed block by channel. ``judged``: the end of the newest
    period of a condition that is over; what follows it was never judged. ``begun``: where the
    channel's data begin, before which nothing is missing: when that changes, all does. Operating
    days depend on all that comes before them, ``until`` is as far as any is judged. ``kept``: what
    was carried on by limit; where it holds, all that ended before it was judged.
    """
    found = []
    for one in conditions:
        first, last = spans[one.channel]
        if one.versions and one.channel not in begun:
            continue
        since = begun.get(one.channel, first)  # without a version all is to be withdrawn
        if first <= since or any(_operating_days(version.rule) for version in one.versions):
            last = max(last, until)
        last += max((_goes_on(version.rule) for version in one.versions), default=0)
        if any(fills(version.rule) for version in one.versions):
            # A gap is filled by what came before and after it, for years what is by what was.
            first, last = first - FILLED_BEFORE, until
        carried = holds(one, kept.get(one.limit), first, until)
        if not carried:
            first = max(min(first, judged.get(one.limit, since)), since)
        last = max(first, min(last, until))
        ends = [reach(kind_of(v.rule), one.zone, first, last)[1] for v in one.versions] or [FAR]
        found.append((one.limit, first, last, min(FAR, max(ends)), since, carried))
    return np.array(found, CHANGED)


def scopes(
    conditions: Sequence[Condition], changes: Rows, kept: Mapping[int, Kept] = NO_KEPT
) -> list[Scope]:
    """Return what is to be judged: conditions by kind and zone, and the span that it takes."""
    limits, first, last = (changes[name].tolist() for name in ("limit", "first", "last"))
    spans = dict(zip(limits, zip(first, last, strict=True), strict=True))
    carried = set(changes["limit"][changes["carried"]].tolist())
    kinds: dict[tuple[Rule, str, Span | None], list[tuple[Condition, Span]]] = {}
    for one in conditions:
        if one.limit not in spans:
            continue
        have = kept[one.limit] if one.limit in carried else None
        for kind in dict.fromkeys(kind_of(version.rule) for version in one.versions):
            begin, end = reach(kind, one.zone, *spans[one.limit])
            before = None
            if have is not None and have.kind == fingerprint(kind, one.zone):
                if looks_for_days(kind):
                    begin = have.start
                else:
                    begin, before = have.upto, (have.start, have.upto)
            if any(v.until > begin for v in one.versions if kind_of(v.rule) == kind):
                kinds.setdefault((kind, one.zone, before), []).append((one, (begin, end)))
    found = []
    for (kind, zone, before), group in kinds.items():
        members = tuple(one for one, _ in group)
        span = (min(low for _, (low, _) in group), max(high for _, (_, high) in group))
        carry = None
        if before is not None:
            figures = np.stack([kept[one.limit].figures for one in members])
            carry = Carried.unpacked(*before, figures)
        found.append(Scope(kind, zone, members, span, carry))
    return found


@lru_cache(maxsize=1024)  # many limits share rule and hour, and calendars take milliseconds
def reach(rule: Rule, zone: str, first: int, last: int) -> tuple[int, int]:
    """Return the span whose short-term averages decide what a change in [first, last] changes.

    It holds every period whole that depends on an instant of [first, last], and what those
    periods themselves depend on. Microseconds; operating days reach on without an end.
    """
    outer = duration(rule.per or rule.average)
    rolls = rule.rolling_per if rule.per else rule.rolling
    grid = duration(rule.short_term).grid
    start, end = _reach_of(outer, zone, first, last, grid, rolls=rolls)
    if rule.per:
        start, end = _reach_of(
            duration(rule.average), zone, start, end - 1, grid, rolls=rule.rolling, forward=False
        )
    if rule.at_most_in_a_row is not None:
        start -= LONGEST_RUN
    if rule.of == "calibration_weeks":
        start -= COUNTED_WEEKS
    if fills(rule):
        start = _of_filling(rule, zone, start)
    if end < FAR:  # an average that goes on over its end belongs to the period that it begins in
        end = int(edges(duration(rule.short_term), zone, end - 1, end)[1][-1])
    return int(edges(duration("1d"), zone, start, start + 1, grid)[0][0]), end


def _reach_of(  # noqa: PLR0913 - a period and how it goes on, an interval and how it is meant
    period: Duration,
    zone: str,
    first: int,
    last: int,
    grid: int,
    *,
    rolls: bool,
    forward: bool = True,
) -> tuple[int, int]:
    if period.unit == "operating_day":
        return first - OPERATING_DAYS_WITHIN, FAR
    if not rolls:
        starts, finishes = edges(period, zone, first, last + 1, grid)
        return int(starts[0]), int(finishes[-1])
    step = rolling_step(period)
    if step is None:
        return first - period.exact, last + (period.exact if forward else 1)
    length = (period.days or 31 * (period.months or 0)) * DAY + HOUR
    starts, finishes = edges(step, zone, first - length, last + length + 1, grid)
    return int(starts[0]), int(finishes[-1])


def _of_filling(rule: Rule, zone: str, start: int) -> int:
    """Return where begins what gaps from ``start`` on are filled with."""
    if rule.substitution == "mean_two_sigma":
        grid = duration(rule.short_term).grid
        return int(edges(duration("1year"), zone, start, start + 1, grid)[0][0])
    return start - looks_back(rule)


def _goes_on(rule: Rule) -> int:
    """Return how long after a change periods still depend on it that do not hold it."""
    if rule.of == "calibration_weeks":
        return COUNTED_WEEKS
    return LONGEST_RUN if rule.at_most_in_a_row is not None else 0


def _operating_days(rule: Rule) -> bool:
    return duration(rule.per or rule.average).unit == "operating_day"


def judge_scopes(
    wanted: Sequence[Scope],
    averages: Mapping[str, ShortTerm],
    columns: Mapping[int, int],
    changes: Rows,
    until: int,
) -> Judged:
    """Judge the periods that depend on ``changes``, and return them.

    ``averages``: by the name of the short-term average, of the channels in ``columns``.
    """
    parts = [np.zeros(0, VERDICT)]
    carried: dict[int, Kept] = {}
    groups: dict[int, str] = {}
    begun = {int(row["limit"]): int(row["begun"]) for row in changes}
    for scope in wanted:
        short = averages[scope.rule.short_term]
        at = np.array([columns[one.channel] for one in scope.conditions])
        cut = _cut(short, at, *scope.span)
        since = [begun[one.limit] for one in scope.conditions]
        rows, carry = judge_conditions(
            scope.rule, scope.conditions, cut, since, until, scope.before
        )
        parts.append(rows)
        carried |= carry
        if scope.rule.group:
            groups |= {one.limit: f"{one.family} {scope.rule.group}" for one in scope.conditions}
    rows = combine(np.concatenate(parts), groups)
    return Judged(rows[depends(rows, changes)], carried)


def depends(rows: Rows, changes: Rows) -> NDArray[np.bool_]:
    """Tell which periods hold anything of what changed for their conditions."""
    order = changes[np.argsort(changes["limit"])]
    if not len(order):
        return np.zeros(len(rows), np.bool_)
    at = np.minimum(np.searchsorted(order["limit"], rows["limit"]), len(order) - 1)
    mine = order[at]
    found: NDArray[np.bool_] = (
        (mine["limit"] == rows["limit"])
        & (rows["finish"] > mine["first"])
        & (rows["start"] <= mine["last"])
    )
    return found


def _cut(short: ShortTerm, columns: NDArray[np.intp], start: int, end: int) -> ShortTerm:
    """Return some columns, one maybe twice, of the averages that lie in [start, end)."""
    low = int(np.searchsorted(short.start, start))
    high = int(np.searchsorted(short.finish, end, side="right"))
    return short.part(slice(low, high), columns)
