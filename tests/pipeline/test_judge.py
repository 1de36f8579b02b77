"""The clock of the judging."""

from __future__ import annotations

from typing import Any

from ingest.judge import Judge
from tests.pipeline.example import NOW

OLD = NOW - 90_000_000  # us


def test_by_the_clock_nothing_is_judged_beyond_what_waits() -> None:
    """While messages wait, as in an outage, their channels are not silent."""
    unused: Any = None
    judge = Judge(unused, unused, unused, lambda: NOW, unused)
    assert judge._swept_until() == NOW
    judge.waiting_since = lambda: OLD
    assert judge._swept_until() == OLD
