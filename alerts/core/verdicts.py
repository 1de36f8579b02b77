"""Verdicts: what the periods of a condition are judged to be, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.vocabulary import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]

NONE = -1  # in ``allowed`` and ``exceeding``: the condition counts nothing

# The first of these that an alternative reaches is the answer of the group.
_BEST_FIRST = (Judgement.COMPLIANT, Judgement.NOT_ASSESSABLE, Judgement.EXCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """P periods of n channels under one condition.

    ``start``, ``finish`` (P,): int64 microseconds; ``label``: the one of them that the rule set
    calls the period by. ``over`` (P,): it had ended; what is not over is judged as far as it is
    known. All else is (P, n):

    ``value``: the mean of validated short-term averages, the mass [t], the share of parts that
    comply (0 to 1), the number of occurrences. NaN where nothing is known. ``raw``: the mean
    before the uncertainty was subtracted; NaN for what is no mean and no mass.
    ``threshold``: what means were compared with, factor x limit.
    ``state``: a ``Judgement``, int8.
    ``valid``, ``expected``: parts that count, and parts in operation that the limit is in force
    for. Where ``expected`` is 0 there was nothing to judge (the plant stood still, no limit was in
    force): the state is ``NOT_ASSESSABLE``, and whoever stores verdicts leaves such a one out.
    ``exceeding``, ``allowed``, ``left``: how many parts exceed (or invalid days there are), how
    many may, and how many more may; below zero: so many too many. ``exceeding`` and ``allowed``
    are ``NONE`` where the condition has no such number, and ``left`` then is without a meaning.
    ``substituted``: short-term averages, of those that count, that rest on a substitute.
    """

    start: NDArray[np.int64]
    finish: NDArray[np.int64]
    label: NDArray[np.int64]
    over: Flags
    value: Floats
    raw: Floats
    threshold: Floats
    state: NDArray[np.int8]
    valid: Numbers
    expected: Numbers
    exceeding: Numbers
    allowed: Numbers
    left: Numbers
    substituted: Numbers


def either(alternatives: Sequence[Verdicts]) -> Verdicts:
    """Return the best of alternatives: complying with one of a group's conditions is enough.

    Not assessable where none complies and one cannot be assessed; else exceeded. Periods are those
    that every alternative has, by their finish. Each figure is that of the (first) alternative
    that decided. Raises ValueError without any.

    Directive 2010/75/EU, annex VI part 8, 1.1 (b) and (d).
    """
    if not alternatives:
        raise ValueError("expected at least one alternative")
    common = alternatives[0].finish
    for one in alternatives[1:]:
        common = np.intersect1d(common, one.finish)
    aligned = [_periods(one, common) for one in alternatives]
    ranks = np.array([_BEST_FIRST.index(Judgement(state)) for state in range(len(Judgement))])
    best = np.argmin(np.stack([ranks[one.state] for one in aligned]), axis=0)
    first = aligned[0]
    over = np.all(np.stack([one.over for one in aligned]), axis=0)

    def of_best(name: str) -> NDArray[Any]:
        figures = np.stack([getattr(one, name) for one in aligned])
        chosen: NDArray[Any] = np.take_along_axis(figures, best[None], axis=0)[0]
        return chosen

    return replace(first, over=over, **{name: of_best(name) for name in _BY_CHANNEL})


_BY_CHANNEL = (
    "value", "raw", "threshold", "state", "valid", "expected", "exceeding", "allowed", "left",
    "substituted",
)  # fmt: skip


def _periods(verdicts: Verdicts, finish: NDArray[np.int64]) -> Verdicts:
    """Return the periods that end at ``finish`` (ascending, all of them there)."""
    at = np.searchsorted(verdicts.finish, finish)
    names = (*_BY_CHANNEL, "start", "finish", "label", "over")
    return replace(verdicts, **{name: getattr(verdicts, name)[at] for name in names})
