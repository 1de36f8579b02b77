"""All limits of a registry that name a rule set, as rows; one enterprise after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ingest.registry_values import parse_zone
from ingest.rules_expand import RECORD, Expansion, expand_limit
from ingest.rules_resolve import RuleSets, plain_of
from ingest.rules_stack import stack_of
from storage.registry_rows import EntityRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.registry_model import Document, Permit
    from ingest.rules_stack import Stack
    from storage.registry_rows import ChannelRow, LimitRow


class RuledLimits:
    """The limits of a registry that name a rule set.

    Nothing is kept between iterations but who has such limits: rows are made anew for each.
    """

    def __init__(self, documents: Sequence[Document], default_zone: str) -> None:
        self._documents = documents
        self._default_zone = default_zone
        self._sets = RuleSets.of(documents)
        self._permits: dict[str, list[Permit]] = {}
        for document in documents:
            for permit in document.permits:
                if any(limit.rules is not None for limit in permit.limits):
                    self._permits.setdefault(permit.enterprise, []).append(permit)

    def rule_sets(self) -> Iterator[EntityRow]:
        """Yield each rule set that a limit names, as it is written."""
        names = {
            limit.rules
            for permits in self._permits.values()
            for permit in permits
            for limit in permit.limits
            if limit.rules is not None
        }
        for name in sorted(names):
            definition = json.dumps(plain_of(self._sets.get(name)), ensure_ascii=False)
            yield EntityRow("rule_set", name, definition)

    def rows(self) -> Iterator[tuple[list[ChannelRow], list[LimitRow]]]:
        """Yield the derived channels and the limits of each enterprise, each once."""
        if not self._permits:
            return
        for document in self._documents:
            for enterprise in document.enterprises or ():
                permits = self._permits.get(enterprise.id)
                if permits:
                    zone = parse_zone(enterprise.reporting_zone or self._default_zone)
                    stacks = {one.id: stack_of(one, zone) for one in enterprise.sources}
                    expansion = expand_permits(permits, stacks, self._sets)
                    yield expansion.channels, expansion.limits


def expand_permits(
    permits: Sequence[Permit], stacks: dict[str, Stack], sets: RuleSets
) -> Expansion:
    """Return the rows of an enterprise's permits; ``stacks`` are its sources by id.

    Derived channels that several limits judge are one row, and so are the records of a channel
    that several limits of a permit want kept.
    """
    channels: dict[tuple[str, str, str], ChannelRow] = {}
    limits: dict[tuple[str, ...], LimitRow] = {}
    for permit in permits:
        for limit in permit.limits:
            if limit.rules is None:
                continue
            expansion = expand_limit(permit, limit, stacks[limit.source], sets)
            for channel in expansion.channels:
                channels.setdefault((channel.source, channel.channel, channel.basis), channel)
            for row in expansion.limits:
                key = limit_key(row)
                known = limits.get(key)
                limits[key] = row if known is None else joined(known, row)
    return Expansion(list(channels.values()), list(limits.values()))


def limit_key(row: LimitRow) -> tuple[str, ...]:
    """Return what a limit is known by in the database."""
    return (row.permit, row.source, row.channel, row.basis, row.average, row.condition)


def joined(known: LimitRow, row: LimitRow) -> LimitRow:
    """Return one record of two: from the first day of either to the last."""
    assert row.condition == RECORD  # noqa: S101 - the checks refuse conditions that collide
    return known._replace(
        valid_from=min(known.valid_from, row.valid_from),
        valid_until=max(known.valid_until, row.valid_until),
    )
