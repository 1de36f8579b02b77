"""The judge of rule sets against its slow twin, on gaps, odd zones, leap days and clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.shortterm import ShortTerm
from alerts.core.statistics import judge
from alerts.core.vocabulary import HOUR, MINUTE, SECOND
from tests.core.compliance import fast, rule, slow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule

# Where clocks or calendars do something: the hours begin a few days before it.
PLACES = [
    ("Asia/Almaty", "2024-02-27T18:00Z"),  # leap day of 25 h: from UTC+6 to UTC+5 at its end
    ("+05:00", "2024-02-26T19:00Z"),
    ("+05:00", "2025-12-28T07:00Z"),
    ("Europe/Berlin", "2026-03-26T23:00Z"),
    ("Asia/Kolkata", "2026-06-28T18:00Z"),  # midnight in the middle of an hour of UTC
    ("+05:45", "2026-12-29T18:00Z"),
    ("Pacific/Apia", "2011-12-28T10:00Z"),  # a day that the zone leaves out
    ("America/Sao_Paulo", "2018-11-01T03:00Z"),  # a midnight that the clock skips
]

VALIDITIES: list[dict[str, Any]] = [
    {},
    {"coverage": "1"},
    {"coverage": "0.1", "quadrants": True},
    {"invalid_parts_a_day": 3},
    {"valid_parts_a_day": 15, "valid_days_a_month": 3, "valid_days_in_february": 2},
    {"invalid_parts_a_day": 5, "valid_parts_a_day": 10, "coverage": "0"},
    {"valid_days_a_month": 2},
    {"leaves_out": ("stopped",)},
    {"leaves_out": ("start_up", "shut_down")},
    {"leaves_out": ()},
]
UNCERTAINTIES: list[dict[str, Any]] = [
    {},
    {},
    {"uncertainty": "limit", "uncertainty_share": "0.2"},
    {"uncertainty": "value", "uncertainty_share": "3/10"},
    {"uncertainty": "calibration", "uncertainty_amount": 12.5},
]
STATISTICS: list[dict[str, Any]] = [
    *(
        {"average": average}
        for average in ["1h", "3h", "4h", "8h", "12h", "1d", "1week", "1month", "1quarter", "1year"]
    ),
    *(
        {"average": average, "rolling": True}
        for average in ["3h", "8h", "12h", "1d", "3d", "1month", "2month"]
    ),
    {"average": "3operating_days", "rolling": True},
    {"average": "1d", "geometric": True},
    {"average": "1d", "decimals": 0},
    {"average": "4h", "reached": True},
    {"statistic": "total", "average": "1month", "leaves_out": ("stopped",), "factor": "0.05"},
    {"statistic": "total", "average": "2month", "rolling": True, "factor": "0.1"},
    {"statistic": "total", "average": "1d", "factor": "0.02"},
    {"statistic": "share", "average": "1h", "per": "1year", "share": "0.95"},
    {"statistic": "share", "average": "1h", "per": "1month", "share": "0.5", "decimals": 1},
    {"statistic": "share", "average": "1h", "per": "1d", "share": "0.9", "rolling_per": True},
    {"statistic": "share", "average": "1h", "per": "2d", "share": "0.8", "rolling_per": True},
    {"statistic": "share", "average": "1d", "per": "1year", "share": "0.97"},
    {"statistic": "share", "average": "4h", "per": "1week", "share": "2/3"},
    {
        "statistic": "share", "average": "1h", "per": "1week", "share": "0.95",
        "of": "out_of_calibration", "calibration_range": 180.0,
    },
    {"statistic": "count", "average": "1h", "per": "1year", "at_most": 40},
    {"statistic": "count", "average": "1h", "per": "1month", "at_most_in_a_row": 3},
    {
        "statistic": "count", "average": "1h", "per": "1d", "rolling_per": True, "at_most": 9,
        "at_most_in_a_row": 4,
    },
    {"statistic": "count", "average": "1d", "per": "1year", "of": "invalid_days", "at_most": 2},
    {"statistic": "count", "average": "1d", "per": "1month", "at_most": 1},
    *(
        {"statistic": "count", "average": "1h", "of": "abatement_failure", **more}
        for more in (
            {"per": "1year", "at_most": 20, "at_most_in_a_row": 4},
            {"per": "1d", "at_most_in_a_row": 4},
            {"per": "1year", "rolling_per": True, "at_most": 30},
            {"per": "1month", "rolling_per": True, "at_most": 9, "at_most_in_a_row": 5},
        )
    ),
    {
        "statistic": "count", "average": "1h", "per": "1week", "of": "calibration_weeks",
        "calibration_range": 200.0, "calibrated_from": "2018-11-03", "at_most": 1,
    },
    {
        "statistic": "count", "average": "1h", "per": "1week", "of": "calibration_weeks",
        "calibration_range": 180.0, "calibrated_from": "2026-03-01", "at_most": 0,
    },
    {"statistic": "count", "average": "1h", "per": "1week", "of": "special_class"},
    *(
        {"statistic": "count", "average": "1h", "per": "1month", "of": of, "bound": 210.0}
        for of in ("failure_up_to", "failure_above")
    ),
    *(
        {**how, **what}
        for how in (
            {"substitution": "neighbours"},
            {"substitution": "maximum", "look_back": 20},
            {"substitution": "part75", "look_back": 30, "potential": 999.5},
            {"substitution": "part75", "look_back": 30, "potential": 999.5, "by_load": True},
            {
                "substitution": "part75", "look_back": 30, "potential": 999.5, "by_load": True,
                "load": "mw", "maximum_load": 320.0,
            },
            {"substitution": "mean_two_sigma"},
        )
        for what in (
            {"average": "1d"},
            {"average": "1week"},
            {"statistic": "total", "average": "1month", "factor": "0.05"},
            {"statistic": "share", "average": "4h", "per": "1month", "share": "0.9"},
        )
    ),
    {"average": "8h", "rolling": True, "substitution": "neighbours"},
    {"average": "1h", "substitution": "neighbours"},
    {
        "statistic": "count", "average": "1d", "per": "1month", "of": "invalid_days", "at_most": 2,
        "substitution": "neighbours",
    },
]  # fmt: skip


class Case(NamedTuple):
    """The arguments of ``judge``."""

    rule: Rule
    limit: NDArray[np.float64]
    short: ShortTerm
    zone: str
    until: int
    in_force: NDArray[np.bool_]


@st.composite
def shorts(draw: st.DrawFn, start: int, length: int, rows: int, n: int) -> ShortTerm:
    """Averages with stretches in which they are invalid, idle, stopped or missing."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    slots = length // MINUTE // draw(st.sampled_from([1, 5]))
    digits = draw(st.sampled_from([0, 1, 4]))
    level = np.repeat(chance.normal(190, 40, (rows // 24 + 1, n)), 24, axis=0)[:rows]
    mean = np.round(chance.normal(level, 30), digits)
    kinds = draw(st.sampled_from([1, 3, 7, 15]))  # the rarer trouble, the longer it lasts
    kind = np.repeat(chance.integers(0, 4 * kinds, (rows // kinds + 1, n)), kinds, axis=0)[:rows]
    count = np.full((rows, n), slots, np.int32)
    idle, stopped = np.zeros_like(count), np.zeros_like(count)
    some = chance.integers(0, slots + 1, (rows, n), np.int32)
    count[kind == 0] = some[kind == 0]
    idle[kind == 1] = some[kind == 1]
    idle[kind == 2] = stopped[kind == 2] = slots
    count = np.minimum(count, slots - idle)
    stopped[kind == 1] = idle[kind == 1] // 2
    mean[(count == 0) | (kind == 3)] = np.nan
    quarters = np.minimum(chance.choice([4, 4, 4, 3, 1], (rows, n)), length // (15 * MINUTE))
    starts = start + np.arange(rows, dtype=np.int64) * length
    return ShortTerm(
        start=starts,
        finish=starts + length,
        mean=mean,
        count=count,
        expected=np.full((rows, 1), slots, np.int32),
        idle=idle,
        stopped=stopped,
        quarters=quarters.astype(np.int8),
        marked=chance.choice([0, 0, 0, 5], (rows, n)).astype(np.int32),
        serviced=chance.choice([0, 0, 3], (rows, n)).astype(np.int32),
        load=chance.choice([np.nan, 0.0, 30.0, 32.0, 32.5, 288.0, 310.0, 400.0], (rows, n)),
    )


@st.composite
def cases(draw: st.DrawFn, statistics: list[dict[str, Any]] = STATISTICS) -> Case:
    zone, moment = draw(st.sampled_from(PLACES))
    start = int(datetime.fromisoformat(moment).timestamp()) * SECOND
    statistic = draw(st.sampled_from(statistics))
    short_term, length = draw(st.sampled_from([("1h", HOUR), ("1h", HOUR), ("30min", HOUR // 2)]))
    if statistic["average"] == "1h":
        statistic = {**statistic, "average": short_term}
    rows = draw(st.one_of(st.integers(0, 30), st.integers(48, 24 * 12)))
    n = draw(st.integers(1, 3))
    short = draw(shorts(start, length, rows, n))
    if statistic.get("of") == "special_class":  # values of hours that are nothing but start-up
        starting = np.where(short.count % 2 == 0, short.expected, short.idle)
        short = replace(short, idle=starting, stopped=np.where(short.mean < 180, short.stopped, 0))
    one = rule(
        short_term=short_term,
        **draw(st.sampled_from(UNCERTAINTIES)),
        **{
            "factor": draw(st.sampled_from(["1", "1.1", "0.75"])),
            **draw(st.sampled_from(VALIDITIES)),
            **statistic,
        },
    )
    limit = np.array(draw(st.sampled_from([[200.0] * n, [150.0, 200.1, 250.0][:n]])))
    if rows and draw(st.booleans()):
        limit = np.repeat(limit[None], rows, axis=0)
        limit[rows // 2 :] += 25
    in_force = np.ones((rows, n), np.bool_)
    in_force[: draw(st.integers(0, rows // 3)), 0] = False
    if draw(st.integers(0, 3)) == 0:
        in_force[rows - rows // 5 :] = False
    until = start + draw(st.integers(0, rows + 2)) * length + draw(st.sampled_from([0, 7 * MINUTE]))
    return Case(one, limit, short, zone, until, in_force)


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda one: " ".join(map(str, one.values())))
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_same_as_with_pencil_and_paper(statistic: dict[str, Any], data: st.DataObject) -> None:
    case = data.draw(cases([statistic]))
    assert fast(*case) == slow(*case)


@given(cases(), st.sampled_from([0.001, 10.0, 1000.0]))
@settings(max_examples=100, deadline=None)
def test_the_unit_of_measure_does_not_matter(case: Case, scale: float) -> None:
    one = case.rule
    if one.potential is not None or one.uncertainty == "calibration":
        return
    if one.calibration_range is not None or one.decimals == 0:
        return
    short = case.short
    scaled = ShortTerm(
        **{name: getattr(short, name) for name in short.__slots__ if name != "mean"},
        mean=np.array([[float(f"{x * scale:.12g}") for x in row] for row in short.mean]).reshape(
            short.mean.shape
        ),
    )
    there = judge(one, case.limit * scale, scaled, *case[3:])
    assert np.array_equal(judge(*case).state, there.state)


@given(cases(), st.permutations([0, 1, 2]))
@settings(max_examples=100, deadline=None)
def test_the_order_of_channels_does_not_matter(case: Case, order: list[int]) -> None:
    order = [one for one in order if one < case.short.channels]
    short = case.short
    wide = {name: getattr(short, name) for name in short.__slots__}
    moved = ShortTerm(
        **{name: part[:, order] if name in _WIDE else part for name, part in wide.items()}
    )
    limit = case.limit[..., order]
    there = judge(case.rule, limit, moved, case.zone, case.until, case.in_force[:, order])
    here = judge(*case)
    for name in ("value", "state", "valid", "expected", "exceeding", "left", "substituted"):
        assert np.array_equal(getattr(here, name)[:, order], getattr(there, name), equal_nan=True)


_WIDE = {"mean", "count", "idle", "stopped", "quarters", "marked", "serviced", "load"}
