"""What compliance is judged by and what comes of it, as values: conditions and verdicts.

A condition is one rule of a limit's rule set, followed through its versions. A verdict is what it
was judged to be over one period: a row of the structured type ``VERDICT``. Instants are int64
microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.verdicts import METHODS

if TYPE_CHECKING:
    from alerts.core.rules import Rule

WITHDRAWN = 3  # beside the codes of Judgement: there is no such period any more

VERDICT = np.dtype(
    [
        ("limit", "i4"),
        ("version", "i4"),
        ("start", "i8"),
        ("finish", "i8"),
        ("value", "f8"),  # NaN: none
        ("raw", "f8"),
        ("complete", "f8"),  # share of the expected parts that are valid; of a total, of its time
        ("state", "i2"),  # of alternatives: what they are together
        ("alone", "i2"),
        ("valid", "i4"),
        ("expected", "i4"),
        ("exceeding", "i4"),  # verdicts.NONE: the condition counts nothing
        ("allowed", "i4"),
        ("substituted", "i4"),
        *((f"filled_{code:02d}", "i4") for code in METHODS),  # averages filled, by method
        ("replaced", "f8"),  # of a mass, what rests on substitutes
        ("estimate", "f8"),  # beside a mass, what nothing is known of
        ("over", "?"),
        # of the period that is not over:
        ("rest", "f8"),  # what its remaining short-term averages may average; NaN: not known
        ("forecast", "f8"),  # what it will come to at the present rate
        ("threshold", "f8"),  # what the forecast is compared with
        ("breaks_at", "i8"),  # when it breaks the condition; NEVER: not within the period
    ]
)
FILLED = tuple(f"filled_{code:02d}" for code in METHODS)
FORECASTS = ("rest", "forecast", "threshold", "breaks_at")
FIGURES = tuple(name for name in VERDICT.names or () if name not in {"limit", "finish", *FORECASTS})
"""What a stored verdict is compared by: all but its key and the forecast."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a condition: of periods that end after ``after`` and not after ``until``."""

    number: int
    after: int
    until: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a limit: ``limit`` its number, ``versions`` in order of ``after``.

    ``zone`` is the reporting zone. ``family`` names what alternatives belong to, apart from the
    rule's group: the permit and the channel.
    """

    limit: int
    channel: int
    family: str
    zone: str
    versions: tuple[Version, ...]


@lru_cache(65_536)
def kind_of(rule: Rule) -> Rule:
    """Return the rule without its limit's value: what limits that are judged alike share.

    One and the same object for all of them, so that comparing it is quick.
    """
    return _one(replace(rule, limit=0.0))


@lru_cache(4096)
def _one(kind: Rule) -> Rule:
    return kind
