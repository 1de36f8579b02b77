"""What a condition of a rule set may not say: what contradicts itself, or cannot be judged.

Each function raises ValueError in words for whoever mends the file, naming the field and what to
write instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import DAY, HOUR
from ingest.rules_values import CALENDAR, LIMIT_AVERAGE, is_fixed, nominal, window_text

if TYPE_CHECKING:
    from ingest.rules_model import Condition, RuleVersion

LONGEST_RUN = 31 * DAY  # how far back what occurs on end is followed
_OF_FAILURE = ("failure_up_to", "failure_above")
_APART = ("special_class", *_OF_FAILURE)  # counted, and not judged
_OF_AVERAGES = ("out_of_calibration", "abatement_failure", "calibration_weeks", *_APART)
EVENTS = _OF_AVERAGES[1:]  # what is counted by rules of its own


def check_condition(condition: Condition) -> None:
    """Refuse a condition that lacks what its statistic needs, or has what it cannot use."""
    statistic, of = condition.statistic, condition.of
    if statistic in ("share", "count") and condition.per is None:
        raise ValueError(f"per is missing: a {statistic} is of a time, such as 1year")
    if statistic == "share" and condition.share is None:
        raise ValueError("share is missing: how many must comply, such as 0.95")
    if statistic in ("mean", "total") and condition.per is not None:
        raise ValueError(f"per is for shares and counts: a {statistic} has its average")
    if statistic in ("mean", "total") and of != "exceeding":
        raise ValueError(f"of: {of} is counted: statistic count")
    if statistic == "total" and condition.geometric:
        raise ValueError("geometric is for means: a total is a sum")
    _check_classes(condition)
    if of in EVENTS:
        _check_event(condition)
    elif condition.per is not None:
        _check_per(condition.per, rolling=condition.rolling_per)
    if statistic == "count":
        _check_count(condition)


def _check_classes(condition: Condition) -> None:
    if condition.bound is not None and condition.of not in _OF_FAILURE:
        raise ValueError("bound: it is for of: failure_up_to and failure_above")
    if condition.classes is not None and (condition.statistic != "mean" or condition.rolling):
        raise ValueError("classes: it is means that are counted in classes, and none that roll")


def _check_per(per: str, *, rolling: bool) -> None:
    """Refuse several days that do not roll: no calendar says where they begin."""
    if not rolling and window_text(per) not in {"1d", *CALENDAR} and not per.endswith("days"):
        raise ValueError(
            f"per: {per} begins on no day of the calendar: rolling_per: true for any such time, "
            f"or {', '.join(('1d', *CALENDAR))}"
        )


def _check_count(condition: Condition) -> None:
    if condition.of in _APART:
        if condition.at_most is not None or condition.at_most_in_a_row is not None:
            raise ValueError(f"at_most: {condition.of} is counted apart, and never too often")
        return
    if condition.at_most is None and condition.at_most_in_a_row is None:
        raise ValueError("at_most is missing: how many there may be")
    in_a_row = condition.at_most_in_a_row
    if in_a_row is None or condition.average == LIMIT_AVERAGE:
        return
    part = HOUR if condition.of == "abatement_failure" else nominal(condition.average)
    if (in_a_row + 1) * part > LONGEST_RUN:
        raise ValueError(f"at_most_in_a_row: {in_a_row} is more than the 31 days that are followed")


def _check_event(condition: Condition) -> None:
    of, per = condition.of, condition.per or ""
    if condition.statistic != "count":
        raise ValueError(f"of: {of} is counted: statistic count")
    if of in _OF_FAILURE and condition.bound is None:
        raise ValueError(f"bound is missing: what {of} goes by, in mg/m3, such as 100")
    if of == "calibration_weeks":
        if per != "1week" or condition.rolling_per:
            raise ValueError("per: calibration_weeks are judged at the end of each 1week")
        if condition.at_most is None or condition.at_most_in_a_row is not None:
            raise ValueError("at_most is missing: in how many weeks more than 5 % may be outside")
    elif of == "abatement_failure" and condition.rolling_per:
        if per not in {"1month", "1quarter", "1year"}:
            raise ValueError(f"per: hours of failure in any {per}: 1month, 1quarter or 1year")
    elif condition.rolling_per:
        raise ValueError(f"rolling_per: {of} is counted in a period of the calendar")
    else:
        _check_per(per, rolling=False)
        if per.endswith("operating_days"):
            raise ValueError(f"per: {of} is counted in a period of the calendar, such as 1year")


def check_version(version: RuleVersion) -> None:
    """Refuse conditions that the version's other settings keep from being judged."""
    for condition in version.conditions:
        short_term = window_text(condition.short_term or version.short_term)
        average = window_text(condition.average)
        if condition.of in _OF_AVERAGES:
            if average != LIMIT_AVERAGE and nominal(average) > HOUR:
                raise ValueError(
                    f'the condition "{condition.id}": {condition.of} is counted by short-term '
                    f"averages: average: {short_term}"
                )
        elif average != short_term:
            _check_substitution(version.substitution, condition, short_term)


def _check_substitution(method: str, condition: Condition, short_term: str) -> None:
    if method == "part75" and short_term not in {"1h", LIMIT_AVERAGE}:
        raise ValueError(
            f'substitution: part75 fills hours, the condition "{condition.id}" is made of averages '
            f"over {short_term}: short_term: 1h"
        )
    if method == "mean_two_sigma" and (condition.rolling or "operating" in condition.average):
        raise ValueError(
            "substitution: mean_two_sigma is of the year up to a period of the calendar, the "
            f'condition "{condition.id}" rolls: neighbours, maximum or none'
        )
    if method != "none" and is_fixed(short_term) and nominal(short_term) < HOUR // 6:
        raise ValueError(f"substitution: of averages over {short_term}: at least 10min")
