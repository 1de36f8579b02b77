"""From messages to columns: one decoding and one conversion to arrays for a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from ingest import careful
from ingest.aside import aside_message, aside_value
from ingest.checks import doubtful, flag_values, oldest_accepted, replace_missing
from ingest.fast import FastDecoder, Rows
from storage.received import AsideMessage, AsideValue, Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.topics import Topics
    from storage.registry import Unit
    from storage.retries import Retry


@dataclass(slots=True)
class Draft:
    """Messages decoded and judged, in order of receipt: all but what their sequence tells.

    ``units`` (None: no known unit), ``boots`` (empty: none) and ``seqs`` (-1: none) have an entry
    for each message. ``careful`` counts messages that the fast decoder left.
    """

    received_at: int
    units: list[Unit | None]
    boots: list[str]
    seqs: list[int]
    readings: Columns
    aside_messages: list[AsideMessage]
    aside_values: list[AsideValue]
    careful: int


class BatchDecoder:
    """Decodes whole batches; ``accept_from`` (us) bounds their times, None: 400 days."""

    def __init__(self, accept_from: int | None = None) -> None:
        self._fast = FastDecoder()
        self._accept_from = accept_from

    def decode(
        self, topics: Sequence[str], payloads: Sequence[bytes], received_at: int, known: Topics
    ) -> Draft:
        """Return messages as columns with their quality flags, and what is set aside."""
        batch = _Batch(known)
        accept_from = oldest_accepted(received_at, self._accept_from)
        for number, (topic, payload) in enumerate(zip(topics, payloads, strict=True)):
            unit = batch.add(number, topic, payload)
            if unit is None:
                continue
            head = self._fast.take(payload, number, unit.channels, batch.rows)
            if head is None:
                context = careful.Context(unit, batch.channels, received_at, accept_from)
                head = batch.ask_careful(number, topic, payload, context, batch.rows)
            batch.boots[number], batch.seqs[number] = head
        columns = batch.to_columns(batch.rows)
        doubt = doubtful(columns, received_at, accept_from)
        if doubt.any():
            again = Rows()
            numbers = np.unique(columns.message[doubt])
            for number in numbers.tolist():
                unit = batch.units[number]
                if unit is not None:  # readings have a unit
                    context = careful.Context(unit, batch.channels, received_at, accept_from)
                    batch.ask_careful(number, topics[number], payloads[number], context, again)
            kept = select(columns, ~np.isin(columns.message, numbers))
            columns = merge(kept, batch.to_columns(again))
        flag_values(columns, batch.channels, received_at)
        return batch.draft(columns, received_at)

    def decode_again(self, items: Sequence[Retry], known: Topics, now: int) -> Draft:
        """Return what was set aside as columns, each item judged as of its own receipt.

        An item with a digest is a value, one without a whole message.
        """
        batch = _Batch(known)
        for number, item in enumerate(items):
            unit = batch.add(number, item.topic, item.payload)
            if unit is not None:
                accept_from = oldest_accepted(item.received_at, self._accept_from)
                context = careful.Context(unit, batch.channels, item.received_at, accept_from)
                batch.boots[number], batch.seqs[number] = batch.ask_careful(
                    number,
                    item.topic,
                    item.payload,
                    context,
                    batch.rows,
                    fragment=item.digest is not None,
                )
        columns = batch.to_columns(batch.rows)
        received_at = np.array([item.received_at for item in items], np.int64)
        flag_values(columns, batch.channels, received_at[columns.message])
        return batch.draft(columns, now)


class _Batch:
    """The lists of one batch while they grow."""

    def __init__(self, known: Topics) -> None:
        self.known = known
        self.channels = known.registry.channels
        self.rows = Rows()
        self.units: list[Unit | None] = []
        self.boots: list[str] = []
        self.seqs: list[int] = []
        self.aside_messages: list[AsideMessage] = []
        self.aside_values: list[AsideValue] = []
        self.careful = 0

    def add(self, number: int, topic: str, payload: bytes) -> Unit | None:
        """Add a message and return its unit; without one it is set aside."""
        unit = self.known.find(topic)
        self.units.append(unit)
        self.boots.append(careful.NO_BOOT)
        self.seqs.append(careful.NO_SEQ)
        if unit is None:
            refused = self.known.explain(topic)
            self.aside_messages.append(aside_message(number, topic, payload, refused))
        return unit

    def ask_careful(  # noqa: PLR0913 - a message, what it is judged by, and where it goes
        self,
        number: int,
        topic: str,
        payload: bytes,
        context: careful.Context,
        into: Rows,
        *,
        fragment: bool = False,
    ) -> tuple[str, int]:
        """Have the careful decoder add a message to ``into``; return its boot and seq."""
        self.careful += 1
        message = careful.decode(payload, context, fragment=fragment)
        if isinstance(message, careful.Refused):
            self.aside_messages.append(aside_message(number, topic, payload, message))
            return message.boot, message.seq
        start = len(into.channel)
        into.channel += message.channel
        into.value += message.value
        into.time += message.time
        into.rows += [1] * len(message.time)
        into.message += [number] * len(message.time)
        into.codes += [(start + row, code) for row, code in enumerate(message.status) if code]
        unit = context.unit
        self.aside_values += [aside_value(number, topic, unit, a) for a in message.asides]
        return message.boot, message.seq

    def to_columns(self, rows: Rows) -> Columns:
        """Return gathered rows as arrays, without the values that mean that there is none."""
        columns = to_columns(rows)
        replace_missing(columns, self.channels)
        return columns

    def draft(self, columns: Columns, received_at: int) -> Draft:
        """Return the batch, what is set aside in order of receipt."""
        return Draft(
            received_at=received_at,
            units=self.units,
            boots=self.boots,
            seqs=self.seqs,
            readings=columns,
            aside_messages=sorted(self.aside_messages, key=attrgetter("message")),
            aside_values=sorted(self.aside_values, key=attrgetter("message")),
            careful=self.careful,
        )


def to_columns(rows: Rows) -> Columns:
    """Return the gathered rows as arrays; a null is NaN, a zero has no sign, flags are 0."""
    count = np.array(rows.rows, np.int64)
    status = np.zeros(len(rows.channel), np.int16)
    if rows.codes:
        places, codes = zip(*rows.codes, strict=True)
        status[list(places)] = codes
    return Columns(
        message=np.repeat(np.array(rows.message, np.int32), count),
        channel=np.array(rows.channel, np.int32),
        time=np.repeat(np.array(rows.time, np.int64), count),
        value=np.array(rows.value, np.float64) + 0.0,  # -0.0 would be one more text of zero
        status=status,
        flags=np.zeros(len(rows.channel), np.int16),
    )


def select(
    columns: Columns, rows: np.ndarray[tuple[int], np.dtype[np.bool_ | np.int64]]
) -> Columns:
    """Return the ``rows`` (mask or numbers) of ``columns``."""
    return Columns(
        message=columns.message[rows],
        channel=columns.channel[rows],
        time=columns.time[rows],
        value=columns.value[rows],
        status=columns.status[rows],
        flags=columns.flags[rows],
    )


def merge(first: Columns, second: Columns) -> Columns:
    """Return the rows of both in order of their messages; no message may be in both."""
    both = Columns(
        message=np.concatenate((first.message, second.message)),
        channel=np.concatenate((first.channel, second.channel)),
        time=np.concatenate((first.time, second.time)),
        value=np.concatenate((first.value, second.value)),
        status=np.concatenate((first.status, second.status)),
        flags=np.concatenate((first.flags, second.flags)),
    )
    return select(both, np.argsort(both.message, kind="stable"))
