"""Messages of units' own means made ready for their transaction, for one registry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.aside import aside_message, aside_value
from ingest.careful import NO_BOOT, NO_SEQ, Context, Refused
from ingest.checks import oldest_accepted
from ingest.reports import Report, decode_report
from ingest.topics import Topics
from storage.reported import Mean, Reports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storage.registry import Registry, Unit
    from storage.reported import Head


@dataclass(frozen=True, slots=True)
class Message:
    """A message, received at ``received_at`` (us); ``fragment``: a value that was set aside."""

    topic: str
    payload: bytes
    received_at: int
    fragment: bool = False


Decoded = Report | Refused


class Drafter:
    """Decodes messages by one registry; ``accept_from`` (us) bounds their times, None: 400 days."""

    def __init__(self, registry: Registry, accept_from: int | None) -> None:
        self._topics = Topics(registry, "averages")
        self._accept_from = accept_from

    def unit(self, message: Message) -> Unit | None:
        """Return the unit that the message's topic names, None where the registry has none."""
        return self._topics.find(message.topic)

    def decode(
        self,
        messages: Sequence[Message],
        held: Mapping[tuple[int, bytes], int] | None = None,
    ) -> list[Decoded]:
        """Return what each message holds, judged as of its receipt; ``held``: see ``Context``."""
        return [self._decoded(message, held) for message in messages]

    def _decoded(self, message: Message, held: Mapping[tuple[int, bytes], int] | None) -> Decoded:
        unit = self.unit(message)
        if unit is None:
            return self._topics.explain(message.topic)
        registry, at = self._topics.registry, message.received_at
        oldest = oldest_accepted(at, self._accept_from)
        context = Context(unit, registry.channels, at, oldest, held)
        return decode_report(message.payload, context, registry, fragment=message.fragment)

    def head(self, message: Message, decoded: Decoded) -> Head:
        """Return unit, boot and seq of a message that is not set aside whole, else none."""
        unit = self.unit(message)
        if unit is None or isinstance(decoded, Refused):
            return 0, NO_BOOT, NO_SEQ
        return unit.id, decoded.boot, decoded.seq

    def reports(
        self,
        number: int,
        received_at: int,
        messages: Sequence[Message],
        decoded: Sequence[Decoded],
        seen: list[bool],
    ) -> Reports:
        """Return the messages ready for transaction ``number``; see ``Reports``."""
        heads = [self.head(*pair) for pair in zip(messages, decoded, strict=True)]
        units = [self.unit(message) for message in messages]
        ids = [0 if unit is None else unit.id for unit in units]
        reports = Reports(number, received_at, heads, ids, seen)
        for row, (message, one, unit) in enumerate(zip(messages, decoded, units, strict=True)):
            if isinstance(one, Refused):
                aside = aside_message(row, message.topic, message.payload, one, "averages")
                reports.aside_messages.append(aside)
            elif unit is not None:
                reports.means += _means(row, one)
                reports.aside_values += [
                    aside_value(row, message.topic, unit, aside) for aside in one.asides
                ]
        return reports


def _means(row: int, report: Report) -> list[Mean]:
    columns = (report.channel, report.start, report.finish, report.value, report.status)
    return [
        Mean(row, channel, report.window, start, finish, _or_none(value), status)
        for channel, start, finish, value, status in zip(*columns, strict=True)
    ]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
