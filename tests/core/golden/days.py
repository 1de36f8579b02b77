"""A day of short-term averages of which some are invalid."""

from __future__ import annotations

import numpy as np

from alerts.core.rules import Rule
from alerts.core.shortterm import ShortTerm
from alerts.core.validity import averages, days
from alerts.core.vocabulary import DAY


def validity_of_a_day(parts: int, invalid: int, allowed: int) -> bool:
    """Whether a day of ``parts`` averages is valid when ``invalid`` are not and some may be."""
    rule = Rule(
        rules="any",
        version="1",
        condition="day",
        clause="",
        verified=False,
        statistic="mean",
        average="1d",
        short_term=f"{1440 // parts}min",
        limit=200.0,
        uom="mg/m3",
        invalid_parts_a_day=allowed,
    )
    start = np.arange(parts) * (DAY // parts)
    count = np.full((parts, 1), 60, np.int32)
    count[:invalid] = 0
    short = ShortTerm(
        start=start,
        finish=start + DAY // parts,
        mean=np.where(count > 0, 100.0, np.nan),
        count=count,
        expected=np.full((1, 1), 60, np.int32),
    )
    valid, expected = averages(rule, short)
    found = days(rule, "+00:00", short, valid, expected, DAY)
    assert found.valid.item() is not found.invalid.item()
    return bool(found.valid.item())
