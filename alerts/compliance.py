"""Compliance with conditions: from short-term averages to rows of verdicts.

Limits that are judged alike are judged together, each with its own value. Every period is judged
by the version of its condition that was in force at the end of it (of the running one: that is in
force now), its short-term averages against the limit that was in force for each of them. Where a
condition was in force for part of a period, that part is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.carrying import carry
from alerts.core.carried import Tallies
from alerts.core.compliance import FILLED, VERDICT, WITHDRAWN, kind_of
from alerts.core.records import unequal
from alerts.core.statistics import judge
from alerts.core.vocabulary import NEVER, SECOND, Judgement
from alerts.forecast import put_forecasts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.carrying import Carried, Kept
    from alerts.core.compliance import Condition
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.verdicts import Verdicts

    Rows = NDArray[np.void]

_SECOND_BITS = 34  # of an instant: up to the year 2514
_BEST_FIRST = (Judgement.COMPLIANT, Judgement.NOT_ASSESSABLE, Judgement.EXCEEDED)


def judge_conditions(  # noqa: PLR0913, PLR0917 - what is judged, by what and from what
    rule: Rule,
    conditions: Sequence[Condition],
    short: ShortTerm,
    begun: Sequence[int],
    until: int,
    before: Carried | None = None,
) -> tuple[Rows, dict[int, Kept]]:
    """Judge conditions of one kind and zone: rows of ``VERDICT``, of every period with a verdict.

    And what to carry on of the period that is not over, by limit.

    ``rule`` is the kind (see ``kind_of``); ``short`` has one column for each condition, ``begun``
    says where its channel's data begin: earlier short-term averages are not expected. ``before``:
    what was carried on of the period that ``short`` begins in, if it lacks earlier days. Periods
    in which nothing was to be judged are left out (the plant stood still, no version in force),
    and so are those for which another kind of rule was.
    """
    if not len(short.start):
        return np.zeros(0, VERDICT), {}
    limit, in_force = _in_force(conditions, short)
    in_force &= short.start[:, None] >= np.array(begun, np.int64)
    zone = conditions[0].zone
    tallies = None if before is None else Tallies(before.sums)
    verdicts = judge(rule, limit, short, zone, until, in_force, tallies)
    version = _versions(rule, conditions, verdicts, until)
    period, column = np.nonzero((version > 0) & (verdicts.expected > 0))
    rows = _rows(verdicts, period, column)
    rows["limit"] = np.array([one.limit for one in conditions], np.int32)[column]
    rows["version"] = version[period, column]
    put_forecasts(rule, zone, rows, period, column, verdicts, short, until, before)
    running = set(rows["limit"][~rows["over"]].tolist())
    return rows, carry(rule, conditions, limit, short, until, in_force, before, running)


def _in_force(
    conditions: Sequence[Condition], short: ShortTerm
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the limits (T, n), or (n,) where none changes, and where any is in force (T, n).

    Where none is, it is the one before, by which what was carried on is judged as well.
    """
    shape = (len(short.finish), len(conditions))
    limit, in_force = np.zeros(shape), np.zeros(shape, np.bool_)
    for column, one in enumerate(conditions):
        limit[:, column] = one.versions[0].rule.limit
        for version in one.versions:
            low, high = np.searchsorted(short.finish, [version.after, version.until], side="right")
            limit[low:, column] = version.rule.limit
            in_force[low:high, column] = True
    constant = np.all(limit == limit[:1])
    return (limit[0] if constant else limit), in_force


def _versions(
    rule: Rule, conditions: Sequence[Condition], verdicts: Verdicts, until: int
) -> NDArray[np.int32]:
    """Return which version judges each period, (P, n); 0 where none does, or one of other kind."""
    known = np.minimum(verdicts.finish, until)
    found = np.zeros((len(known), len(conditions)), np.int32)
    for column, one in enumerate(conditions):
        for version in one.versions:
            applies = (version.after < known) & (version.until > verdicts.start)
            ours = version.number if kind_of(version.rule) == rule else 0
            found[applies, column] = ours
    return found


def _rows(verdicts: Verdicts, period: NDArray[np.intp], column: NDArray[np.intp]) -> Rows:
    rows = np.zeros(len(period), VERDICT)
    for name in ("start", "finish", "over"):
        rows[name] = getattr(verdicts, name)[period]
    for name in ("value", "raw", "valid", "expected", "exceeding", "allowed", "substituted"):
        rows[name] = getattr(verdicts, name)[period, column]
    for name in ("replaced", "estimate"):
        rows[name] = getattr(verdicts, name)[period, column]
    for name, method in zip(FILLED, verdicts.methods, strict=True):
        rows[name] = method[period, column]
    rows["state"] = rows["alone"] = verdicts.state[period, column]
    measured = rows["valid"] - verdicts.filled[period, column]
    rows["complete"] = np.maximum(measured, 0) / np.maximum(rows["expected"], 1)
    rows["rest"] = rows["forecast"] = rows["threshold"] = np.nan
    rows["breaks_at"] = NEVER
    return rows


