"""What one transaction commits, and what became of it: plain arrays between packages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Outcome(IntEnum):
    """What became of a reading, as the ledger counts it (a message is never ``REVISED``)."""

    STORED = 0
    DUPLICATE = 1
    REVISED = 2
    QUARANTINED = 3


@dataclass(slots=True)
class Columns:
    """Readings in order of receipt, one row each; all arrays have length n.

    ``message`` is the row of the reading's message, ``time`` int64 microseconds since 1970 UTC,
    ``value`` NaN where there is none, ``status`` and ``flags`` the numbers of the vocabulary.
    """

    message: NDArray[np.int32]
    channel: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    status: NDArray[np.int16]
    flags: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class AsideMessage:
    """A message that is set aside whole; ``message`` is its row."""

    message: int
    topic: str
    payload: bytes
    enterprise: str | None
    unit: str | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AsideValue:
    """A value that is set aside; ``payload`` is a message of this one sample, for a retry."""

    message: int
    topic: str
    enterprise: str
    unit: str
    unit_id: int
    key: str
    reason: str
    detail: str
    payload: bytes


@dataclass(slots=True)
class Received:
    """Some messages, decoded and checked, in order of receipt: what one transaction commits.

    Arrays over the m messages: ``unit`` (0: no known unit), ``boot`` (id in ``boots``, 0: none),
    ``seq`` (-1: none), ``seen`` (this boot and seq were received before). ``fresh`` is parallel to
    ``readings``: True where the reading is strictly newer than everything known of its channel, so
    that it needs no look-up. ``received_at`` is int64 microseconds.
    """

    batch: int
    received_at: int
    unit: NDArray[np.int32]
    boot: NDArray[np.int32]
    seq: NDArray[np.int64]
    seen: NDArray[np.bool_]
    readings: Columns
    fresh: NDArray[np.bool_]
    aside_messages: list[AsideMessage]
    aside_values: list[AsideValue]


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a ``Received``: outcomes by row of its readings and of its messages.

    ``values_quarantined`` and ``values_duplicate`` count the set-aside values that were new and
    that were in quarantine already.
    """

    readings: NDArray[np.uint8]
    messages: NDArray[np.uint8]
    values_quarantined: int
    values_duplicate: int
