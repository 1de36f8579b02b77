"""Which conditions of its rule set a limit must meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.rules_rule import calibrated_range
from ingest.rules_stack import RuleProblem
from ingest.rules_units import AMOUNT
from ingest.rules_values import LIMIT_AVERAGE, nominal, window_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.registry_model import Channel, Limit
    from ingest.rules_model import Condition, RuleVersion

_OF_RANGE = ("out_of_calibration", "calibration_weeks")


def meant(limit: Limit, version: RuleVersion, channel: Channel) -> Iterator[tuple[Condition, str]]:
    """Yield the conditions that a limit on a channel must meet, each with its average.

    Raises RuleProblem where there is none, or one that is named is not known.
    """
    known = [one.id for one in version.conditions]
    for name in (*(limit.conditions or ()), *(limit.values or ())):
        if name not in known:
            raise RuleProblem(
                f'{limit.rules} has no condition "{name}"; it has {", ".join(known)}',
                "conditions" if name in (limit.conditions or ()) else "values",
            )
    if limit.average is not None and limit.unit in AMOUNT and not _is_budget(limit.average):
        raise RuleProblem(
            f"an amount in {limit.unit} over {limit.average}: amounts are summed over 1d, 1week, "
            "1month, 1quarter or 1year",
            "average",
        )
    found = [
        (one, window_text(limit.average or "" if one.average == LIMIT_AVERAGE else one.average))
        for one in version.conditions
        if _is_meant(one, limit, channel)
    ]
    if not found:
        raise RuleProblem(_nothing(limit, version), "average" if limit.average else "rules")
    yield from found


def _is_budget(average: str) -> bool:
    return nominal(average) >= nominal("1d")


def _is_meant(condition: Condition, limit: Limit, channel: Channel) -> bool:
    """Tell whether a condition is one of those that the limit must meet."""
    parameter = channel.parameter
    named = limit.conditions is not None and condition.id in limit.conditions
    return (
        (condition.statistic == "total") == (limit.unit in AMOUNT)
        and (condition.substances is None or parameter in condition.substances)
        and (condition.except_ is None or parameter not in condition.except_)
        and (named or (limit.conditions is None and not condition.optional))
        and (condition.value == "limit" or condition.id in (limit.values or {}))
        and (condition.of not in _OF_RANGE or calibrated_range(channel) is not None)
        and (condition.bound is None or limit.unit == "mg/m3")
        and _is_over(condition.average, limit.average)
    )


def _is_over(average: str, wanted: str | None) -> bool:
    """Tell whether a condition's average is the one that the limit names, if it names one."""
    if wanted is None:
        return average != LIMIT_AVERAGE
    return average == LIMIT_AVERAGE or window_text(average) == window_text(wanted)


def _nothing(limit: Limit, version: RuleVersion) -> str:
    what = f"{limit.rules} has no condition for a limit in {limit.unit}"
    if limit.average is None and any(one.average == LIMIT_AVERAGE for one in version.conditions):
        return f"{what} without an average: say one, such as average: 20min"
    over = f" over {limit.average}" if limit.average else ""
    windows = ", ".join(dict.fromkeys(one.average for one in version.conditions))
    return f"{what}{over} on {limit.channel}: it judges {windows}"
