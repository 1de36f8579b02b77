"""Forecasts of running periods: what the rest may average, what it will come to, when that breaks.

The present rate of means and masses is that of the last tenth of the period, of its days where it
is longer than a day; of shares and counts that of the period so far, once a tenth of it has passed.
A forecast is a warning, never a judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core import budget
from alerts.core.compliance import FILLED
from alerts.core.periods import duration
from alerts.core.pools import Pool, blocks
from alerts.core.validity import averages
from alerts.core.verdicts import NONE
from alerts.core.vocabulary import DAY, HOUR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.carrying import Carried
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.verdicts import Verdicts

    Floats = NDArray[np.float64]
    Rows = NDArray[np.void]

TENTH = 10


@dataclass(frozen=True, slots=True)
class Course:
    """The parts of a running period so far, days of a long one, in order of time: all (D, n).

    Valid short-term averages, their ``number`` and their ``total``, whether or not a limit was in
    force; ``operated``: the sum of the shares of all ``averages`` that the plant operated in.
    """

    total: Floats
    number: Floats
    operated: Floats
    averages: Floats

    @classmethod
    def of(cls, rule: Rule, zone: str, short: ShortTerm) -> Course:
        """Return the days of some rows."""
        grid = duration(rule.short_term).grid
        pool = blocks(duration("1d"), zone, short.start, short.finish, grid)
        return cls._of(rule, short, pool)

    @classmethod
    def of_averages(cls, rule: Rule, short: ShortTerm) -> Course:
        """Return the rows one by one."""
        return cls._of(rule, short, Pool(short.start, short.finish, short.rows))

    @classmethod
    def _of(cls, rule: Rule, short: ShortTerm, pool: Pool) -> Course:
        valid = averages(rule, short)[0]
        share = np.maximum(short.expected - short.stopped, 0) / np.maximum(short.expected, 1)
        rows = pool.count(np.ones((short.rows, 1), np.bool_)).astype(np.float64)
        return cls(
            total=pool.sum(np.where(valid, short.mean, 0.0)),
            number=pool.count(valid).astype(np.float64),
            operated=pool.sum(np.broadcast_to(share, valid.shape)),
            averages=np.broadcast_to(rows, (len(rows), short.channels)),
        )

    def last(self, parts: int) -> Course:
        """Return so many of the last ones."""
        return Course(*(one[max(0, len(one) - parts) :] for one in self.figures()))

    def after(self, earlier: Course | None) -> Course:
        """Return these with earlier ones before them."""
        if earlier is None:
            return self
        both = zip(earlier.figures(), self.figures(), strict=True)
        return Course(*(np.concatenate(pair) for pair in both))

    def figures(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the arrays."""
        return self.total, self.number, self.operated, self.averages


