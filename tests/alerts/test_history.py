"""Many channels judged at once, against each judged alone: bit for bit the same."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.bulk import Bulk, Valid
from alerts.core.course import Alerts
from alerts.core.limits import Limits
from alerts.core.records import Series
from alerts.core.rounding import exact_fraction, thresholds
from alerts.core.vocabulary import DAY, HOUR, MINUTE, NEVER, SECOND
from alerts.history import Asked, History, judge_history, needed_from
from alerts.recompute import Task, readings_needed_from, recompute

if TYPE_CHECKING:
    from alerts.core.course import Episode
    from alerts.recompute import Recomputed

START = 1_748_736_000_000_000  # 2025-06-01T00:00:00Z
SPAN = 8 * HOUR
PERIODS = (10 * SECOND, 45 * SECOND, MINUTE, 5 * MINUTE, 7 * MINUTE)
ZONES = ("+05:00", "Europe/Berlin", "+05:45", "Asia/Kolkata")
LEVELS = (20.0, 79.0, 80.0, 99.0, 100.0, 101.0, 250.0)


@st.composite
def plants(draw: st.DrawFn) -> tuple[int, str, list[Series], Limits, int]:
    """Channels of one period with values on levels and gaps, their limits, and the span's start."""
    period, zone = draw(st.sampled_from(PERIODS)), draw(st.sampled_from(ZONES))
    dice = np.random.default_rng(draw(st.integers(0, 2**32)))
    series = [_series(dice, period) for _ in range(draw(st.integers(1, 5)))]
    rows: list[dict[str, Any]] = []
    for channel in range(len(series)):
        for window in (20 * period, 60 * period, DAY):
            if window % period == 0 and draw(st.booleans()):
                rows += _versions(dice, channel, min(window, DAY))
    for number, row in enumerate(rows):
        row["limit"] = number // 2 + 1
    columns = [[row[one.name] for row in rows] for one in fields(Limits)]
    kinds: dict[str, Any] = {"limit": "i4", "version": "i4", "channel": "i4", "legal": "?"}
    kinds |= dict.fromkeys(("value", "warn", "clear_exceedance", "clear_warning"), "f8")
    arrays: list[Any] = [
        np.array(column, kinds.get(one.name, "i8"))
        for one, column in zip(fields(Limits), columns, strict=True)
    ]
    return period, zone, series, Limits(*arrays), START + draw(st.integers(0, 6)) * HOUR


def _series(dice: np.random.Generator, period: int) -> Series:
    first = START - 30 * HOUR * int(dice.integers(0, 2)) + int(dice.integers(0, 9)) * HOUR // 2
    time = np.arange(first, START + SPAN - int(dice.integers(0, 7)) * HOUR, period)
    time = time[dice.random(len(time)) > dice.choice([0.0, 0.2, 0.6])]
    level = np.repeat(dice.choice(LEVELS, len(time) // 40 + 1), 40)[: len(time)]
    value = level + dice.integers(0, 3, len(time)) / 10
    valid = dice.random(len(time)) > 0.05
    return Series(time, value, valid, np.zeros(len(time), np.int8))


def _versions(dice: np.random.Generator, channel: int, window: int) -> list[dict[str, Any]]:
    """Two versions of a limit, the second from some time of the span on, maybe after a gap."""
    found = []
    change = START + int(dice.integers(-2, 8)) * HOUR
    begins = change + int(dice.choice([0, 0, MINUTE // 2, MINUTE, 3 * HOUR]))
    for version, (after, until) in enumerate(((0, change), (begins, 2**62)), 1):
        value = float(dice.choice([79.0, 100.0, 300.0]))
        warn, clear_exceedance, clear_warning = thresholds(value, "0.8", "0.95")
        share = exact_fraction(str(dice.choice(["2/3", "1/4"])))
        found.append(
            {
                "version": version, "channel": channel, "window": window, "valid_after": after,
                "valid_until": until, "value": value, "warn": warn,
                "clear_exceedance": clear_exceedance, "clear_warning": clear_warning,
                "coverage_numerator": share.numerator, "coverage_denominator": share.denominator,
                "open_after": int(dice.choice([0, 3])) * MINUTE, "clear_after": 5 * MINUTE,
                "legal": True,
            }
        )  # fmt: skip
    return found


def together(period: int, zone: str, series: list[Series], limits: Limits, since: int) -> History:
    until = START + SPAN
    start = needed_from(since, limits, {}) // period * period
    kept = [one.valid & (one.time >= start) for one in series]
    valid = Valid(
        np.repeat(np.arange(len(series)), [int(mask.sum()) for mask in kept]),
        np.concatenate([one.time[mask] for one, mask in zip(series, kept, strict=True)]),
        np.concatenate([one.value[mask] for one, mask in zip(series, kept, strict=True)]),
        np.array([_edge(one, start, 0) for one in series]),
        np.array([_edge(one, start, -1) for one in series]),
        start,
        since,
    )
    n = len(series)
    ask = Asked(np.arange(n, dtype=np.int32), np.full(n, since), np.full(n, until), limits, {})
    return judge_history(Bulk(valid, period, zone, until), ask)


def _edge(one: Series, start: int, place: int) -> int:
    time = one.time[one.time >= start]
    return int(time[place]) if len(time) else NEVER


def alone(  # noqa: PLR0917 - a channel and what is asked of it
    channel: int, period: int, zone: str, series: Series, limits: Limits, since: int
) -> Recomputed:
    until = START + SPAN
    task = Task(channel, period, zone, since, until, since, until)
    start = readings_needed_from(task, limits, {}) // period * period
    kept = series.time >= start
    columns = (getattr(series, one.name)[kept] for one in fields(Series))
    return recompute(task, limits, {}, Series(*columns), start)


@settings(max_examples=60, deadline=None)
@given(plants())
def test_judged_together_as_each_alone(plant: tuple[int, str, list[Series], Limits, int]) -> None:
    period, zone, series, limits, since = plant
    found = together(period, zone, series, limits, since)
    for channel, one in enumerate(series):
        mine = limits.channel == channel
        own = Limits(*(getattr(limits, field.name)[mine] for field in fields(Limits)))
        expected = alone(channel, period, zone, one, own, since)
        for limit, course in expected.courses.items():
            assert _told(found.alerts, limit) == [_episode(one) for one in course.episodes]
            assert _judged(found.judgements, limit) == _judged(expected.judgements, limit)


def _told(alerts: Alerts, limit: int) -> list[tuple[Any, ...]]:
    rows = np.flatnonzero(alerts.limit == limit)
    columns = [getattr(alerts, one.name)[rows].tolist() for one in fields(Alerts)[1:]]
    return list(zip(*columns, strict=True))


def _episode(one: Episode) -> tuple[Any, ...]:
    known = {"resolved_at": NEVER if one.resolved_at is None else one.resolved_at}
    return tuple(known.get(name.name, getattr(one, name.name)) for name in fields(Alerts)[1:])


def _judged(rows: Any, limit: int) -> list[str]:
    """Judgements of blocks that hold anything."""
    here = (rows.limit == limit) & (rows.count > 0)
    names = ("start", "finish", "version", "mean", "count", "expected", "state")
    return [repr(row) for row in zip(*(getattr(rows, name)[here] for name in names), strict=True)]
