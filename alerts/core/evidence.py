"""Evidence: short-term averages made ready to be judged by one rule.

What counts, what operated, which limit each is held to and what it is after its uncertainty was
subtracted; the same for means, shares and counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.filling import any_filled, filled, fills
from alerts.core.periods import duration
from alerts.core.rounding import exact_fraction, round_decimals, round_significant
from alerts.core.shortterm import first_rows, fits
from alerts.core.validated import of_limit, of_value, validated
from alerts.core.validity import averages, days, has_day_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.carried import Tallies
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.validity import Days

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_NEAR = 1e-7  # of a threshold: further from it rounding to 9 digits does not matter


@dataclass(frozen=True, slots=True)
class Evidence:
    """T short-term averages that ended by ``until``, for n channels, under ``rule``.

    ``limit``: the emission limit value, (1, n) or (T, n). ``values`` (T, n): validated means,
    rounded no further. ``counts``: valid, the limit in force, and not of an invalid day where
    those are discarded. ``operating``: in operation. ``expected``: in operation, limit in force.
    ``days``: their validity, where the rule needs it. ``methods``: how each average was filled,
    ``Method``s (T, n), or each of the members that it is made of; none where gaps are not filled.
    ``short`` holds the filled averages. ``tallies``: what is carried on of the period that the rows
    begin in; None: they hold it whole.
    """

    rule: Rule
    short: ShortTerm
    zone: str
    until: int
    limit: Floats
    values: Floats
    counts: Flags
    operating: Flags
    in_force: Flags
    days: Days | None
    methods: tuple[NDArray[np.int8], ...] = ()
    tallies: Tallies | None = None

    def tally(self, name: str, figures: NDArray[Any]) -> NDArray[Any]:
        """Return figures of the periods (P, n) with what was carried on from before the rows."""
        return figures if self.tallies is None else self.tallies.add(name, figures)

    @property
    def grid(self) -> int:
        """What periods of these averages begin at multiples of: see ``periods.edges``."""
        return duration(self.rule.short_term).grid

    @property
    def substituted(self) -> Flags:
        """Tell which short-term averages that count rest on a substitute, for all or for a part."""
        return self.counts & ((self.short.marked > 0) | self.filled)

    @property
    def filled(self) -> Flags:
        """Tell which short-term averages were filled as a whole, or any of their members was."""
        return any_filled(self.methods, self.counts.shape)

    @property
    def expected(self) -> Flags:
        """Tell which short-term averages were in operation with the limit in force."""
        return self.operating & self.in_force


def gather(  # noqa: PLR0913, PLR0917 - as ``statistics.judge``
    rule: Rule,
    limit: Floats | float,
    short: ShortTerm,
    zone: str,
    until: int,
    in_force: Flags | None = None,
    tallies: Tallies | None = None,
) -> Evidence:
    """Return the evidence of the averages that ended by ``until``: see ``statistics.judge``.

    Invalid days are discarded from means, shares and counts that span more than a day, if the rule
    says which they are; not from masses, which they would make too low.
    Raises ValueError for a limit of another shape.
    """
    rows = int(np.searchsorted(short.finish, until, side="right"))
    limits = _limits(limit, short, rows)
    forced = np.ones((1, 1), np.bool_) if in_force is None else in_force
    forced = first_rows(forced, short.rows, rows)
    short = short.first(rows)
    valid, operating = averages(rule, short)
    in_force = np.broadcast_to(forced, valid.shape)
    counts = valid & in_force
    methods: tuple[NDArray[np.int8], ...] = ()
    if fills(rule):
        value, methods = filled(rule, short, zone, valid, operating, in_force)
        short = replace(short, mean=value)
        counts = (counts | (any_filled(methods, counts.shape) & in_force)) & ~np.isnan(value)
    values = _validated(rule, short.mean, limits)
    if rule.geometric:
        counts &= values > 0  # what has no logarithm is no part of a geometric mean
    found = None
    if _needs_days(rule):
        found = days(rule, zone, short, counts, operating & in_force, until)
        if _discards_days(rule):
            counts = counts & found.rows()
    return Evidence(
        rule,
        short,
        zone,
        until,
        limits,
        values,
        counts,
        operating,
        in_force,
        found,
        methods,
        tallies,
    )


def threshold(rule: Rule, limit: Floats) -> Floats:
    """Return factor x limit, rounded like means are."""
    return round_significant(limit * float(exact_fraction(rule.factor)))


def rounded(rule: Rule, values: Floats) -> Floats:
    """Round half away from zero, to ``rule.decimals`` or 9 significant digits."""
    if rule.decimals is not None:
        return round_decimals(values, rule.decimals)
    return round_significant(values)


def exceeds(rule: Rule, values: Floats, above: Floats) -> Flags:
    """Tell which ``values`` are strictly above after rounding, or at it if the rule says so.

    NaN is neither. Only what is next to the threshold is rounded: elsewhere it makes no difference.
    """
    found: Flags = values > above
    width = np.abs(above) * _NEAR
    if rule.decimals is not None:
        width = np.maximum(width, 10.0**-rule.decimals)
    near = np.abs(values - above) <= width
    if near.any():
        here, at = np.broadcast_to(above, values.shape)[near], rounded(rule, values[near])
        found[near] = at >= here if rule.reached else at > here
    return found


def _limits(limit: Floats | float, short: ShortTerm, rows: int) -> Floats:
    limits = np.atleast_2d(np.asarray(limit, np.float64))
    if not fits(limits.shape, short.mean.shape):
        expected = f"one limit, {short.channels} or {short.mean.shape}"
        raise ValueError(f"expected {expected}, not {np.shape(limit)}")
    return first_rows(limits, short.rows, rows)


def _validated(rule: Rule, mean: Floats, limit: Floats) -> Floats:
    """Return means less their uncertainty; unchanged, below zero too, where none is subtracted.

    Raises ValueError for an uncertainty that is unknown or lacks its figure.
    """
    if rule.uncertainty == "none":
        return mean
    if rule.uncertainty == "calibration" and rule.uncertainty_amount is not None:
        return validated(mean, rule.uncertainty_amount)
    if rule.uncertainty in {"limit", "value"} and rule.uncertainty_share is not None:
        share = float(exact_fraction(rule.uncertainty_share))
        if rule.uncertainty == "limit":
            return validated(mean, of_limit(limit, share))
        return validated(mean, of_value(mean, limit, share))
    raise ValueError(f"expected an uncertainty and its figure, not {rule.uncertainty!r} alone")


def _beyond_a_day(rule: Rule) -> bool:
    spans = (rule.average,) if rule.per is None else (rule.average, rule.per)
    return any(duration(span).beyond_a_day for span in spans)


def _discards_days(rule: Rule) -> bool:
    judges_means = rule.statistic != "total" and rule.of == "exceeding"
    return judges_means and _beyond_a_day(rule) and has_day_rule(rule)


def _needs_days(rule: Rule) -> bool:
    by_days = duration(rule.average) == duration("1d") or _beyond_a_day(rule)
    wanted = rule.valid_days_a_month is not None or rule.of == "invalid_days"
    return wanted or (by_days and has_day_rule(rule))
