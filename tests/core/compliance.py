"""Rules and short-term averages for tests of compliance; verdicts of both twins."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.rules import Rule
from alerts.core.shortterm import ShortTerm
from alerts.core.statistics import judge
from alerts.core.vocabulary import HOUR, Judgement
from tests.core.compliance_oracle import Judge
from tests.core.oracle_means import Short, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from alerts.core.verdicts import Verdicts

ZONE = "+05:00"
SLOTS = 60


def rule(**settings: Any) -> Rule:
    """A daily mean of hours against 200 mg/m3, unless told otherwise."""
    usual: dict[str, Any] = {
        "rules": "test", "version": "1", "condition": "one", "clause": "", "verified": True,
        "statistic": "mean", "average": "1d", "short_term": "1h", "limit": 200.0, "uom": "mg/m3",
    }  # fmt: skip
    return Rule(**{**usual, **settings})


def hours(
    start: int, means: Any, *, length: int = HOUR, slots: int = SLOTS, **given: Any
) -> ShortTerm:
    """Short-term averages one after the other; without a count all slots have a value."""
    mean = np.asarray(means, np.float64)
    mean = mean[:, None] if mean.ndim == 1 else mean
    starts = start + np.arange(len(mean), dtype=np.int64) * length
    found: dict[str, Any] = {
        "count": np.where(np.isnan(mean), 0, slots).astype(np.int32),
        "expected": np.full((1, 1), slots, np.int32),
    }
    return ShortTerm(start=starts, finish=starts + length, mean=mean, **{**found, **given})


def states(verdicts: Verdicts, channel: int = 0) -> list[str]:
    return [Judgement(code).label for code in verdicts.state[:, channel]]


def slow(  # noqa: PLR0917 - the arguments of ``judge``
    one: Rule,
    limit: NDArray[np.float64],
    short: ShortTerm,
    zone: str,
    until: int,
    in_force: NDArray[np.bool_],
) -> list[list[Verdict]]:
    """What the slow twin says of each channel."""
    return [
        Judge(one, _printed(short, channel, limit, in_force), zone, until).verdicts()
        for channel in range(short.channels)
    ]


def fast(*case: Any) -> list[list[Verdict]]:
    """What the code says, in the twin's words."""
    found = judge(*case)
    return [
        [_verdict(found, period, channel) for period in range(len(found.start))]
        for channel in range(found.value.shape[1])
    ]


def _printed(
    short: ShortTerm, channel: int, limit: NDArray[np.float64], in_force: NDArray[np.bool_]
) -> Sequence[Short]:
    shape = short.mean.shape

    def column(values: NDArray[Any]) -> list[Any]:
        return list(np.broadcast_to(values, shape)[:, channel].tolist())

    columns = zip(
        short.start.tolist(), short.finish.tolist(), column(short.mean), column(short.count),
        column(short.expected), column(np.atleast_2d(limit)), column(short.idle),
        column(short.stopped), column(short.quarters), column(short.marked), column(in_force),
        column(short.serviced), column(short.load),
        strict=True,
    )  # fmt: skip
    return [
        Short(
            start, finish, None if np.isnan(mean) else Fraction(repr(mean)), count, expected,
            Fraction(repr(at)), *[*rest, None if np.isnan(load) else Fraction(repr(load))],
        )
        for start, finish, mean, count, expected, at, *rest, load in columns
    ]  # fmt: skip


def _verdict(found: Verdicts, period: int, channel: int) -> Verdict:
    def number(values: NDArray[np.float64]) -> Decimal | None:
        value = float(values[period, channel])
        return None if np.isnan(value) else Decimal(repr(value))

    return Verdict(
        int(found.start[period]),
        int(found.finish[period]),
        bool(found.over[period]),
        Judgement(found.state[period, channel]).label,
        number(found.value),
        number(found.raw),
        **{
            name: int(getattr(found, name)[period, channel])
            for name in ("valid", "expected", "exceeding", "allowed", "substituted")
        },
        methods=tuple(found.methods[:, period, channel].tolist()),
        replaced=number(found.replaced),
        estimate=number(found.estimate),
    )
