"""Events that are counted along the year: abatement failures, calibration weeks, special classes.

Unlike parts of a period they last: an uninterrupted failure goes on over midnight and New Year,
weeks count since the last calibration. The counting itself is that of ``alerts.core.counters``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.counters import TOLERANCE, in_periods, rolling_time, runs
from alerts.core.counters import calibration_weeks as count_weeks
from alerts.core.evidence import exceeds, threshold
from alerts.core.periods import beginning_of, duration, months_before, on_grid
from alerts.core.pools import blocks
from alerts.core.rounding import round_significant
from alerts.core.validity import enough, operating_slots
from alerts.core.verdicts import NONE, Verdicts, no_methods, unknown
from alerts.core.vocabulary import HOUR, Judgement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.evidence import Evidence
    from alerts.core.means import IntArray
    from alerts.core.pools import Pool

    Instants = NDArray[np.int64]
    Counts = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

WEEKS_BACK = 53  # weeks that are counted at most: a surveillance test (AST) is due each year
_WEEK = duration("1week")


def failures(found: Evidence) -> Verdicts:
    """Judge how long the threshold was exceeded in operation: in all, and without a break.

    ``rule.at_most`` and ``rule.at_most_in_a_row`` are hours. ``value``: hours in ``rule.per``, or
    where only those on end are limited the most on end; ``raw``: hours of the event that lasts at
    the end of the period, 0 for none (BEP: S12). ``exceeding``, ``allowed`` and ``left`` are
    ``value`` in short-term averages. An event is not ended by averages of which nothing is known,
    which add nothing, nor by a day or a year; a standstill ends it. With ``rolling_per`` it is
    judged at the end of each day over the time up to it (BEP: S13), on end as that day saw it.

    Directive 2010/75/EU, Art. 37 and 46(6) (from memory); BEP 2023, annex D 1.4.
    """
    rule, short = found.rule, found.short
    above = exceeds(rule, found.values, threshold(rule, found.limit)) & found.counts
    lasted = runs(above, short.start, short.finish, found.counts | ~found.operating)
    pool, since = _spans(found)
    first, last = np.searchsorted(short.start, since), _last_rows(pool)
    begin = np.repeat(short.start[np.minimum(first, last)], np.diff(last, prepend=-1))
    hours = rolling_time(above, short.start, short.finish, begin)[last]
    _, longest = in_periods(lasted, pool.base(), len(last))
    too_long = np.zeros(hours.shape, np.bool_)
    if rule.at_most is not None:
        too_long |= hours > rule.at_most * HOUR
    if rule.at_most_in_a_row is not None:
        too_long |= longest > rule.at_most_in_a_row * HOUR
    counted, most = hours, rule.at_most
    if most is None:
        counted, most = longest, rule.at_most_in_a_row
    if most is None:
        raise ValueError("expected at_most or at_most_in_a_row")
    length = int(short.finish[0] - short.start[0]) if short.rows else HOUR
    valid, expected = (_within(which, first, last) for which in (found.counts, found.expected))
    expected = expected * (pool.count(found.in_force) > 0)
    state = np.where(enough(rule, valid, expected), Judgement.COMPLIANT, Judgement.NOT_ASSESSABLE)
    return _verdicts(
        found, pool, since,
        value=counted / HOUR,
        raw=lasted[last] / HOUR,
        state=np.where(too_long, Judgement.EXCEEDED, state),
        valid=valid,
        expected=expected,
        exceeding=counted // length,
        allowed=most * HOUR // length,
    )  # fmt: skip


def calibration_weeks(found: Evidence) -> Verdicts:
    """Judge at the end of each week in how many more than 5 % lay above the calibration range.

    Counted are weeks that are over, from the first one that begins at or after midnight of
    ``rule.calibrated_from``, at most the last 53. ``valid`` and ``expected`` are weeks. Raises
    ValueError without a range and its day, or ``at_most``.

    EN 14181:2014, 6.5: more than 5 % in more than 5 weeks, and a new QAL2 is due. More than 40 %
    in one week are a condition of their own.
    """
    rule, short = found.rule, found.short
    if rule.calibration_range is None or rule.calibrated_from is None or rule.at_most is None:
        raise ValueError("expected a calibration range, its day and at_most")
    pool = blocks(_WEEK, found.zone, short.start, short.finish, found.grid)
    since = beginning_of(found.zone, rule.calibrated_from)
    over = (pool.finish <= found.until) & (pool.start >= since)
    top = np.full((1, 1), rule.calibration_range)
    outside = exceeds(rule, short.mean, round_significant(top * TOLERANCE))
    weeks = count_weeks(outside, found.counts, pool.base(), len(pool.start))
    expected = pool.count(found.expected)
    counts = enough(rule, pool.count(found.counts), expected) & over[:, None]
    week = np.arange(len(pool.start))
    first = np.maximum(week - WEEKS_BACK + 1, np.searchsorted(pool.start, since))
    number = _within(weeks.over_5_percent & over[:, None], first, week)
    known = _within(counts, first, week)
    wanted = _within((expected > 0) & (pool.start >= since)[:, None], first, week)
    state = np.where(enough(rule, known, wanted), Judgement.COMPLIANT, Judgement.NOT_ASSESSABLE)
    return _verdicts(
        found, pool, pool.start,
        value=number.astype(np.float64),
        raw=np.full(number.shape, np.nan),
        state=np.where(number > rule.at_most, Judgement.EXCEEDED, state),
        valid=known,
        expected=wanted,
        exceeding=number,
        allowed=rule.at_most,
    )  # fmt: skip


def special_class(found: Evidence) -> Verdicts:
    """Count the averages of start-up and shut-down above the threshold: shown, never judged.

    The values are those of readings in these statuses. An average belongs here if all that the
    plant did in it is start-up or shut-down (else it is one of normal operation), and counts with
    ``coverage`` of those slots. The state is always "not assessable", ``allowed`` none.

    44. BImSchV, § 30: by order of the authority above twice the limit.
    """
    rule, short = found.rule, found.short
    starting = short.idle - short.stopped
    expected = (operating_slots(rule, short) == 0) & (starting > 0) & found.in_force
    counts = enough(rule, short.count, starting) & expected & ~np.isnan(short.mean)
    above = exceeds(rule, found.values, threshold(rule, found.limit)) & counts
    return _apart(found, above, counts, expected)


def failure_class(found: Evidence) -> Verdicts:
    """Count the averages of failed abatement on one side of ``rule.bound``: shown, never judged.

    Those above the threshold, as ``failures`` takes them, that are at most ("failure_up_to") or
    above ("failure_above") the bound. State and ``allowed`` as of ``special_class``. Raises
    ValueError without a bound.

    BEP 2023, annex D: S15 and S16, dust at most and above 100 mg/m3 (the figure and the side that
    it belongs to from an excerpt).
    """
    rule = found.rule
    if rule.bound is None:
        raise ValueError("expected a bound")
    failing = exceeds(rule, found.values, threshold(rule, found.limit)) & found.counts
    beyond = exceeds(replace(rule, reached=False), found.values, np.full((1, 1), rule.bound))
    wanted = beyond if rule.of == "failure_above" else ~beyond
    return _apart(found, failing & wanted, found.counts, found.expected)


EVENTS = {
    "abatement_failure": failures,
    "calibration_weeks": calibration_weeks,
    "special_class": special_class,
    "failure_up_to": failure_class,
    "failure_above": failure_class,
}
"""What ``rule.of`` names beside what ``alerts.core.occurrences`` counts."""


def _apart(found: Evidence, which: Flags, counts: Flags, expected: Flags) -> Verdicts:
    """Return how many averages of each ``rule.per`` are among ``which``, without a judgement."""
    rule, short = found.rule, found.short
    if rule.per is None:
        raise ValueError("expected a period that averages are counted in")
    pool = blocks(duration(rule.per), found.zone, short.start, short.finish, found.grid)
    number = pool.count(which)
    return _verdicts(
        found, pool, pool.start,
        value=number.astype(np.float64),
        raw=np.full(number.shape, np.nan),
        state=np.full(number.shape, Judgement.NOT_ASSESSABLE),
        valid=pool.count(counts),
        expected=pool.count(expected),
        exceeding=number,
        allowed=NONE,
    )  # fmt: skip


def _spans(found: Evidence) -> tuple[Pool, Instants]:
    """Return the periods, and from when on each counts: blocks, or days with what came before."""
    rule, short = found.rule, found.short
    if rule.per is None:
        raise ValueError("expected a period that hours are counted in")
    per = duration(rule.per)
    if not rule.rolling_per:
        pool = blocks(per, found.zone, short.start, short.finish, found.grid)
        return pool, pool.start
    pool = blocks(duration("1d"), found.zone, short.start, short.finish, found.grid)
    if per.months is None:
        raise ValueError(f"expected rolling months or years, not {rule.per}")
    return pool, on_grid(months_before(found.zone, pool.finish, per.months), found.grid)


def _last_rows(pool: Pool) -> Counts:
    base = pool.base()
    return np.flatnonzero(np.diff(base, append=base[-1:] + 1))


def _within(which: Flags, first: Counts, last: Counts) -> Counts:
    """Return in how many rows from ``first`` to ``last`` (P,) ``which`` (T, n) is true, (P, n)."""
    sums = np.concatenate([np.zeros((1, which.shape[1]), np.int64), np.cumsum(which, axis=0)])
    return np.asarray(sums[last + 1] - sums[np.minimum(first, last + 1)])


def _verdicts(  # noqa: PLR0913 - what a verdict consists of
    found: Evidence,
    pool: Pool,
    start: Instants,
    *,
    value: Floats,
    raw: Floats,
    state: Counts,
    valid: IntArray,
    expected: IntArray,
    exceeding: IntArray,
    allowed: int,
) -> Verdicts:
    any_part = expected > 0
    limit = found.limit if len(found.limit) == 1 else found.limit[_last_rows(pool)]
    return Verdicts(
        start=start,
        finish=pool.finish,
        label=pool.finish if found.rule.label == "end" else start,
        over=pool.finish <= found.until,
        value=np.where(any_part, value, np.nan),
        raw=np.where(any_part, raw, np.nan),
        threshold=np.broadcast_to(threshold(found.rule, limit), value.shape),
        state=np.where(any_part, state, Judgement.NOT_ASSESSABLE).astype(np.int8),
        valid=valid.astype(np.int32),
        expected=expected.astype(np.int32),
        exceeding=exceeding.astype(np.int32),
        allowed=np.full(value.shape, allowed, np.int32),
        left=(allowed - exceeding).astype(np.int32),
        substituted=np.zeros(value.shape, np.int32),
        filled=np.zeros(value.shape, np.int32),
        methods=no_methods(value.shape),
        replaced=unknown(value.shape),
        estimate=unknown(value.shape),
    )
