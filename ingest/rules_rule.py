"""A condition of a rule set, resolved for one limit: the ``Rule`` that is stored with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from alerts.core.rounding import LARGEST_DENOMINATOR, exact_fraction, thresholds
from alerts.core.rules import Rule
from ingest.rules_units import AMOUNT
from ingest.rules_values import is_fixed, window_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.registry_model import Calibration, Channel
    from ingest.rules_model import Condition, RuleVersion
    from ingest.rules_part75 import Gaps

_LEAST = Fraction(1, 10**8)  # of a factor: less than nine significant digits tell
_FIELDS = [one.name for one in fields(Rule)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule takes from a limit and its channel.

    ``value`` is the condition's figure and ``daily`` the limit's own, both in ``unit``; ``range``,
    ``uncertainty`` and ``calibrated`` (its day) are those of the channel's newest calibration.
    ``gaps``: how they are filled.
    """

    rules: str
    value: float
    daily: float
    unit: str
    average: str
    short_term: str
    coverage: str
    parameter: str
    range: float | None
    uncertainty: float | None
    calibrated: str | None
    gaps: Gaps


class Resolved(NamedTuple):
    """A rule as JSON, and what rolling means are followed against."""

    text: str
    threshold: float
    uom: str


@lru_cache(65_536)  # limits of one value are many, and their rule the same
def resolved(version: RuleVersion, condition: Condition, facts: Facts) -> Resolved:
    """Return a condition with every setting resolved."""
    rule = _rule(version, condition, facts)
    plain = {name: getattr(rule, name) for name in _FIELDS}
    plain["apart"] = [asdict(one) for one in rule.apart]
    threshold = thresholds(rule.limit, _followed_factor(condition), "1")[0]
    return Resolved(json.dumps(plain, ensure_ascii=False), threshold, rule.uom)


def newest_calibration(channel: Channel) -> Calibration | None:
    """Return the calibration function that applies last."""
    return max(channel.calibration or (), key=lambda one: one.from_, default=None)


def calibrated_range(channel: Channel) -> float | None:
    """Return the upper end of the newest calibration's valid range."""
    newest = newest_calibration(channel)
    return None if newest is None or newest.range is None else newest.range[1]


def leaves_out(version: RuleVersion, condition: Condition) -> Sequence[str]:
    """Return the statuses that are no normal operation to a condition."""
    return version.leaves_out if condition.leaves_out is None else condition.leaves_out


def _rule(version: RuleVersion, condition: Condition, facts: Facts) -> Rule:
    value, validity = facts.value, version.validity
    # Numbers of parts a day are of the rule set's own short-term averages, not of shorter ones.
    own_parts = condition.short_term in {None, version.short_term}
    uom, scale = AMOUNT.get(facts.unit, (facts.unit, 1.0))
    rule = Rule(
        rules=facts.rules,
        version=version.from_,
        condition=condition.id,
        clause=f"{condition.clause}{_clause_of(facts.gaps)}",
        verified=condition.verified,
        statistic=condition.statistic,
        average=facts.average,
        short_term=facts.short_term,
        limit=value if scale == 1.0 else thresholds(value * scale, "1", "1")[0],
        uom=uom,
        factor=condition.factor,
        reached=condition.reached,
        rolling=condition.rolling,
        per=None if condition.per is None else window_text(condition.per),
        rolling_per=condition.rolling_per,
        share=condition.share,
        of=condition.of,
        at_most=condition.at_most,
        at_most_in_a_row=condition.at_most_in_a_row,
        bound=condition.bound,
        coverage=condition.coverage or facts.coverage,
        quadrants=validity.quadrants,
        leaves_out=tuple(leaves_out(version, condition)),
        invalid_parts_a_day=validity.invalid_parts_a_day if own_parts else None,
        valid_parts_a_day=validity.valid_parts_a_day if own_parts else None,
        valid_days_a_month=validity.valid_days_a_month,
        valid_days_in_february=validity.valid_days_in_february,
        geometric=condition.geometric,
        decimals=version.decimals,
        label=version.label,
        substitution=version.substitution,
        look_back=facts.gaps.look_back,
        potential=version.potential,
        by_load=facts.gaps.by_load,
        load=facts.gaps.load,
        maximum_load=facts.gaps.maximum_load,
        apart=facts.gaps.apart,
        calibration_range=facts.range,
        calibrated_from=facts.calibrated if condition.of == "calibration_weeks" else None,
        classes=None if condition.classes is None else condition.classes.number,
        classes_top="1" if condition.classes is None else condition.classes.top,
        group=condition.group,
        alert=_is_followed(condition, facts.average),
    )
    return _with_uncertainty(rule, version, facts)


def _clause_of(gaps: Gaps) -> str:
    """Return what tells whether gaps of NOx and flow are filled by ranges of load, if there are."""
    if not gaps.by_load and not any(one.by_load for one in gaps.apart):
        return ""
    if gaps.load is None:
        return "; gaps of NOx and flow by 75.33(d): no load is told"
    return f"; gaps of NOx and flow by 75.33(c): ranges of the load that {gaps.load} tells"


def _followed_factor(condition: Condition) -> str:
    """Return the factor that rolling means are followed with, which know only "above"."""
    if not condition.reached:
        return condition.factor
    # A mean that reaches the threshold exceeds this: nine digits can hardly tell it from the next.
    least = exact_fraction(condition.factor) - _LEAST
    return f"{Decimal(least.numerator) / Decimal(least.denominator):.9f}".rstrip("0")


def _is_followed(condition: Condition, average: str) -> bool:
    """Tell whether rolling means are followed: an early warning of what blocks are judged by."""
    judges_means = condition.statistic in ("mean", "share") and condition.of == "exceeding"
    return condition.alert and judges_means and not condition.geometric and is_fixed(average)


def _with_uncertainty(rule: Rule, version: RuleVersion, facts: Facts) -> Rule:
    given, parameter = version.uncertainty, facts.parameter
    if given.method == "calibration":
        if facts.uncertainty is None:
            return rule
        return replace(rule, uncertainty="calibration", uncertainty_amount=facts.uncertainty)
    share = given.shares.get(parameter)
    if given.method == "none" or share is None:
        return rule
    small, daily = given.small_limits.get(parameter), facts.daily
    exact = exact_fraction(share)
    if small is not None and daily < small.below:
        exact *= exact_fraction(small.factor)
    # The share is of the daily limit, whatever the figure (2010/75/EU, annex VI part 6, 1.3).
    exact *= Fraction(str(daily)) / Fraction(str(facts.value))
    if exact != exact_fraction(share):
        exact = exact.limit_denominator(LARGEST_DENOMINATOR)
        share = f"{exact.numerator}/{exact.denominator}"
    return replace(rule, uncertainty=given.method, uncertainty_share=share)
