"""From messages to columns: one decoding and one conversion to arrays for a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ingest import careful
from ingest.aside import aside_message, aside_value
from ingest.checks import doubtful, flag_values, oldest_accepted, replace_missing
from ingest.fast import FastDecoder, Rows
from storage.received import AsideMessage, AsideValue, Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.topics import Topics
    from storage.registry import Unit


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
        self,
        topics: Sequence[str],
        payloads: Sequence[bytes],
        received_at: int,
        known: Topics,
        *,
        fragments: bool = False,
    ) -> Draft:
        """Return the messages as columns with their quality flags, and what is set aside.

        With ``fragments`` the payloads are values set aside before, to be judged again.
        """
        batch = _Batch(topics, payloads, received_at, known, fragments=fragments)
        batch.accept_from = oldest_accepted(received_at, self._accept_from)
        for number, (topic, payload) in enumerate(zip(topics, payloads, strict=True)):
            batch.add(number, topic, payload, self._fast)
        columns = batch.finish()
        return Draft(
            received_at=received_at,
            units=batch.units,
            boots=batch.boots,
            seqs=batch.seqs,
            readings=columns,
            aside_messages=batch.aside_messages,
            aside_values=batch.aside_values,
            careful=batch.careful,
        )


class _Batch:
    """The lists of one batch while they grow."""

    def __init__(
        self,
        topics: Sequence[str],
        payloads: Sequence[bytes],
        received_at: int,
        known: Topics,
        *,
        fragments: bool,
    ) -> None:
        self.topics = topics
        self.payloads = payloads
        self.received_at = received_at
        self.accept_from = 0
        self.known = known
        self.channels = known.registry.channels
        self.fragments = fragments
        self.rows = Rows()
        self.units: list[Unit | None] = []
        self.boots: list[str] = []
        self.seqs: list[int] = []
        self.aside_messages: list[AsideMessage] = []
        self.aside_values: list[AsideValue] = []
        self.careful = 0

    def add(self, number: int, topic: str, payload: bytes, fast: FastDecoder) -> None:
        """Decode the next message, by the fast decoder where it can."""
        unit = self.known.find(topic)
        self.units.append(unit)
        if unit is None:
            self.boots.append(careful.NO_BOOT)
            self.seqs.append(careful.NO_SEQ)
            refused = self.known.explain(topic)
            self.aside_messages.append(aside_message(number, topic, payload, refused))
            return
        head = None
        if not self.fragments:
            head = fast.take(payload, number, unit.channels, self.rows)
        if head is None:
            head = self._ask_careful(number, unit, self.rows)
        self.boots.append(head[0])
        self.seqs.append(head[1])

    def finish(self) -> Columns:
        """Return the columns, after the careful decoder judged what the arrays make doubtful."""
        columns = to_columns(self.rows)
        replace_missing(columns, self.channels)
        doubt = doubtful(columns, self.received_at, self.accept_from)
        if doubt.any():
            columns = self._judge_again(columns, np.unique(columns.message[doubt]).tolist())
        flag_values(columns, self.channels, self.received_at)
        return columns

    def _judge_again(self, columns: Columns, numbers: Iterable[int]) -> Columns:
        again = Rows()
        for number in numbers:
            unit = self.units[number]
            if unit is not None:
                self._ask_careful(number, unit, again)
        kept = select(columns, ~np.isin(columns.message, np.fromiter(numbers, np.int32)))
        judged = to_columns(again)
        replace_missing(judged, self.channels)
        self.aside_messages.sort(key=lambda aside: aside.message)
        self.aside_values.sort(key=lambda aside: aside.message)
        return merge(kept, judged)

    def _ask_careful(self, number: int, unit: Unit, into: Rows) -> tuple[str, int]:
        self.careful += 1
        topic, payload = self.topics[number], self.payloads[number]
        context = careful.Context(unit, self.channels, self.received_at, self.accept_from)
        message = careful.decode(payload, context, fragment=self.fragments)
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
        self.aside_values += [aside_value(number, topic, unit, a) for a in message.asides]
        return message.boot, message.seq


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
