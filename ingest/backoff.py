"""How long to wait before the next attempt."""

import random

FIRST, LONGEST = 0.1, 10.0  # seconds
STEADY = 5.0  # seconds; what lasted so long was a good attempt


class Backoff:
    """Delays that double with each attempt that did not last, capped and jittered."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self, lasted: float) -> float:
        """Seconds to wait now that an attempt ended after `lasted` seconds."""
        self._failures = 0 if lasted > STEADY else min(self._failures + 1, 16)
        delay = min(LONGEST, FIRST * (1 << self._failures))
        return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads attempts, guards nothing
