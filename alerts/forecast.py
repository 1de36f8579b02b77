"""Forecasts of running periods: what the rest may average, what it will come to, when that breaks.

The present rate of means and masses is that of the last tenth of the period's length; of shares
and counts that of the period so far, once a tenth of it has passed. A forecast is a warning, never
a judgement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core import budget
from alerts.core.compliance import FILLED
from alerts.core.periods import duration
from alerts.core.validity import averages
from alerts.core.verdicts import NONE
from alerts.core.vocabulary import DAY, HOUR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.verdicts import Verdicts

    Rows = NDArray[np.void]

TENTH = 10


def put_forecasts(  # noqa: PLR0913, PLR0917 - the rows, where they come from, and when
    rule: Rule,
    rows: Rows,
    period: NDArray[np.intp],
    column: NDArray[np.intp],
    verdicts: Verdicts,
    short: ShortTerm,
    until: int,
) -> None:
    """Fill in ``rest``, ``forecast`` and ``breaks_at`` of the rows that are not over.

    ``rows`` are those of ``period`` and ``column`` of the verdicts.
    """
    running = np.flatnonzero(~rows["over"])
    for p in np.unique(period[running]).tolist():
        here = running[period[running] == p]
        start, finish = int(verdicts.start[p]), int(verdicts.finish[p])
        if rule.statistic in {"mean", "total"}:
            threshold = verdicts.threshold[p, column[here]]
            _of_amounts(rule, rows, here, column[here], threshold, short, until)
        elif until - start >= (finish - start) // TENTH:
            _of_counts(rule, rows, here, until)


def _of_amounts(  # noqa: PLR0913, PLR0917 - as above, of one period
    rule: Rule,
    rows: Rows,
    here: NDArray[np.intp],
    column: NDArray[np.intp],
    threshold: NDArray[np.float64],
    short: ShortTerm,
    until: int,
) -> None:
    start, finish = int(rows["start"][here[0]]), int(rows["finish"][here[0]])
    low = int(np.searchsorted(short.start, until - (finish - start) // TENTH))
    high = int(np.searchsorted(short.finish, until, side="right"))
    low = max(min(low, high - 1), int(np.searchsorted(short.start, start)))
    recent = short.first(high)
    valid = averages(rule, recent)[0][low:, column]
    mean = recent.mean[low:, column]
    number = valid.sum(axis=0)
    sums = np.where(valid, mean, 0.0).sum(axis=0)
    rate = np.divide(sums, number, out=np.full(len(here), np.nan), where=number > 0)
    left = max(0, finish - until)
    value = rows["value"][here]
    rows["threshold"][here] = threshold
    if rule.statistic == "total":
        slots = np.maximum(recent.expected - recent.stopped, 0) / np.maximum(recent.expected, 1)
        operates = np.broadcast_to(slots, recent.mean.shape)[low:, column].mean(axis=0)
        hours = np.full(len(here), left / HOUR)
        rows["rest"][here] = budget.total_allowance(value, hours, threshold)
        rows["forecast"][here] = value + rate * operates * hours / budget.KILOGRAMS
        rows["breaks_at"][here] = budget.total_breaks_at(
            value, threshold, rate, until, finish, share=operates
        )
        return
    step = int(short.finish[0] - short.start[0])
    remaining = np.full(len(here), left / step)
    weight = _weight(rule, rows, here, start, until, short, column)
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


def _weight(  # noqa: PLR0913, PLR0917 - as above
    rule: Rule,
    rows: Rows,
    here: NDArray[np.intp],
    start: int,
    until: int,
    short: ShortTerm,
    column: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return how many valid or filled short-term averages a running mean is made of."""
    low, high = np.searchsorted(short.start, [start, until])
    valid = averages(rule, short)[0][low:high, column].sum(axis=0)
    valid = valid + sum(rows[name][here] for name in FILLED)
    return np.where(np.isnan(rows["value"][here]), 0, valid).astype(np.float64)


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
