"""Means and masses over the period that a rule averages, each judged against its limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.budget import operating_hours, totals
from alerts.core.evidence import exceeds, rounded, threshold
from alerts.core.periods import duration, rolling_step
from alerts.core.pools import Pool, blocks, operating_days, rolling
from alerts.core.rounding import round_significant
from alerts.core.validity import enough, has_day_rule, months
from alerts.core.verdicts import METHODS, NONE, Verdicts, no_methods, unknown
from alerts.core.vocabulary import Judgement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.evidence import Evidence
    from alerts.core.periods import Duration
    from alerts.core.rules import Rule

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]


def means(found: Evidence) -> Verdicts:
    """Return the mean of each period of ``rule.average``, judged: factor x limit is the most.

    The mean over all short-term averages that count, one like the other; geometric: of their
    logarithms. Rounded once, at the end. A limit that changes within a period is averaged over
    what counts.
    """
    pool = pool_of(found)
    count = found.tally("counts", pool.count(found.counts))
    value = _mean(found, count, found.tally("values", _sum(found, pool, found.values)))
    same = found.values is found.short.mean
    if same:
        raw = value
    else:
        raw = _mean(found, count, found.tally("raw", _sum(found, pool, found.short.mean)))
    above = threshold(found.rule, _limit(found, pool))
    return _verdicts(found, pool, count, value, raw, above, exceeds(found.rule, value, above))


def masses(found: Evidence) -> Verdicts:
    """Return the mass [t] of each period of ``rule.average``: the limit is the most.

    The short-term averages are mass flows [kg/h]. What is known already may exceed, whatever else
    is missing; a mass that does not, and rests on too little, is not assessable.
    """
    pool = pool_of(found)
    short = found.short
    hours = operating_hours(short.start, short.finish, short.expected, short.stopped)
    hours = np.broadcast_to(hours, found.counts.shape) * found.in_force
    base = pool.base()
    bases = int(base[-1]) + 1 if len(base) else 0
    made = totals(found.values, hours, found.counts, found.substituted, base, bases)
    count = found.tally("counts", pool.count(found.counts))
    measured = found.tally("measured", pool.rolled(made.measured))
    replaced = found.tally("replaced", pool.rolled(made.substituted))
    value = np.where(count > 0, round_significant(measured + replaced), np.nan)
    above = np.broadcast_to(threshold(found.rule, _limit(found, pool)), value.shape)
    exceeding = exceeds(found.rule, value, above)
    verdicts = _verdicts(found, pool, count, value, value, above, exceeding)
    verdicts.state[exceeding & (verdicts.expected > 0)] = Judgement.EXCEEDED
    return replace(
        verdicts,
        replaced=round_significant(replaced),
        estimate=_estimate(
            measured,
            found.tally("hours", pool.rolled(made.valid)),
            found.tally("without", pool.rolled(made.without)),
        ),
    )


def _estimate(measured: Floats, hours: Floats, without: Floats) -> Floats:
    """Return what the hours ``without`` anything would have made at the rate of those measured."""
    made = round_significant(_ratio(measured, hours) * without)
    return np.where(without > 0, made, 0.0)


def pool_of(found: Evidence) -> Pool:
    """Return the periods of ``rule.average``."""
    rule, short = found.rule, found.short
    average, own = duration(rule.average), duration(rule.short_term)
    if average == own:
        return Pool(short.start, short.finish, short.rows)
    if average.unit == "operating_day":
        by_day = blocks(duration("1d"), found.zone, short.start, short.finish, found.grid)
        running = np.broadcast_to(short.stopped < short.expected, found.counts.shape)
        operates = by_day.count(running & found.in_force) > 0
        return operating_days(average.number, by_day, operates)
    if rule.rolling:
        return rolling(average, found.zone, short.start, short.finish, found.grid)
    return blocks(average, found.zone, short.start, short.finish, found.grid)


def step_of(rule: Rule) -> Duration:
    """Return how far it is from one period of ``rule.average`` to the next."""
    average = duration(rule.average)
    if not rule.rolling and average.unit != "operating_day":
        return average
    return rolling_step(average) or duration(rule.short_term)


def _sum(found: Evidence, pool: Pool, values: Floats) -> Floats:
    """Return the sums of what counts, of a geometric mean those of its logarithms."""
    counted = np.where(found.counts, values, 1.0 if found.rule.geometric else 0.0)
    return pool.sum(np.log(counted) if found.rule.geometric else counted)


def _mean(found: Evidence, count: Numbers, total: Floats) -> Floats:
    mean = _ratio(total, count)
    if found.rule.geometric:
        mean = np.exp(mean)
    return rounded(found.rule, mean)


def _limit(found: Evidence, pool: Pool) -> Floats:
    """Return the limit of each period, (1, n) where it never changes."""
    if len(found.limit) == 1:
        return found.limit
    total = pool.sum(np.where(found.counts, found.limit, 0.0))
    return _ratio(total, pool.count(found.counts))


def _ratio(total: Floats, count: Numbers | Floats) -> Floats:
    quotient = np.full(total.shape, np.nan)
    np.divide(total, count, out=quotient, where=count > 0)
    return quotient


def _verdicts(  # noqa: PLR0913, PLR0917 - what a verdict consists of
    found: Evidence,
    pool: Pool,
    valid: Numbers,
    value: Floats,
    raw: Floats,
    above: Floats,
    exceeding: Flags,
) -> Verdicts:
    expected = found.tally("expected", _expected(found, pool))
    sufficient = _enough(found, pool, valid, expected) & ~np.isnan(value) & (expected > 0)
    state = np.where(exceeding, Judgement.EXCEEDED, Judgement.COMPLIANT)
    none = np.full(value.shape, NONE, np.int32)
    return Verdicts(
        start=pool.start,
        finish=pool.finish,
        label=pool.finish if found.rule.label == "end" else pool.start,
        over=pool.finish <= found.until,
        value=value,
        raw=raw,
        threshold=np.broadcast_to(above, value.shape),
        state=np.where(sufficient, state, Judgement.NOT_ASSESSABLE).astype(np.int8),
        valid=valid,
        expected=expected,
        exceeding=none,
        allowed=none,
        left=none,
        substituted=found.tally("substituted", pool.count(found.substituted)),
        filled=pool.count(found.counts & found.filled),
        methods=_methods(found, pool, value.shape),
        replaced=unknown(value.shape),
        estimate=unknown(value.shape),
    )


def _methods(found: Evidence, pool: Pool, shape: tuple[int, ...]) -> Numbers:
    """Return how many averages that count were filled by each method, (M, P, n).

    Of averages whose members are filled apart: how many members' averages were.
    """
    if not found.methods:
        return no_methods(shape)
    numbers = np.zeros((len(METHODS), *shape), np.int32)
    for one in found.methods:
        numbers += np.stack([pool.count(found.counts & (one == code)) for code in METHODS])
    return numbers


def _expected(found: Evidence, pool: Pool) -> Numbers:
    """Return how many parts each period should have.

    Of a block, and of operating days, only those that the limit is in force for; any other rolling
    period is judged if the limit is in force at its end, and what came before is missing from it.
    """
    if pool.back == 1 or pool.operates is not None:
        return pool.count(found.expected)
    return pool.count(found.operating) * pool.ends_with(found.in_force)


def _enough(found: Evidence, pool: Pool, valid: Numbers, expected: Numbers) -> Flags:
    """Tell which periods rest on enough.

    A day by the rule for days, a month by that for months; any other period, and these where the
    rule set has no such rule, needs ``coverage`` of its parts as a part does of its slots.
    """
    rule, average = found.rule, duration(found.rule.average)
    if average == duration(rule.short_term):
        return found.counts
    if found.days is not None and pool.back == 1 and pool.operates is None:
        if average == duration("1d") and has_day_rule(rule):
            return found.days.valid
        if average == duration("1month") and rule.valid_days_a_month is not None:
            return months(rule, found.zone, found.days, found.tally)
    sufficient = enough(rule, valid, expected)
    full = pool.full()
    return sufficient if full is None else sufficient & full
