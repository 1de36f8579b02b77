"""The flags stuck and jump worked out reading by reading: the slow twin of the core's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tests.oracles import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.oracles import Reading


class Allowed(NamedTuple):
    """What a channel allows: microseconds, and the change in a period; 0 is not checked."""

    period: int
    stuck_after: int = 0
    max_step: float = math.inf


def stuck_and_jumping(course: Iterable[tuple[Reading, Allowed]]) -> list[list[str]]:
    """Names of the flags of one channel's readings, which ascend in time."""
    found = []
    before: Reading | None = None
    since = 0
    for reading, allowed in course:
        names: list[str] = []
        found.append(names)
        if reading.value is None or reading.status != "valid":
            continue
        if before is None or reading.time - before.time > max(HOUR, 2 * allowed.period):
            before, since = None, reading.time
        elif reading.value != before.value:
            since = reading.time
        if allowed.stuck_after and reading.time - since > allowed.stuck_after:
            names.append("stuck")
        if before is not None and before.value is not None and allowed.max_step > 0:
            periods = max(1.0, (reading.time - before.time) / allowed.period)
            if abs(reading.value - before.value) > allowed.max_step * periods:
                names.append("jump")
        before = reading
    return found
