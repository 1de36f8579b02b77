"""The fast decoder: takes plain messages and leaves every other one to the careful decoder.

What it takes must equal what the careful decoder makes of it. msgspec is as strict as we are (no
bare NaN, no booleans for numbers, strict UTF-8, no other fields) but for one thing: of repeated
keys it keeps the last. So quotation marks are counted: without a backslash each key and each
string costs exactly two, and a message that decodes to fewer has hidden one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from alerts.core.vocabulary import STATUS_BY_LABEL
from ingest.instants import Instants
from ingest.wire import MAX_BOOT, MAX_MESSAGE, MAX_SAMPLES, MAX_SEQ

if TYPE_CHECKING:
    from collections.abc import Mapping

_STRINGS = 4  # boot and its value, seq, samples
_STRINGS_OF_SAMPLE = 2  # time and its value


class _Sample(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    time: str
    values: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET
    status: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    boot: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_BOOT)]
    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
    samples: Annotated[list[_Sample], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]


class Rows:
    """Readings gathered from many messages, as lists that become columns once for a batch.

    ``channel``, ``value`` (None for a null) have one entry for each reading; ``time``, ``rows``
    and ``message`` one for each sample, ``rows`` saying how many readings it has. ``codes`` holds
    the readings that are not valid as (row, status).
    """

    __slots__ = ("channel", "codes", "message", "rows", "time", "value")

    def __init__(self) -> None:
        self.channel: list[int] = []
        self.value: list[float | None] = []
        self.time: list[int] = []
        self.rows: list[int] = []
        self.message: list[int] = []
        self.codes: list[tuple[int, int]] = []


class FastDecoder:
    """Decodes messages into ``Rows``; keeps the times and nothing else from one to the next."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Message).decode
        self._instants = Instants()

    def take(
        self, payload: bytes, number: int, channels: Mapping[str, int], into: Rows
    ) -> tuple[str, int] | None:
        """Add the readings of ``payload``, message ``number``, to ``into``; return (boot, seq).

        Returns None, and adds nothing, for a message that the careful decoder must see.
        """
        if len(payload) > MAX_MESSAGE or b"\\" in payload:
            return None
        try:
            message = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        rows, samples = len(into.channel), len(into.time)
        try:
            strings = self._add(message, number, channels, into)
        except (KeyError, ValueError):  # an unknown channel, status or time
            strings = -1
        if payload.count(b'"') != 2 * strings:
            _cut(into, rows, samples)
            return None
        return message.boot, message.seq

    def _add(self, message: _Message, number: int, channels: Mapping[str, int], into: Rows) -> int:
        """Add the message; return how many strings it was decoded from, -1 for a bad one."""
        strings = _STRINGS
        find = channels.__getitem__
        for sample in message.samples:
            values = sample.values
            count = 0
            strings += _STRINGS_OF_SAMPLE
            if values is not msgspec.UNSET:
                count = len(values)
                strings += 1 + count
                into.channel += map(find, values)
                into.value += values.values()
            if sample.status is not msgspec.UNSET:
                strings += 1 + 2 * len(sample.status)
                count += _add_codes(sample, channels, into)
            if not count:
                return -1
            into.time.append(self._instants[sample.time])
            into.rows.append(count)
            into.message.append(number)
        return strings


def _add_codes(sample: _Sample, channels: Mapping[str, int], into: Rows) -> int:
    """Note the status codes of a sample; add a null for each without a value, return how many."""
    if sample.status is msgspec.UNSET:
        return 0
    values = {} if sample.values is msgspec.UNSET else sample.values
    end = len(into.channel)
    places = dict(zip(values, range(end - len(values), end), strict=True))
    for key, code in sample.status.items():
        place = places.get(key)
        if place is None:
            place = len(into.channel)
            into.channel.append(channels[key])
            into.value.append(None)
        into.codes.append((place, STATUS_BY_LABEL[code]))
    return len(into.channel) - end


def _cut(into: Rows, rows: int, samples: int) -> None:
    """Take back what was added after the first ``rows`` readings and ``samples`` samples."""
    del into.channel[rows:], into.value[rows:]
    del into.time[samples:], into.rows[samples:], into.message[samples:]
    while into.codes and into.codes[-1][0] >= rows:
        into.codes.pop()
