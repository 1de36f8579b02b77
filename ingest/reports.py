"""What units report of their own means: a message decoded, each value judged by itself.

The careful decoder's rules for the message and its numbers; a block mean has rules of its own for
its block: the channel must have blocks of that length, one must begin then, and it must be over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ValidationError

from alerts.core.vocabulary import DAY, SECOND, STATUS_BY_LABEL, Status
from alerts.core.zones import in_block
from ingest.careful import (
    FUTURE,
    NO_BOOT,
    NO_SEQ,
    Aside,
    Context,
    Refused,
    alone,
    explain,
    head_of,
    integer_of,
    number_of,
    shown,
)
from ingest.instants import format_time, parse_time
from ingest.reasons import Reason
from ingest.registry_values import microseconds
from ingest.strict_json import BadJson, Token, quote, read
from ingest.wire import MAX_MESSAGE, LooseSample
from ingest.wire_averages import AveragesEnvelope, AveragesFragment

if TYPE_CHECKING:
    from storage.registry import Registry


@dataclass(slots=True)
class Report:
    """A decoded message: means of blocks [start, finish) of ``window`` (us), parallel lists.

    A null is NaN. ``boot`` is empty and ``seq`` -1 where there is none (a value being retried).
    """

    boot: str
    seq: int
    window: int
    channel: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    finish: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)


Block = tuple[int, int]
Fault = tuple[Reason, str]


def decode_report(
    payload: bytes, context: Context, registry: Registry, *, fragment: bool = False
) -> Report | Refused:
    """Return what ``payload`` holds, or why it is set aside whole.

    With ``fragment`` the payload is that of an ``Aside``: a message without boot and seq.
    """
    if len(payload) > MAX_MESSAGE:
        return Refused(Reason.TOO_LARGE, f"{len(payload)} bytes of at most {MAX_MESSAGE}")
    try:
        tree = read(payload)
        if isinstance(tree, dict) and isinstance(tree.get("seq"), Token):
            tree["seq"] = integer_of(tree["seq"])
        model: type[BaseModel] = AveragesFragment if fragment else AveragesEnvelope
        said = model.model_validate(tree)
    except BadJson as error:
        return Refused(error.reason, error.detail, *head_of(error.tree))
    except ValidationError as error:
        return Refused(Reason.NOT_SCHEMA, explain(error), *head_of(tree))
    except RecursionError:
        return Refused(Reason.NOT_JSON, "nested too deeply")
    return _Judge(said, context, registry).report()  # type: ignore[arg-type]  # one of the two


def _length(period: str) -> int:
    try:
        return microseconds(period)
    except ValueError:  # longer than a century
        return 100 * 366 * DAY


class _Judge:
    """Judges the values of one message."""

    def __init__(
        self, said: AveragesEnvelope | AveragesFragment, context: Context, registry: Registry
    ) -> None:
        self._said = said
        self._context = context
        self._registry = registry
        self._window = _length(said.period)
        self._blocks: dict[tuple[int, int], Block | None] = {}  # by zone and time

    def report(self) -> Report:
        said = self._said
        head = (said.boot, said.seq) if isinstance(said, AveragesEnvelope) else (NO_BOOT, NO_SEQ)
        report = Report(*head, self._window)
        for index, sample in enumerate(said.averages):
            time = parse_time(sample.time)
            for key in dict.fromkeys((*sample.values, *sample.status)):
                self._take(report, sample, key, time, f"$.averages[{index}]")
        return report

    def _take(self, report: Report, sample: LooseSample, key: str, time: int, path: str) -> None:
        found = self._value(sample, key, path)
        block = self._block(sample, key, time, path) if isinstance(found[0], float) else found
        if isinstance(block[0], Reason):
            payload = self._fragment(sample, key)
            report.asides.append(Aside(key, block[0], str(block[1]), payload))
            return
        report.channel.append(self._context.unit.channels[key])
        report.start.append(int(block[0]))
        report.finish.append(int(block[1]))
        report.value.append(float(found[0]))
        report.status.append(int(found[1]))

    def _value(self, sample: LooseSample, key: str, path: str) -> tuple[float, int] | Fault:
        context = self._context
        if key not in context.unit.channels:
            return Reason.UNKNOWN_CHANNEL, f"{path}: {shown(key)}"
        code = sample.status.get(key, Status.VALID.label)
        status = STATUS_BY_LABEL.get(code) if isinstance(code, str) else None
        if status is None:
            return Reason.UNKNOWN_STATUS, f"{path}.status.{key}: {shown(code)}"
        channel = context.unit.channels[key]
        value = number_of(sample.values.get(key), status, channel, context)
        if isinstance(value, Reason):
            return value, f"{path}.values.{key}: {shown(sample.values.get(key))}"
        if value in context.channels.missing[channel]:
            return float("nan"), int(Status.MALFUNCTION)
        return value + 0.0, status  # -0.0 would be one more text of zero

    def _block(self, sample: LooseSample, key: str, time: int, path: str) -> Block | Fault:
        context, channels = self._context, self._registry.channels
        channel = context.unit.channels[key]
        period = int(channels.period[channel])
        if self._window % period or self._window > DAY:
            each = f"of readings each {period / SECOND:g} s"
            return Reason.WRONG_PERIOD, f"$.period: {self._said.period} {each}"
        block = self._block_at(int(channels.zone[channel]), time)
        if block is None:
            return Reason.NO_SUCH_BLOCK, f"{path}.time: {sample.time}"
        received_at = context.received_at
        if context.held:
            digest = sha256(self._fragment(sample, key)).digest()
            received_at = context.held.get((context.unit.id, digest), received_at)
        if block[1] > received_at + FUTURE:
            ends, received = format_time(block[1]), format_time(received_at)
            detail = f"{path}.time: {sample.time}, ends {ends}, received {received}"
            return Reason.IN_THE_FUTURE, detail
        if time < context.accept_from:
            return Reason.TOO_OLD, f"{path}.time: {sample.time}"
        return block

    def _block_at(self, zone: int, time: int) -> Block | None:
        """Return the block of the window that begins at ``time`` in a zone, None where none does.

        Beyond the years that calendars reach there is none either.
        """
        if (zone, time) not in self._blocks:
            try:
                start, end = in_block(
                    np.array([time], np.int64), self._window, self._registry.zones[zone]
                )
                block = (time, int(end[0])) if int(start[0]) == time else None
            except (OverflowError, ValueError):
                block = None
            self._blocks[zone, time] = block
        return self._blocks[zone, time]

    def _fragment(self, sample: LooseSample, key: str) -> bytes:
        """Return the value alone. Sent again, by whichever message, it is the same bytes."""
        period = quote(self._said.period)
        return f'{{"period":{period},"averages":[{alone(sample, key)}]}}'.encode()
