"""The careful decoder: it alone decides what a message holds, and names the place of each fault.

The fast decoder takes nothing that this one would not take with the same result; whatever it
leaves comes here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from alerts.core.vocabulary import MINUTE, STATUS_BY_LABEL, Status
from ingest.instants import format_time, parse_time
from ingest.reasons import Reason
from ingest.strict_json import BadJson, Token, quote, read, write
from ingest.wire import MAX_BOOT, MAX_MESSAGE, MAX_SEQ, Envelope, Fragment, LooseSample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.registry import Channels, Unit

FUTURE = 5 * MINUTE  # how far after its receipt a reading's time may be
BOUND = 1e9  # the largest magnitude of a value
NO_BOOT = ""
NO_SEQ = -1
_SHOWN = 120  # characters of a wrong token in a detail
_ERRORS = 3  # schema errors in a detail
_INTEGER = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Context:
    """What a message is judged by: its unit, the channels, its receipt; times in microseconds.

    ``held``: values that were set aside before, by unit and digest of their ``Aside.payload``, and
    when they were first received. A value among them is no earlier for having come again.
    """

    unit: Unit
    channels: Channels
    received_at: int
    accept_from: int
    held: Mapping[tuple[int, bytes], int] | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """A value set aside; ``payload`` holds it alone, in the words of the message."""

    key: str
    reason: Reason
    detail: str
    payload: bytes


@dataclass(slots=True)
class Message:
    """A decoded message: its readings as parallel lists, and the values set aside.

    A null is NaN. ``boot`` is empty and ``seq`` -1 where there is none (a value being retried).
    """

    boot: str
    seq: int
    channel: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message set aside whole; ``boot`` and ``seq`` are known when at least they are right."""

    reason: Reason
    detail: str
    boot: str = NO_BOOT
    seq: int = NO_SEQ


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: Reason
    detail: str


def decode(payload: bytes, context: Context, *, fragment: bool = False) -> Message | Refused:
    """Return what ``payload`` holds, or why it is set aside whole.

    With ``fragment`` the payload is that of an ``Aside``: a message without boot and seq.
    """
    if len(payload) > MAX_MESSAGE:
        return Refused(Reason.TOO_LARGE, f"{len(payload)} bytes of at most {MAX_MESSAGE}")
    try:
        return _decode(payload, context, Fragment if fragment else Envelope)
    except BadJson as error:
        return Refused(error.reason, error.detail, *head_of(error.tree))
    except RecursionError:
        return Refused(Reason.NOT_JSON, "nested too deeply")


def _decode(payload: bytes, context: Context, model: type[BaseModel]) -> Message | Refused:
    tree = read(payload)
    if isinstance(tree, dict) and isinstance(tree.get("seq"), Token):
        tree["seq"] = integer_of(tree["seq"])
    try:
        envelope = model.model_validate(tree)
    except ValidationError as error:
        return Refused(Reason.NOT_SCHEMA, explain(error), *head_of(tree))
    if isinstance(envelope, Envelope):
        message, samples = Message(envelope.boot, envelope.seq), envelope.samples
    else:
        message, samples = Message(NO_BOOT, NO_SEQ), envelope.samples  # type: ignore[attr-defined]
    for index, sample in enumerate(samples):
        _take(message, sample, f"$.samples[{index}]", context)
    return message


def _take(message: Message, sample: LooseSample, path: str, context: Context) -> None:
    time = parse_time(sample.time)
    for key in dict.fromkeys((*sample.values, *sample.status)):
        verdict = _judge(sample, key, time, path, context)
        if isinstance(verdict, _Fault):
            payload = _fragment(sample, key)
            message.asides.append(Aside(key, verdict.reason, verdict.detail, payload))
            continue
        message.channel.append(context.unit.channels[key])
        message.time.append(time)
        message.value.append(verdict[0])
        message.status.append(verdict[1])


def _judge(
    sample: LooseSample, key: str, time: int, path: str, context: Context
) -> tuple[float, int] | _Fault:
    if key not in context.unit.channels:
        return _Fault(Reason.UNKNOWN_CHANNEL, f"{path}: {shown(key)}")
    code = sample.status.get(key, Status.VALID.label)
    status = STATUS_BY_LABEL.get(code) if isinstance(code, str) else None
    if status is None:
        return _Fault(Reason.UNKNOWN_STATUS, f"{path}.status.{key}: {shown(code)}")
    value = number_of(sample.values.get(key), status, context.unit.channels[key], context)
    if isinstance(value, Reason):
        return _Fault(value, f"{path}.values.{key}: {shown(sample.values.get(key))}")
    received_at = context.received_at
    if context.held:
        digest = sha256(_fragment(sample, key)).digest()
        received_at = context.held.get((context.unit.id, digest), received_at)
    if time > received_at + FUTURE:
        received = format_time(received_at)
        return _Fault(Reason.IN_THE_FUTURE, f"{path}.time: {sample.time}, received {received}")
    if time < context.accept_from:
        return _Fault(Reason.TOO_OLD, f"{path}.time: {sample.time}")
    return value, status


def number_of(raw: object, status: int, channel: int, context: Context) -> float | Reason:
    """Return a value as a number, NaN for a null, or why it cannot be used."""
    if raw is None:
        return Reason.NULL_WITHOUT_STATUS if status == Status.VALID else math.nan
    if not isinstance(raw, Token):
        return Reason.NOT_A_NUMBER
    value = float(raw.text)
    if not math.isfinite(value):
        return Reason.NOT_FINITE
    # What the registry names as "no value" is none, whatever its size.
    if abs(value) > BOUND and value not in context.channels.missing[channel]:
        return Reason.OUT_OF_BOUNDS
    return value


def _fragment(sample: LooseSample, key: str) -> bytes:
    """Return the value alone. Sent again, by whichever message, it is the same bytes."""
    return f'{{"samples":[{alone(sample, key)}]}}'.encode()


def alone(sample: LooseSample, key: str) -> str:
    """Return the sample with one of its values, as JSON."""
    name = quote(key)
    parts = [f'"time":{quote(sample.time)}']
    if key in sample.values:
        parts.append(f'"values":{{{name}:{write(sample.values[key])}}}')
    if key in sample.status:
        parts.append(f'"status":{{{name}:{write(sample.status[key])}}}')
    return f"{{{','.join(parts)}}}"


def integer_of(token: Token) -> int | Token:
    """Return the number that a token writes without fraction or exponent, else the token."""
    return int(token.text) if _INTEGER.fullmatch(token.text) else token


def head_of(tree: object) -> tuple[str, int]:
    """Return boot and seq of a refused message if they are right: it was received, after all."""
    if type(tree) is not dict:  # an object that repeats a key may repeat these
        return NO_BOOT, NO_SEQ
    boot, seq = tree.get("boot"), tree.get("seq")
    if isinstance(seq, Token):
        seq = integer_of(seq)
    right = isinstance(boot, str) and 1 <= len(boot) <= MAX_BOOT and "\0" not in boot
    if right and type(seq) is int and 0 <= seq <= MAX_SEQ:
        return str(boot), seq
    return NO_BOOT, NO_SEQ


def explain(error: ValidationError) -> str:
    """Return what is wrong with a message and where, the first few things of it."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{_path(entry['loc'])}: {entry['msg']}" for entry in found[:_ERRORS]]
    more = [f"and {len(found) - _ERRORS} more"] if len(found) > _ERRORS else []
    return "; ".join(said + more).replace("Value error, ", "")


def _path(steps: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def shown(tree: object) -> str:
    """Return a piece of a message as a detail shows it."""
    text = write(tree)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
