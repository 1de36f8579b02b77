"""Durations as the registry writes them."""

from __future__ import annotations

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND

_UNITS = (("d", DAY), ("h", HOUR), ("min", MINUTE))


def duration_text(microseconds: int) -> str:
    """Return whole seconds, given in microseconds, in the largest unit that fits: ``20min``."""
    for name, length in _UNITS:
        if microseconds and microseconds % length == 0:
            return f"{microseconds // length}{name}"
    return f"{microseconds // SECOND}s"
