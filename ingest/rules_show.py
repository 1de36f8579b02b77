"""A rule set in sentences, for whoever has to trust it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ingest.rules_values import LIMIT_AVERAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.rules_model import Condition, Reference, RuleSet, RuleVersion

_WIDTH = 100
_OF = {
    "exceeding": "averages above the threshold",
    "invalid_days": "invalid days",
    "out_of_calibration": "averages above the valid calibration range",
    "abatement_failure": "hours above the threshold",
    "calibration_weeks": "weeks with more than 5 % above the valid calibration range",
    "special_class": "averages of start-up and shut-down above the threshold: counted, not judged",
    "failure_up_to": "averages above the threshold, at most {bound:g} mg/m3: counted, not judged",
    "failure_above": "averages above the threshold and {bound:g} mg/m3: counted, not judged",
}
_UNCERTAINTY = {
    "limit": "a share of the limit",
    "value": "a share of the average, at most of the limit",
    "calibration": "what the channel's newest calibration states",
}


def summary(found: RuleSet) -> str:
    """Return one line: id, newest version, title."""
    return f"{found.id:<16} {found.versions[-1].from_}  {title(found)}"


def title(found: RuleSet) -> str:
    """Return the English title, else the first."""
    return found.title.get("en") or next(iter(found.title.values()))


def readable(found: RuleSet) -> str:
    """Return all that a rule set says, with its sources and what is not verified."""
    lines = [f"{found.id}: {title(found)}"]
    lines += [f"  {language}: {text}" for language, text in found.title.items() if language != "en"]
    if found.note:
        lines += ["", *textwrap.wrap(found.note, _WIDTH)]
    for version in found.versions:
        lines += ["", f"From {version.from_}", *_settings(version), "", "  Conditions:"]
        for condition in version.conditions:
            lines += _condition(condition)
        if version.unverified:
            lines += ["", "  From memory, not verified: " + ", ".join(version.unverified)]
    lines += ["", "Sources:", *(f"  - {source}" for source in found.sources)]
    return "\n".join(lines)


def _settings(version: RuleVersion) -> Iterator[str]:
    yield f"  Values are compared {_state(version.basis)}"
    if version.short_term == LIMIT_AVERAGE:
        yield "  Averages are made of values, over what each limit names"
    else:
        first = "values, each" if version.normalise == "each" else "averages, once made,"
        yield f"  Averages are made of those over {version.short_term}; {first} converted"
    yield f"  An average is valid with {_validity(version)}"
    if version.leaves_out:
        yield f"  Left out (no normal operation): {', '.join(version.leaves_out)}"
    if version.counts:
        yield f"  Counted beside valid values: {', '.join(version.counts)}"
    if version.uncorrected:
        yield (
            "  Where they count, not brought to the reference oxygen or CO2: values of "
            f"{', '.join(version.uncorrected)}"
        )
    given = version.uncertainty
    if given.method != "none":
        shares = ", ".join(f"{code} {share}" for code, share in given.shares.items())
        yield f"  Subtracted from each: {_UNCERTAINTY[given.method]}" + (
            f" ({shares})" if shares and given.method != "calibration" else ""
        )
    if version.decimals is not None:
        yield f"  Averages are rounded to {version.decimals} decimals before they are compared"
    if version.substitution != "none":
        yield f"  Missing averages are substituted: {version.substitution}"
    yield f"  A period is named by its {version.label}"


def _state(basis: Reference) -> str:
    words = []
    if basis.standard:
        words.append(f"at {basis.temperature:g} K and {basis.pressure:g} kPa")
    if basis.dry:
        words.append("dry")
    if basis.oxygen == LIMIT_AVERAGE:
        words.append(f"at the reference oxygen of the limit ({basis.air:g} % in air)")
    elif basis.oxygen is not None:
        words.append(f"at {float(basis.oxygen):g} % O2 ({basis.air:g} % in air)")
    if basis.co2 is not None:
        words.append(f"at {basis.co2:g} % CO2")
    if basis.oxygen_cap is not None:
        words.append(f"oxygen capped at {basis.oxygen_cap:g} %")
    return ", ".join(words) or "as measured, or in the state that the limit names"


def _validity(version: RuleVersion) -> str:
    rules = version.validity
    words = [f"{rules.coverage} of its values"]
    if rules.quadrants:
        words = ["a value in each 15 minutes"]
    if rules.invalid_parts_a_day is not None:
        words.append(f"a day with at most {rules.invalid_parts_a_day} invalid averages")
    if rules.valid_parts_a_day is not None:
        words.append(f"a day with {rules.valid_parts_a_day} valid averages")
    if rules.valid_days_a_month is not None:
        february = rules.valid_days_in_february or rules.valid_days_a_month
        words.append(f"a month with {rules.valid_days_a_month} days (February {february})")
    return ", ".join(words)


def _condition(condition: Condition) -> list[str]:
    marks = [] if condition.verified else ["NOT VERIFIED"]
    if condition.optional:
        marks.append("only where the limit names it")
    if condition.value == "own":
        marks.append("figure of its own in the limit's values")
    if condition.substances:
        marks.append(f"for {', '.join(condition.substances)}")
    if condition.except_:
        marks.append(f"not for {', '.join(condition.except_)}")
    if condition.group:
        marks.append(f'one of the group "{condition.group}" is enough')
    note = f" [{'; '.join(marks)}]" if marks else ""
    return [
        f"    {condition.id}: {condition.says}{note}",
        f"      {_judged(condition)}",
        f"      {condition.clause}",
    ]


def _judged(condition: Condition) -> str:
    over = "the limit's average" if condition.average == LIMIT_AVERAGE else condition.average
    kind = "rolling " if condition.rolling else ""
    kind += "geometric " if condition.geometric else ""
    threshold = f"{condition.factor} x limit" if condition.factor != "1" else "limit"
    sign = "<" if condition.reached else "<="
    per = f"{'any ' if condition.rolling_per else ''}{condition.per}"
    if condition.statistic == "total":
        return f"mass over {over} <= limit"
    if condition.statistic == "share":
        what = f"{threshold}" if condition.of == "exceeding" else "1.1 x calibration range"
        return f"in {per} at least {condition.share} of {kind}means over {over} {sign} {what}"
    if condition.statistic == "count":
        if condition.at_most is None and condition.at_most_in_a_row is None:
            return f"in {per} {_OF[condition.of].format(bound=condition.bound)}"
        most = [f"at most {condition.at_most}"] if condition.at_most is not None else []
        if condition.at_most_in_a_row is not None:
            most.append(f"at most {condition.at_most_in_a_row} in a row")
        return f"in {per} {', '.join(most)} {_OF[condition.of]}"
    classed = condition.classes
    also = f"; counted in {classed.number} classes up to {classed.top} x limit" if classed else ""
    return f"each {kind}mean over {over} {sign} {threshold}{also}"
