"""Verdicts: what the periods of a condition are judged to be, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.substitution import Method
from alerts.core.vocabulary import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]

METHODS = tuple(int(one) for one in Method if one > 0)
"""The codes of substitution that verdicts count, in this order."""
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
    comply (0 to 1), the number of occurrences, hours. NaN where nothing is known. ``raw``: the
    mean before the uncertainty was subtracted, of failures the event that lasts at the end [h]; NaN
    for what is no mean, no mass and no failure.
    ``threshold``: what means were compared with, factor x limit.
    ``state``: a ``Judgement``, int8.
    ``valid``, ``expected``: parts that count, and parts in operation that the limit is in force
    for. Where ``expected`` is 0 there was nothing to judge (the plant stood still, no limit was in
    force): the state is ``NOT_ASSESSABLE``, and whoever stores verdicts leaves such a one out.
    ``exceeding``, ``allowed``, ``left``: how many parts exceed (or invalid days there are), how
    many may, and how many more may; below zero: so many too many. ``exceeding`` and ``allowed``
    are ``NONE`` where the condition has no such number, and ``left`` then is without a meaning.
    ``substituted``: short-term averages, of those that count, that rest on a substitute, for a part
    of them or as a whole; ``filled``: as a whole. ``methods`` (M, P, n): how many were filled as a
    whole, by ``METHODS``; of a mass whose members are filled apart, of each member.
    ``replaced`` [t]: what of a mass rests on substitutes; ``estimate`` [t]: what the hours of which
    nothing is known would have made at the mean rate of the others, beside the mass; NaN of
    anything but a mass.
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
    filled: Numbers
    methods: Numbers
    replaced: Floats
    estimate: Floats


def no_methods(shape: tuple[int, ...]) -> Numbers:
    """Return the ``methods`` of (P, n) verdicts without a filled average."""
    return np.broadcast_to(np.int32(0), (len(METHODS), *shape))


def unknown(shape: tuple[int, ...]) -> Floats:
    """Return a figure (P, n) that verdicts do not have."""
    return np.broadcast_to(np.nan, shape)


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

    by_method = np.stack([one.methods for one in aligned])
    methods = np.take_along_axis(by_method, best[None, None], axis=0)[0]
    figures = {name: of_best(name) for name in _BY_CHANNEL}
    return replace(first, over=over, methods=methods, **figures)


_BY_CHANNEL = (
    "value", "raw", "threshold", "state", "valid", "expected", "exceeding", "allowed", "left",
    "substituted", "filled", "replaced", "estimate",
)  # fmt: skip


def _periods(verdicts: Verdicts, finish: NDArray[np.int64]) -> Verdicts:
    """Return the periods that end at ``finish`` (ascending, all of them there)."""
    at = np.searchsorted(verdicts.finish, finish)
    names = (*_BY_CHANNEL, "start", "finish", "label", "over")
    parts = {name: getattr(verdicts, name)[at] for name in names}
    return replace(verdicts, methods=verdicts.methods[:, at], **parts)
