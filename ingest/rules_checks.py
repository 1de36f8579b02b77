"""Whether a registry's limits can be judged by the rule sets that they name.

Looked at when nothing else is wrong with a registry: what cannot be expanded is reported at the
limit, the channel or the source that has to say more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.registry_faults import Finding
from ingest.registry_values import parse_zone
from ingest.rules_expand import RECORD, expand_limit
from ingest.rules_recipe import nox_recipe
from ingest.rules_resolve import RuleSets
from ingest.rules_rows import limit_key
from ingest.rules_stack import RuleProblem, stack_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.registry_faults import Loc
    from ingest.registry_model import Auxiliary, Channel, Document, Enterprise, Permit, Source
    from ingest.rules_stack import Stack

_Recipes = dict[tuple[str, str, str, str], "str | None"]
_ANY_ZONE = "UTC"  # places of errors do not depend on where days begin


@dataclass(frozen=True, slots=True)
class _Case:
    """A permit, where it stands, and what its limits are judged with."""

    file: int
    loc: Loc
    permit: Permit
    stacks: dict[str, Stack]
    sets: RuleSets


def check_rules(documents: Sequence[Document]) -> list[Finding]:
    """Return what keeps limits from being judged by their rule sets."""
    findings = list(_check_ids(documents))
    plants: dict[str, Enterprise] = {}
    for file, document in enumerate(documents):
        for number, enterprise in enumerate(document.enterprises or ()):
            plants[enterprise.id] = enterprise
            findings += _check_enterprise(file, ("enterprises", number), enterprise)
    if findings:
        return findings
    sets = RuleSets.of(documents)
    stacks: dict[str, dict[str, Stack]] = {}
    recipes: _Recipes = {}
    for file, document in enumerate(documents):
        for number, permit in enumerate(document.permits):
            if all(limit.rules is None for limit in permit.limits):
                continue
            plant = plants[permit.enterprise]
            if plant.id not in stacks:
                zone = parse_zone(plant.reporting_zone or _ANY_ZONE)
                stacks[plant.id] = {one.id: stack_of(one, zone) for one in plant.sources}
            found = _Case(file, ("permits", number), permit, stacks[plant.id], sets)
            findings += _check_permit(found, recipes)
    return findings


def _check_ids(documents: Sequence[Document]) -> Iterator[Finding]:
    first: dict[str, tuple[int, Loc]] = {}
    for file, document in enumerate(documents):
        for number, one in enumerate(document.rule_sets):
            loc: Loc = ("rule_sets", number, "id")
            other = first.setdefault(one.id, (file, loc))
            if other != (file, loc):
                message = f'the rule set "{one.id}" is there twice: first at {{other}}'
                yield Finding(file, loc, message, other=other)


def _check_enterprise(file: int, loc: Loc, enterprise: Enterprise) -> Iterator[Finding]:
    sums = set()
    for number, source in enumerate(enterprise.sources):
        at: Loc = (*loc, "sources", number)
        if source.auxiliary is not None:
            yield from _check_binding(file, (*at, "auxiliary"), source.auxiliary, source)
        for n, channel in enumerate(source.channels):
            if channel.auxiliary is not None:
                where: Loc = (*at, "channels", n, "auxiliary")
                yield from _check_binding(file, where, channel.auxiliary, source)
            if channel.nox_of is not None:
                sums.add(f"{source.id}/{channel.id}")
                yield from _check_sum(file, (*at, "channels", n, "nox_of"), source, channel)
    if sums:
        yield from _check_keys(file, loc, enterprise, sums)


def _check_binding(file: int, loc: Loc, binding: Auxiliary, source: Source) -> Iterator[Finding]:
    known = {channel.id for channel in source.channels}
    for role in ("o2", "co2", "h2o", "temperature", "pressure", "flow", "load"):
        name = getattr(binding, role)
        if name is not None and name not in known:
            yield Finding(file, (*loc, role), f'there is no channel "{name}" at {source.id}')


def _check_sum(file: int, loc: Loc, source: Source, channel: Channel) -> Iterator[Finding]:
    try:
        nox_recipe(stack_of(source, parse_zone(_ANY_ZONE)), channel)
    except RuleProblem as problem:
        yield Finding(file, loc, problem.message)


def _check_keys(file: int, loc: Loc, enterprise: Enterprise, sums: set[str]) -> Iterator[Finding]:
    for number, unit in enumerate(enterprise.units):
        for key, reference in unit.channels.items():
            if reference in sums:
                yield Finding(
                    file,
                    (*loc, "units", number, "channels", key),
                    f"{reference} is computed (nox_of): no unit reports it",
                )


def _check_permit(case: _Case, recipes: _Recipes) -> Iterator[Finding]:
    """Check a permit's limits; ``recipes`` are those of other permits' derived channels."""
    seen: dict[tuple[str, ...], tuple[Loc, str]] = {}
    for number, limit in enumerate(case.permit.limits):
        if limit.rules is None:
            continue
        at: Loc = (*case.loc, "limits", number)
        try:
            stack = case.stacks[limit.source]
            expansion = expand_limit(case.permit, limit, stack, case.sets)
        except RuleProblem as problem:
            yield Finding(case.file, (*at, *problem.loc), problem.message)
            continue
        for channel in expansion.channels:
            key = (case.permit.enterprise, channel.source, channel.channel, channel.basis)
            if recipes.setdefault(key, channel.recipe) != channel.recipe:
                message = f'{limit.channel} as "{channel.basis}" is derived otherwise elsewhere'
                yield Finding(case.file, at, message)
        for row in expansion.limits:
            first, rules = seen.setdefault(limit_key(row), (at, limit.rules))
            if first != at and row.condition != RECORD:
                message = (
                    f"{limit.source}/{limit.channel} has the condition {row.condition} over "
                    f"{row.average} by {rules} in this permit already: {{other}}"
                )
                yield Finding(case.file, at, message, other=(case.file, first))
                break
