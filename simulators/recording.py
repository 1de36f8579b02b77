"""What a data file becomes: units with channels and the samples that each of them will send."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulators.message import Sample


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data file as a channel: ``key`` in payloads, its id too.

    ``low`` and ``high`` span what such a channel may show; data beyond widen them.
    """

    name: str
    key: str
    parameter: str
    uom: str
    low: float
    high: float
    flag: str | None = None  # the column that says how the value came about


@dataclass(frozen=True, slots=True)
class PermitLimit:
    """A limit for the mean of ``key`` over ``average``, in its channel's unit of measure."""

    key: str
    value: float
    average: str


@dataclass(frozen=True, slots=True)
class RecordedUnit:
    """An AMS unit at one source, with its samples in order of time; times are sent in ``zone``."""

    unit: str
    source: str
    columns: Sequence[Column]
    samples: Sequence[Sample]
    zone: timezone = UTC
    position: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The units of one enterprise, their limits and where their days begin."""

    name: Mapping[str, str]
    units: Sequence[RecordedUnit]
    limits: Sequence[PermitLimit]
    period: int  # microseconds
    reporting_zone: timezone | None = None

    @property
    def first(self) -> int:
        """Time of the first sample (microseconds)."""
        return min(unit.samples[0].time for unit in self.units)

    @property
    def last(self) -> int:
        """Time of the last sample (microseconds)."""
        return max(unit.samples[-1].time for unit in self.units)


def number(text: str, place: str) -> float | None:
    """Return the number that a field holds, None for an empty one.

    Raises UserError, naming ``place``, for what is no finite number.
    """
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{place}: {text!r} is not a number")
    return value


def check_columns(expected: Iterable[str], header: Sequence[str] | None, file: str) -> None:
    """Raise UserError unless ``header`` holds all expected columns."""
    lacking = [name for name in expected if name not in (header or ())]
    if lacking:
        raise UserError(f"{file}: line 1: no column {', '.join(lacking)}; is it another format?")


def read_bytes(file: str) -> bytes:
    """Return a file's content; UserError names it when it cannot be read."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