def days_of_rate(start: int, finish: int) -> int:
    """Return over how many days of a period, the present one among them, its rate is taken."""
    return -(-(finish - start) // (TENTH * DAY))


def put_forecasts(  # noqa: PLR0913, PLR0917 - the rows, where they come from, and when
    rule: Rule,
    zone: str,
    rows: Rows,
    period: NDArray[np.intp],
    column: NDArray[np.intp],
    verdicts: Verdicts,
    short: ShortTerm,
    until: int,
    before: Carried | None = None,
) -> None:
    """Fill in ``rest``, ``forecast`` and ``breaks_at`` of the rows that are not over.

    ``rows`` are those of ``period`` and ``column`` of the verdicts; ``before``: what is carried on
    from before the averages.
    """
    running = np.flatnonzero(~rows["over"])
    for p in np.unique(period[running]).tolist():
        here = running[period[running] == p]
        start, finish = int(verdicts.start[p]), int(verdicts.finish[p])
        if rule.statistic in {"mean", "total"}:
            recent, weight = _course(rule, zone, short, (start, finish), until, before)
            recent = Course(*(one[:, column[here]] for one in recent.figures()))
            rows["threshold"][here] = verdicts.threshold[p, column[here]]
            _of_amounts(rule, rows, here, recent, weight[column[here]], short, until)
        elif until - start >= (finish - start) // TENTH:
            _of_counts(rule, rows, here, until)


def _course(  # noqa: PLR0913, PLR0917 - as above, of one period
    rule: Rule,
    zone: str,
    short: ShortTerm,
    period: tuple[int, int],
    until: int,
    before: Carried | None,
) -> tuple[Course, NDArray[np.float64]]:
    """Return what the present rate is taken of, and how many valid averages there are so far."""
    start, finish = period
    low = int(np.searchsorted(short.start, start))
    high = int(np.searchsorted(short.finish, until, side="right"))
    short = short.between(low, high)
    if rule.rolling or not duration(rule.average).beyond_a_day:
        course = Course.of_averages(rule, short)
        since = int(np.searchsorted(short.start, until - (finish - start) // TENTH))
        return course.last(max(1, short.rows - since)), course.number.sum(axis=0)
    course = Course.of(rule, zone, short)
    weight = course.number.sum(axis=0)
    if before is not None and before.start == start:
        course, weight = course.after(before.days), weight + before.weight
    return course.last(days_of_rate(start, finish)), weight


def _of_amounts(  # noqa: PLR0913, PLR0917 - as above, of one period
    rule: Rule,
    rows: Rows,
    here: NDArray[np.intp],
    recent: Course,
    weight: NDArray[np.float64],
    short: ShortTerm,
    until: int,
) -> None:
    finish = int(rows["finish"][here[0]])
    threshold = rows["threshold"][here]
    sums, number, operated, parts = (one.sum(axis=0) for one in recent.figures())
    rate = np.divide(sums, number, out=np.full(len(here), np.nan), where=number > 0)
    left = max(0, finish - until)
    value = rows["value"][here]
    if rule.statistic == "total":
        operates = operated / np.maximum(parts, 1)
        hours = np.full(len(here), left / HOUR)
        rows["rest"][here] = budget.total_allowance(value, hours, threshold)
        rows["forecast"][here] = value + rate * operates * hours / budget.KILOGRAMS
        rows["breaks_at"][here] = budget.total_breaks_at(
            value, threshold, rate, until, finish, share=operates
        )
        return
    step = int(short.finish[0] - short.start[0])
    remaining = np.full(len(here), left / step)
    # A running mean is made of valid and filled short-term averages.
    weight = weight + sum(rows[name][here] for name in FILLED)
    weight = np.where(np.isnan(value), 0.0, weight)
    # The mean is that of validated averages: what is subtracted goes on being so.
    subtracted = np.nan_to_num(rows["raw"][here] - value)
    rate = np.maximum(rate - subtracted, 0.0)
    rows["rest"][here] = budget.mean_allowance(value, weight, remaining, threshold) + subtracted
    spent = np.where(weight > 0, value * weight, 0.0)
    whole = weight + remaining
    rows["forecast"][here] = (spent + rate * remaining) / np.maximum(whole, 1)
    rows["breaks_at"][here] = budget.mean_breaks_at(
        value, weight, remaining, threshold, rate, until, finish
    )


def _of_counts(rule: Rule, rows: Rows, here: NDArray[np.intp], until: int) -> None:
    """Forecast shares and counts: how many parts will exceed, and when those are too many."""
    exceeding, allowed = rows["exceeding"][here], rows["allowed"][here]
    counted = (exceeding != NONE) & (allowed != NONE)
    here, exceeding, allowed = here[counted], exceeding[counted], allowed[counted]
    if not len(here):
        return
    finish = int(rows["finish"][here[0]])
    rate = exceeding / np.maximum(rows["valid"][here], 1)
    if rule.statistic == "count" and rule.at_most is None:
        rate = np.zeros(len(here))  # what is on end has no rate
    part = _part(rule)
    rows["threshold"][here] = allowed
    rows["forecast"][here] = exceeding + np.floor(rate * max(0, (finish - until) // part))
    left = (allowed - exceeding).astype(np.int64)
    rows["breaks_at"][here] = budget.count_breaks_at(left, rate, part, until, finish)


def _part(rule: Rule) -> int:
    """Return the length of the parts that are counted, microseconds; of days 24 h."""
    text = rule.short_term if rule.rolling or rule.of == "out_of_calibration" else rule.average
    length = duration({"invalid_days": "1d", "calibration_weeks": "1week"}.get(rule.of, text))
    return (length.days or 30 * (length.months or 0)) * DAY or length.exact
