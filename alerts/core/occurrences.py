"""Shares and counts: how many hours, half-hours or days of a period exceed, and how many may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.averaging import means, step_of
from alerts.core.counters import in_a_row
from alerts.core.evidence import exceeds, threshold
from alerts.core.periods import duration, edges
from alerts.core.pools import Pool, blocks, operating_days, rolling
from alerts.core.rounding import exact_fraction, round_significant
from alerts.core.shares import allowed as may_exceed
from alerts.core.validity import enough
from alerts.core.verdicts import Verdicts, no_methods, unknown
from alerts.core.vocabulary import Judgement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.evidence import Evidence
    from alerts.core.periods import Duration

    Instants = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]

_OUT_OF_CALIBRATION = 1.1  # of the valid calibration range: EN 14181:2014, 6.5


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Q parts of n channels, in order of time: which count, which exceed.

    ``step``: how far it is from part to part. ``over`` (Q,): has ended. All others (Q,
    n): ``expected`` (in operation, limit in force, over), ``counts`` (of these, assessable),
    ``exceeding`` (of these), ``substituted``: short-term averages that rest on a substitute.
    """

    step: Duration
    start: Instants
    finish: Instants
    over: Flags
    expected: Flags
    counts: Flags
    exceeding: Flags
    substituted: Numbers | Flags
    threshold: Floats
    methods: Numbers | None = None


def occurrences(found: Evidence) -> Occurrences:
    """Return the parts that ``rule.of`` counts. Raises ValueError for what this does not know."""
    match found.rule.of:
        case "exceeding" if duration(found.rule.average) == duration(found.rule.short_term):
            above = threshold(found.rule, found.limit)
            return _of_averages(found, exceeds(found.rule, found.values, above), above)
        case "exceeding":
            return _of_means(found)
        case "invalid_days":
            return _of_days(found)
        case "out_of_calibration" if found.rule.calibration_range is not None:
            top = np.full((1, 1), _OUT_OF_CALIBRATION * found.rule.calibration_range)
            above = round_significant(top)
            return _of_averages(found, exceeds(found.rule, found.short.mean, above), above)
        case other:
            raise ValueError(f"expected exceeding, invalid_days or a range, not {other!r}")


def share(found: Evidence) -> Verdicts:
    """Judge whether at least ``rule.share`` of the parts of each ``rule.per`` comply.

    Of the parts that count 5 % may exceed, say: 438 of 8,760, exactly. In a period in progress
    the parts to come are taken to count and to comply: ``allowed`` and ``left`` are those of the
    whole period, and it is exceeded once more than that exceed, which nothing can mend.
    """
    rule = found.rule
    if rule.share is None:
        raise ValueError("expected a share")
    least, parts = exact_fraction(rule.share), occurrences(found)
    pool = _pool(found, parts)
    exceeding, count, expected = _numbers(found, parts, pool)
    whole = count + _to_come(found, parts, pool)
    complying = np.divide(
        count - exceeding, count, out=np.full(count.shape, np.nan), where=count > 0
    )
    allowed = may_exceed(whole, least).astype(np.int32)
    state = np.where(exceeding > allowed, Judgement.EXCEEDED, Judgement.COMPLIANT)
    sufficient = _enough(found, pool, count, expected)
    state = np.where(sufficient, state, Judgement.NOT_ASSESSABLE)
    return _verdicts(
        found, parts, pool,
        value=round_significant(complying),
        state=state,
        valid=count,
        expected=expected,
        exceeding=exceeding,
        allowed=allowed,
    )  # fmt: skip


def count(found: Evidence) -> Verdicts:
    """Judge whether ``rule.of`` occurs at most ``at_most`` times within each ``rule.per``.

    And no more than ``at_most_in_a_row`` times: one part after the other, from whatever day or
    year on. ``value``, ``exceeding`` and ``allowed`` are of the first of these that there is. Too
    many are exceeded whatever is missing; else the parts need ``coverage``, except that invalid
    days are known.
    """
    rule, parts = found.rule, occurrences(found)
    pool = _pool(found, parts)
    exceeding, valid, expected = _numbers(found, parts, pool)
    on_end = pool.most(in_a_row(parts.exceeding))
    too_many = np.zeros(exceeding.shape, np.bool_)
    if rule.at_most is not None:
        too_many |= exceeding > rule.at_most
    if rule.at_most_in_a_row is not None:
        too_many |= on_end > rule.at_most_in_a_row
    if rule.at_most is None:
        exceeding = on_end
    most = rule.at_most if rule.at_most is not None else rule.at_most_in_a_row
    if most is None:
        raise ValueError("expected at_most or at_most_in_a_row")
    sufficient = _enough(found, pool, valid, expected)
    state = np.where(sufficient, Judgement.COMPLIANT, Judgement.NOT_ASSESSABLE)
    state = np.where(too_many, Judgement.EXCEEDED, state)
    allowed = np.full(exceeding.shape, most, np.int32)
    return _verdicts(
        found, parts, pool,
        value=exceeding.astype(float),
        state=state,
        valid=valid,
        expected=expected,
        exceeding=exceeding,
        allowed=allowed,
    )  # fmt: skip


