"""A limit that names a rule set, as the rows that it is judged by.

Each version of the rule set that is in force while the permit is, and each of its conditions, gives
a row in ``limits``; what they judge may be derived channels, with rows of their own. Rows named
"record" only have block means kept that the conditions are judged from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest.registry_values import microseconds, midnight, midnight_after, parse_day
from ingest.rules_chain import chain_of
from ingest.rules_judged import judged
from ingest.rules_meant import meant
from ingest.rules_part75 import gaps_of, kept_for
from ingest.rules_rule import Facts, calibrated_range, leaves_out, newest_calibration, resolved
from ingest.rules_stack import RuleProblem, Stack
from ingest.rules_values import LIMIT_AVERAGE, is_fixed, nominal, window_text
from storage.registry_rows import ChannelRow, LimitRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ingest.registry_model import Channel, Limit, Permit
    from ingest.rules_chain import Chain
    from ingest.rules_judged import Judged
    from ingest.rules_model import Condition, RuleVersion
    from ingest.rules_part75 import Gaps
    from ingest.rules_resolve import RuleSets

RECORD = "record"
_QUARTER_HOUR = "15min"
# Whatever limits of a permit want a record: it is one row, which does not depend on their order.
_OF_RECORDS: dict[str, Any] = {
    "uom": "-",  # nothing is compared
    "coverage": "2/3",
    "warn_at": "0.8",
    "clear_at": "0.95",
    "open_after_us": 0,
    "clear_after_us": 0,
    "condition": RECORD,
    "rule": json.dumps({"record": True}),
}


@dataclass(slots=True)
class Expansion:
    """The rows of limits; of one limit they may repeat those of another."""

    channels: list[ChannelRow] = field(default_factory=list)
    limits: list[LimitRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Case:
    """One limit under one version of its rule set, in force from ``begin`` to before ``end``."""

    permit: Permit
    limit: Limit
    channel: Channel
    version: RuleVersion
    coverage: str
    begin: datetime
    end: datetime


def expand_limit(permit: Permit, limit: Limit, stack: Stack, sets: RuleSets) -> Expansion:
    """Return the rows of a limit that names a rule set.

    Raises RuleProblem with the place within the limit's entry, where it cannot be judged.
    """
    versions = sets.versions(limit.rules or "", limit.override)
    channel = stack.channels[limit.channel]
    expansion = Expansion()
    begin = midnight(parse_day(permit.valid.from_), stack.zone)
    end = midnight_after(parse_day(permit.valid.until), stack.zone)
    starts = [midnight(parse_day(one.from_), stack.zone) for one in versions]
    for version, since, until in zip(versions, starts, [*starts[1:], end], strict=True):
        span = max(begin, since), min(end, until)
        if span[0] < span[1]:
            coverage = limit.coverage or version.validity.coverage
            _expand(_Case(permit, limit, channel, version, coverage, *span), stack, expansion)
    if not expansion.limits:
        raise RuleProblem(
            f"{limit.rules} applies from {versions[0].from_} on, after the permit has ended",
            "rules",
        )
    return expansion


def _expand(case: _Case, stack: Stack, into: Expansion) -> None:
    judgeds: dict[tuple[str, bool, bool], Judged] = {}
    records: dict[tuple[str, str, str], LimitRow] = {}
    wanted = list(meant(case.limit, case.version, case.channel))
    chain = chain_of(case.limit, case.limit.rules or "", case.version, stack, case.channel)
    gaps = gaps_of(chain)
    for condition, average in wanted:
        starts = condition.of == "special_class"
        by_idleness = starts or bool(leaves_out(case.version, condition))
        kind = _short_term(case, condition, average), by_idleness, starts
        if kind not in judgeds:
            judgeds[kind] = found = _judged(case, chain, kind)
            into.channels += found.rows
            counted = found.main[1] if found.main else ""
            beside = kept_for(chain, gaps, counted, _windows(case, kind[0]))
            for row in _records(case, kind[0], found, beside):
                records.setdefault((row.channel, row.basis, row.average), row)
        into.limits.append(_row(case, condition, average, kind[0], judgeds[kind], gaps))
    into.limits += records.values()


def _judged(case: _Case, chain: Chain, kind: tuple[str, bool, bool]) -> Judged:
    short_term, by_idleness, starts = kind
    return judged(
        chain,
        case.permit.enterprise,
        short_term=short_term,
        coverage=case.coverage,
        by_idleness=by_idleness,
        starts=starts,
    )


def _short_term(case: _Case, condition: Condition, average: str) -> str:
    text = condition.short_term or case.version.short_term
    if text != LIMIT_AVERAGE:
        if is_fixed(average) and nominal(average) % nominal(text):
            raise RuleProblem(
                f"{case.limit.rules} makes averages over {average} of those over {text}, of which "
                "they are no multiple",
                "rules",
            )
        return window_text(text)
    if is_fixed(average) and condition.statistic != "total":
        return average
    # Masses and a calendar's periods are made of means that are kept of every channel.
    return "1h" if nominal("20min") % nominal(case.channel.period) else "20min"


def _row(  # noqa: PLR0913, PLR0917 - what a row consists of
    case: _Case, condition: Condition, average: str, short_term: str, found: Judged, gaps: Gaps
) -> LimitRow:
    limit, channel = case.limit, case.channel
    newest = newest_calibration(channel)
    facts = Facts(
        rules=limit.rules or "",
        value=(limit.values or {}).get(condition.id, limit.value),
        daily=limit.value,
        unit=limit.unit,
        average=average,
        short_term=short_term,
        coverage=case.coverage,
        parameter=channel.parameter,
        range=calibrated_range(channel),
        uncertainty=None if newest is None else newest.uncertainty,
        calibrated=None if newest is None else str(parse_day(newest.from_)),
        gaps=gaps,
    )
    rule = resolved(case.version, condition, facts)
    return _plain_row(case, average, found.basis)._replace(
        value=rule.threshold,
        uom=rule.uom,
        condition=f"{condition.id}@{case.version.from_}",
        rule=rule.text,
    )


def _plain_row(case: _Case, average: str, basis: str) -> LimitRow:
    limit = case.limit
    return LimitRow(
        case.permit.number,
        case.permit.enterprise,
        limit.source,
        limit.channel,
        average,
        nominal(average),
        case.begin,
        case.end,
        float("inf"),
        limit.unit,
        case.coverage,
        limit.warn_at,
        limit.clear_at,
        microseconds(limit.open_after),
        microseconds(limit.clear_after),
        basis,
    )


def _records(
    case: _Case, short_term: str, found: Judged, beside: Iterable[tuple[str, str, str]]
) -> Iterator[LimitRow]:
    """Yield a row for each series of block means that must be kept for a condition."""
    name = case.limit.channel
    main = found.main or (name, found.basis)
    windows = [
        (name, found.basis, short_term),
        (name, found.idle, short_term),
        (name, found.serviced, short_term),
        (name, found.marks, short_term),
        *((*main, window) for window in _windows(case, short_term)),
        *beside,
    ]
    for channel, basis, window in windows:
        if basis is not None:
            yield _plain_row(case, window, basis)._replace(channel=channel, **_OF_RECORDS)


def _windows(case: _Case, short_term: str) -> list[str]:
    """Return the windows of the blocks that short-term averages are judged valid by."""
    return [short_term, _QUARTER_HOUR] if case.version.validity.quadrants else [short_term]
