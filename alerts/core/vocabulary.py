"""The words that every package shares: statuses, quality flags, severities, judgements.

Numbers are what the database stores, names what people and programs read.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

SECOND = 1_000_000  # microseconds: every instant and duration in arrays is int64 microseconds
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LONG_STEP = 20 * MINUTE  # how far apart means of more than an hour are evaluated
NEVER = -(2**63)  # the instant that stands for "none" in int64 arrays


class Status(IntEnum):
    """What the AMS says of a value. Only ``VALID`` values enter averages."""

    VALID = 0
    CALIBRATION = 1
    MAINTENANCE = 2
    MALFUNCTION = 3
    OUT_OF_RANGE = 4
    START_UP = 5
    SHUT_DOWN = 6
    STOPPED = 7
    SUBSTITUTED = 8

    @property
    def label(self) -> str:
        """The code as messages and the API write it."""
        return self.name.lower()


class Flag(IntFlag):
    """What the server found out about a reading. Only ``RANGE`` keeps it out of averages.

    ``LATE``, ``CLOCK``, ``REVISED`` and ``GAP_BEFORE`` tell of its arrival, the rest of its value.
    ``STUCK`` and ``JUMP`` are never stored: they are derived when readings are read.
    """

    RANGE = 1
    NEGATIVE = 2
    STUCK = 4
    JUMP = 8
    LATE = 16
    CLOCK = 32
    REVISED = 64
    GAP_BEFORE = 128

    @classmethod
    def labels(cls, mask: int) -> list[str]:
        """Names of the bits set in ``mask``, lowest bit first."""
        return [flag.name.lower() for flag in cls if flag.name and mask & flag]


class Severity(IntEnum):
    """How far a rolling mean has risen; ``NONE`` where there is no alert."""

    NONE = 0
    WARNING = 1
    EXCEEDANCE = 2

    @property
    def label(self) -> str:
        """The severity as the API writes it."""
        return self.name.lower()


class Judgement(IntEnum):
    """What a block mean is judged to be."""

    COMPLIANT = 0
    EXCEEDED = 1
    NOT_ASSESSABLE = 2

    @property
    def label(self) -> str:
        """The judgement as the API writes it."""
        return self.name.lower()


STATUS_BY_LABEL = {status.label: int(status) for status in Status}