def _numbers(found: Evidence, parts: Occurrences, pool: Pool) -> tuple[Numbers, Numbers, Numbers]:
    """Return how many parts of each period exceed, count and are expected."""
    return (
        found.tally("exceeding", pool.count(parts.exceeding)),
        found.tally("counts", pool.count(parts.counts)),
        found.tally("expected", pool.count(parts.expected)),
    )


def _of_averages(found: Evidence, above: Flags, limit: Floats) -> Occurrences:
    short = found.short
    # What a rolling period held before the limit was in force is missing from it.
    expected = found.operating if found.rule.rolling_per else found.expected
    return Occurrences(
        step=duration(found.rule.short_term),
        start=short.start,
        finish=short.finish,
        over=short.finish <= found.until,
        expected=expected,
        counts=found.counts,
        exceeding=above & found.counts,
        substituted=found.counts & (short.marked > 0),
        threshold=limit,
    )


def _of_means(found: Evidence) -> Occurrences:
    verdicts = means(replace(found, tallies=None))  # what is carried on are the parts
    over = verdicts.over[:, None]
    return Occurrences(
        step=step_of(found.rule),
        start=verdicts.start,
        finish=verdicts.finish,
        over=verdicts.over,
        expected=(verdicts.expected > 0) & over,
        counts=(verdicts.state != Judgement.NOT_ASSESSABLE) & over,
        exceeding=(verdicts.state == Judgement.EXCEEDED) & over,
        substituted=verdicts.substituted * over,
        threshold=verdicts.threshold,
        methods=verdicts.methods * over if found.methods else None,
    )


def _of_days(found: Evidence) -> Occurrences:
    days = found.days
    assert days is not None  # noqa: S101 - gathered for every rule that counts them
    over = days.pool.finish <= found.until
    expected = days.operating & (over[:, None] | days.invalid)
    return Occurrences(
        step=duration("1d"),
        start=days.pool.start,
        finish=days.pool.finish,
        over=over,
        expected=expected,
        counts=expected,
        exceeding=days.invalid,
        substituted=np.zeros_like(days.invalid),
        threshold=np.full((1, 1), np.nan),
    )


def _pool(found: Evidence, parts: Occurrences) -> Pool:
    if found.rule.per is None:
        raise ValueError("expected a period that parts are counted in")
    per = duration(found.rule.per)
    if per.unit == "operating_day":
        days = blocks(duration("1d"), found.zone, parts.start, parts.finish, found.grid)
        return operating_days(per.number, days, days.count(parts.expected) > 0)
    make = rolling if found.rule.rolling_per else blocks
    return make(per, found.zone, parts.start, parts.finish, found.grid)


def _enough(found: Evidence, pool: Pool, valid: Numbers, expected: Numbers) -> Flags:
    """Tell which periods rest on enough parts: ``coverage`` of them, as of a part's slots."""
    sufficient = enough(found.rule, valid, expected)
    full = pool.full()
    return sufficient if full is None else sufficient & full


def _to_come(found: Evidence, parts: Occurrences, pool: Pool) -> Numbers:
    """Return how many parts the period in progress will have yet, (P, n)."""
    whole = np.zeros((len(pool.start), found.short.channels), np.int32)
    if pool.back > 1 or not len(pool.start) or pool.finish[-1] <= found.until:
        return whole
    ended = parts.finish[parts.over]
    since = max(pool.start[-1], ended[-1] if len(ended) else parts.start[0])
    starts, _ = edges(parts.step, found.zone, int(since), int(pool.finish[-1]), found.grid)
    whole[-1] = len(starts) * found.in_force[-1]
    return whole


def _verdicts(  # noqa: PLR0913 - what a verdict consists of
    found: Evidence,
    parts: Occurrences,
    pool: Pool,
    *,
    value: Floats,
    state: NDArray[np.int64],
    valid: Numbers,
    expected: Numbers,
    exceeding: Numbers,
    allowed: Numbers,
) -> Verdicts:
    limit, methods = parts.threshold, no_methods(value.shape)
    if parts.methods is not None:
        methods = np.stack([pool.count(one) for one in parts.methods])
    return Verdicts(
        start=pool.start,
        finish=pool.finish,
        label=pool.finish if found.rule.label == "end" else pool.start,
        over=pool.finish <= found.until,
        value=np.where(expected > 0, value, np.nan),
        raw=np.full(value.shape, np.nan),
        threshold=_last(limit, pool, value.shape),
        state=np.where(expected > 0, state, Judgement.NOT_ASSESSABLE).astype(np.int8),
        valid=valid,
        expected=expected,
        exceeding=exceeding,
        allowed=allowed,
        left=allowed - exceeding,
        substituted=found.tally("substituted", pool.count(parts.substituted)),
        filled=methods.sum(axis=0, dtype=np.int32),
        methods=methods,
        replaced=unknown(value.shape),
        estimate=unknown(value.shape),
    )


def _last(limit: Floats, pool: Pool, shape: tuple[int, ...]) -> Floats:
    """Return the threshold of the last part of each period, (P, n)."""
    if len(limit) == 1:
        return np.broadcast_to(limit, shape)
    last = np.flatnonzero(np.diff(pool.base(), append=-1))
    return np.broadcast_to(limit[last[len(last) - len(pool.start) :]], shape)
