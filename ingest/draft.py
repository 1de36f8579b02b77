"""From messages to columns: one decoding and one conversion to arrays for a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from ingest import careful
from ingest.aside import aside_message, aside_value
from ingest.checks import doubtful, flag_values, oldest_accepted, replace_missing
from ingest.columns import merge, select, to_columns
from ingest.fast import FastDecoder, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ingest.topics import Topics
    from storage.received import AsideMessage, AsideValue, Columns
    from storage.registry import Unit
    from storage.retries import Retry


_NO_HEAD = (careful.NO_BOOT, careful.NO_SEQ)


@dataclass(slots=True)
class Draft:
    """Messages decoded and judged, in order of receipt: all but what their sequence tells.

    ``topics``, ``payloads``, ``units`` (None: no known unit), ``boots`` (empty: none) and ``seqs``
    (-1: none) have an entry for each message. ``left``: numbers of messages that the careful
    decoder has still to judge, and that nothing else here is known of; ``careful`` counts those
    that it has judged.
    """

    received_at: int
    topics: Sequence[str]
    payloads: Sequence[bytes]
    units: list[Unit | None]
    boots: list[str]
    seqs: list[int]
    readings: Columns
    aside_messages: list[AsideMessage]
    aside_values: list[AsideValue]
    left: list[int]
    careful: int


class BatchDecoder:
    """Decodes whole batches; ``accept_from`` (us) bounds their times, None: 400 days."""

    def __init__(self, accept_from: int | None = None) -> None:
        self._fast = FastDecoder()
        self._accept_from = accept_from

    def decode(
        self, topics: Sequence[str], payloads: Sequence[bytes], received_at: int, known: Topics
    ) -> Draft:
        """Return what the fast decoder takes, as columns with their quality flags.

        What it leaves, and what is doubtful, is ``left`` for ``judge``.
        """
        batch = _Batch(known, topics, payloads)
        take, rows, heads = self._fast.take, batch.rows, batch.heads
        left = []
        for number, (unit, payload) in enumerate(zip(batch.units, payloads, strict=True)):
            head = None if unit is None else take(payload, number, unit.channels, rows)
            if head is None:
                left.append(number)
            heads.append(head or _NO_HEAD)
        draft = batch.draft(received_at, batch.columns(received_at))
        accept_from = oldest_accepted(received_at, self._accept_from)
        doubt = doubtful(draft.readings, received_at, accept_from)
        if doubt.any():
            left += np.unique(draft.readings.message[doubt]).tolist()
        draft.left = left
        return draft

    def judge(
        self,
        draft: Draft,
        numbers: Sequence[int],
        known: Topics,
        held: Mapping[tuple[int, bytes], int] | None = None,
    ) -> None:
        """Let the careful decoder say what these messages of a draft hold, see its ``Context``.

        It takes some 10 µs for each value.
        """
        batch = _Batch(known, draft.topics, draft.payloads)
        accept_from = oldest_accepted(draft.received_at, self._accept_from)
        for number in numbers:
            head = batch.ask(number, draft.received_at, accept_from, held=held)
            draft.boots[number], draft.seqs[number] = head
        again = set(numbers)
        kept = ~np.isin(draft.readings.message, numbers)
        draft.readings = merge(select(draft.readings, kept), batch.columns(draft.received_at))
        batch.aside_messages += [a for a in draft.aside_messages if a.message not in again]
        batch.aside_values += [a for a in draft.aside_values if a.message not in again]
        draft.aside_messages = sorted(batch.aside_messages, key=attrgetter("message"))
        draft.aside_values = sorted(batch.aside_values, key=attrgetter("message"))
        draft.left = [number for number in draft.left if number not in again]
        draft.careful += batch.careful

    def decode_again(self, items: Sequence[Retry], known: Topics, now: int) -> Draft:
        """Return what was set aside as columns, each item judged as of its own receipt.

        An item with a digest is a value, one without a whole message.
        """
        topics, payloads = [item.topic for item in items], [item.payload for item in items]
        batch = _Batch(known, topics, payloads)
        for number, item in enumerate(items):
            accept_from = oldest_accepted(item.received_at, self._accept_from)
            value = item.digest is not None
            batch.heads.append(batch.ask(number, item.received_at, accept_from, fragment=value))
        received_at = np.array([item.received_at for item in items], np.int64)
        return batch.draft(now, batch.columns(received_at))


class _Batch:
    """The lists of one batch while they grow."""

    def __init__(self, known: Topics, topics: Sequence[str], payloads: Sequence[bytes]) -> None:
        self.known = known
        self.channels = known.registry.channels
        self.topics = topics
        self.payloads = payloads
        self.units = list(map(known.find, topics))
        self.heads: list[tuple[str, int]] = []  # boot and seq
        self.rows = Rows()
        self.aside_messages: list[AsideMessage] = []
        self.aside_values: list[AsideValue] = []
        self.careful = 0

    def ask(
        self,
        number: int,
        received_at: int,
        accept_from: int,
        *,
        held: Mapping[tuple[int, bytes], int] | None = None,
        fragment: bool = False,
    ) -> tuple[str, int]:
        """Have the careful decoder add a message; return its boot and seq."""
        topic, payload, unit = self.topics[number], self.payloads[number], self.units[number]
        if unit is None:
            message: careful.Message | careful.Refused = self.known.explain(topic)
        else:
            self.careful += 1
            context = careful.Context(unit, self.channels, received_at, accept_from, held)
            message = careful.decode(payload, context, fragment=fragment)
        if isinstance(message, careful.Refused):
            self.aside_messages.append(aside_message(number, topic, payload, message))
        elif unit is not None:
            self.aside_values += [aside_value(number, topic, unit, a) for a in message.asides]
            self._add(number, message)
        return message.boot, message.seq

    def _add(self, number: int, message: careful.Message) -> None:
        rows, start = self.rows, len(self.rows.channel)
        rows.channel += message.channel
        rows.value += message.value
        rows.time += message.time
        rows.rows += [1] * len(message.time)
        rows.message += [number] * len(message.time)
        rows.codes += [(start + row, code) for row, code in enumerate(message.status) if code]

    def columns(self, received_at: int | NDArray[np.int64]) -> Columns:
        """Return the readings as arrays, with their flags, nulls for what means "no value".

        ``received_at`` (us): of all messages, or of each.
        """
        columns = to_columns(self.rows)
        replace_missing(columns, self.channels)
        times = received_at if isinstance(received_at, int) else received_at[columns.message]
        flag_values(columns, self.channels, times)
        return columns

    def draft(self, received_at: int, columns: Columns) -> Draft:
        """Return the whole batch."""
        return Draft(
            received_at=received_at,
            topics=self.topics,
            payloads=self.payloads,
            units=self.units,
            boots=[boot for boot, _ in self.heads],
            seqs=[seq for _, seq in self.heads],
            readings=columns,
            aside_messages=self.aside_messages,
            aside_values=self.aside_values,
            left=[],
            careful=self.careful,
        )
