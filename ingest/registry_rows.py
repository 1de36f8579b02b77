"""A valid registry file turned into the rows that storage applies."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ingest.registry_values import (
    canonical,
    microseconds,
    midnight,
    midnight_after,
    parse_day,
    parse_zone,
)
from ingest.rules_recipe import nox_recipe
from ingest.rules_rows import RuledLimits
from ingest.rules_stack import stack_of
from storage.registry_rows import (
    AGREEMENT,
    ChannelRow,
    EntityRow,
    KeyRow,
    LimitRow,
    RegistryRows,
    UnitRow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest.registry_model import Channel, Enterprise, Permit
    from ingest.registry_read import RegistryDocument

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Again(Generic[_T]):
    """Makes its items anew for each iteration: millions of rows need not exist at once."""

    make: Callable[[], Iterator[_T]]

    def __iter__(self) -> Iterator[_T]:
        return self.make()


def registry_rows(document: RegistryDocument, default_zone: str) -> RegistryRows:
    """Return the document's rows; days are those of ``default_zone`` where none is named."""
    ruled = RuledLimits(document.documents, default_zone)
    return RegistryRows(
        entities=_Again(lambda: chain(_entities(document), ruled.rule_sets())),
        measured=_Again(lambda: _channels(document, default_zone)),
        units=_Again(lambda: _units(document)),
        keys=_Again(lambda: _keys(document)),
        plain=_Again(lambda: _limits(document, default_zone)),
        ruled=_Again(ruled.rows),
    )


def _enterprises(document: RegistryDocument) -> Iterator[Enterprise]:
    for one in document.documents:
        yield from one.enterprises or ()


def _permits(document: RegistryDocument) -> Iterator[Permit]:
    for one in document.documents:
        yield from one.permits


def _entities(document: RegistryDocument) -> Iterator[EntityRow]:
    for enterprise in _enterprises(document):
        yield EntityRow("enterprise", enterprise.id, _definition(enterprise, "sources", "units"))
        for source in enterprise.sources:
            path = f"{enterprise.id}/{source.id}"
            yield EntityRow("source", path, _definition(source, "channels"))
    for permit in _permits(document):
        yield EntityRow("permit", permit.number, _definition(permit, "limits"))
    for one in document.documents:
        for recipient in one.recipients:
            yield EntityRow("recipient", recipient.id, _definition(recipient))


def _channels(document: RegistryDocument, default_zone: str) -> Iterator[ChannelRow]:
    for enterprise in _enterprises(document):
        for source in enterprise.sources:
            for channel in source.channels:
                row = _channel(enterprise.id, source.id, channel)
                if channel.nox_of is not None:
                    zone = parse_zone(enterprise.reporting_zone or default_zone)
                    row = row._replace(recipe=nox_recipe(stack_of(source, zone), channel))
                yield row


def _channel(enterprise: str, source: str, channel: Channel) -> ChannelRow:
    low, high = channel.range or (float("-inf"), float("inf"))
    return ChannelRow(
        enterprise,
        source,
        channel.id,
        channel.parameter,
        channel.unit,
        low,
        high,
        microseconds(channel.period),
        tuple(channel.missing or ()),
        microseconds(channel.stuck_after) if channel.stuck_after else 0,
        float("inf") if channel.max_step is None else channel.max_step,
        None if channel.basis is None else _definition(channel.basis),
        agreement=AGREEMENT if channel.agreement is None else channel.agreement,
    )


def _units(document: RegistryDocument) -> Iterator[UnitRow]:
    for enterprise in _enterprises(document):
        for unit in enterprise.units:
            yield UnitRow(enterprise.id, unit.id)


def _keys(document: RegistryDocument) -> Iterator[KeyRow]:
    for enterprise in _enterprises(document):
        for unit in enterprise.units:
            for key, reference in unit.channels.items():
                source, _, channel = reference.partition("/")
                yield KeyRow(enterprise.id, unit.id, key, source, channel)


def _limits(document: RegistryDocument, default_zone: str) -> Iterator[LimitRow]:
    zones = {one.id: one.reporting_zone or default_zone for one in _enterprises(document)}
    for permit in _permits(document):
        zone = parse_zone(zones[permit.enterprise])
        begin = midnight(parse_day(permit.valid.from_), zone)
        end = midnight_after(parse_day(permit.valid.until), zone)
        for limit in permit.limits:
            if limit.rules is not None or limit.average is None:
                continue  # expanded by its rule set
            yield LimitRow(
                permit.number,
                permit.enterprise,
                limit.source,
                limit.channel,
                canonical(limit.average),
                microseconds(limit.average),
                begin,
                end,
                limit.value,
                limit.unit,
                limit.coverage or "2/3",
                limit.warn_at,
                limit.clear_at,
                microseconds(limit.open_after),
                microseconds(limit.clear_after),
            )


def _definition(entry: Any, *without: str) -> str:  # noqa: ANN401 - any entry of the model
    return json.dumps(_plain(entry, without), ensure_ascii=False)


def _plain(value: Any, without: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - any value of an entry
    if not is_dataclass(value):
        return value
    return {
        field.name.rstrip("_"): _plain(getattr(value, field.name))
        for field in fields(value)
        if field.name not in without and getattr(value, field.name) is not None
    }