def combine(rows: Rows, groups: dict[int, str]) -> Rows:
    """Return the rows with ``state`` of alternatives as they are together.

    ``groups`` names the group of each limit that has alternatives. A period's counterpart in
    another alternative is the one that ends with it, else the last one that ended before, as long
    as that was within the period. Complying with one alternative is enough; else, with one that
    cannot be assessed, neither can be said. Directive 2010/75/EU, annex VI part 8.
    """
    rows = rows.copy()
    members: dict[str, list[int]] = {}
    for number, name in groups.items():
        members.setdefault(name, []).append(number)
    rank = np.array([_BEST_FIRST.index(Judgement(code)) for code in range(len(Judgement))])
    for numbers in members.values():
        places = [np.flatnonzero(rows["limit"] == number) for number in numbers]
        places = [place[np.argsort(rows["finish"][place])] for place in places if len(place)]
        best = [rank[rows["alone"][place]] for place in places]
        for mine, place in enumerate(places):
            for other, theirs in enumerate(places):
                if other != mine:
                    seen = _counterpart(rows, place, theirs, rank)
                    best[mine] = np.minimum(best[mine], seen)
        for place, chosen in zip(places, best, strict=True):
            rows["state"][place] = np.array(_BEST_FIRST, np.int16)[chosen]
    return rows


def _counterpart(
    rows: Rows, place: NDArray[np.intp], theirs: NDArray[np.intp], rank: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the rank of each row's counterpart, the worst where there is none."""
    finish = rows["finish"][theirs]
    at = np.searchsorted(finish, rows["finish"][place], side="right") - 1
    have = (at >= 0) & (finish[np.maximum(at, 0)] > rows["start"][place])
    return np.where(have, rank[rows["alone"][theirs[np.maximum(at, 0)]]], len(_BEST_FIRST) - 1)


def changed(rows: Rows, stored: Rows, figures: Sequence[str]) -> tuple[Rows, NDArray[np.int32]]:
    """Return what has to be stored, and the revision of each: what differs from ``stored``.

    ``rows`` and ``stored`` (current revisions, with ``revision``) are those of the same limits and
    span. Periods that are stored and come no more are returned as withdrawn. Of a period that is
    not over only its state is compared, its version and where it begins; one that was over is not
    taken back to be so no more.
    """
    ours, theirs = _keys(rows), _keys(stored)
    order = np.argsort(theirs, kind="stable")
    place = np.searchsorted(theirs, ours, sorter=order)
    at = order[np.minimum(place, max(len(order) - 1, 0))] if len(order) else place
    known = (theirs[at] == ours) if len(order) else np.zeros(len(rows), np.bool_)
    wanted, revision = ~known, np.zeros(len(rows), np.int32)
    here = np.flatnonzero(known)
    new, old = rows[here], stored[at[here]]
    wanted[here] = _differs(new, old, figures)
    revision[here] = old["revision"] + 1
    gone = stored[~np.isin(theirs, ours) & (stored["state"] != WITHDRAWN)]
    withdrawn = np.zeros(len(gone), VERDICT)
    for name in figures:
        withdrawn[name] = gone[name]
    withdrawn["limit"], withdrawn["finish"] = gone["limit"], gone["finish"]
    withdrawn["state"] = WITHDRAWN
    return (
        np.concatenate([rows[wanted], withdrawn]),
        np.concatenate([revision[wanted], gone["revision"].astype(np.int32) + 1]),
    )


def _keys(rows: Rows) -> NDArray[np.int64]:
    """Return a number for each (limit, finish): periods end with whole seconds."""
    keys: NDArray[np.int64] = (
        rows["limit"].astype(np.int64) << _SECOND_BITS | rows["finish"] // SECOND
    )
    return keys


def _differs(new: Rows, old: Rows, figures: Sequence[str]) -> NDArray[np.bool_]:
    differs, told = np.zeros(len(new), np.bool_), np.zeros(len(new), np.bool_)
    for name in figures:
        other = unequal(new[name], old[name])
        differs |= other
        if name in {"state", "alone", "version", "start", "over"}:
            told |= other
    was_over = old["over"].astype(np.bool_)
    return np.where(new["over"], differs, told & ~was_over)
