"""Ranges of load, and mass flows of quantities that are filled apart: by hand, and by the twin."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.core.apart import mass_flows
from alerts.core.chain import Chains, Role
from alerts.core.part75 import Tiers, load_ranges, part75
from alerts.core.rules import Quantity
from alerts.core.shortterm import Made
from alerts.core.statistics import judge
from alerts.core.verdicts import METHODS
from alerts.core.vocabulary import HOUR
from tests.core.compliance import ZONE, _printed, hours, rule
from tests.core.compliance_oracle import Judge
from tests.oracles import nine_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm
    from alerts.core.substitution import Substituted

NAN = np.nan
POTENTIAL = 999.0
START = 1_767_207_600_000_000  # 2026-01-01 at +05:00


def column(values: Any) -> NDArray[np.float64]:
    return np.array(values, np.float64)[:, None]


@pytest.mark.parametrize(
    ("load", "expected"),
    [(0, 1), (0.1, 1), (32, 1), (32.001, 2), (96, 3), (288, 9), (288.1, 10), (320, 10), (400, 10),
     (-1, 1), (NAN, 0)],
)  # fmt: skip
def test_ranges_are_tenths_of_the_maximum_load(load: float, expected: int) -> None:
    assert load_ranges(column([load]), 320.0).tolist() == [[expected]]


def test_tenths_of_a_load_that_no_binary_fraction_is() -> None:
    edges = column([0.7 * part for part in range(1, 11)])  # 0.7 x 3 is 2.0999999999999996
    assert load_ranges(edges, 7.0)[:, 0].tolist() == list(range(1, 11))


def nitrogen(availability: float, gap: int, look_back: int = 20) -> Substituted:
    """Twenty hours in range 5, 1 to 20, and twenty in range 8, 101 to 120; then a gap, then 60.

    The gap is in turn in the ranges 5, 8, 6, 9 and unknown.
    """
    value = column([*range(1, 21), *range(101, 121), *[NAN] * gap, 60])
    ranges = np.array([5] * 20 + [8] * 20 + ([5, 8, 6, 9, 0] * gap)[:gap] + [5], np.int8)[:, None]
    operating = np.ones(value.shape, np.bool_)
    tiers = Tiers(POTENTIAL, look_back, by_load=True)
    whole = np.full_like(value, availability)
    return part75(value, operating, whole, tiers, ranges=ranges)


@pytest.mark.parametrize(
    ("availability", "gap", "values", "methods"),
    [
        (95.0, 24, [10.5, 110.5, 120.0, POTENTIAL, POTENTIAL], [11, 11, 10, 12, 12]),
        # the 90th percentile of 1 to 20 is 18: less than the neighbours, (120 + 60) / 2
        (95.0, 25, [90.0, 118.0, 120.0, POTENTIAL, POTENTIAL], [8, 8, 10, 12, 12]),
        (94.9, 8, [10.5, 110.5, 120.0, POTENTIAL, POTENTIAL], [11, 11, 10, 12, 12]),
        (94.9, 9, [90.0, 119.0, 120.0, POTENTIAL, POTENTIAL], [9, 9, 10, 12, 12]),
        (89.9, 5, [20.0, 120.0, 120.0, POTENTIAL, POTENTIAL], [10, 10, 10, 12, 12]),
        (79.9, 5, [POTENTIAL] * 5, [12] * 5),
    ],
)
def test_the_tiers_of_nitrogen_oxides(
    availability: float, gap: int, values: list[float], methods: list[int]
) -> None:
    found = nitrogen(availability, gap)
    assert found.value[40:45, 0].tolist() == values
    assert found.method[40:45, 0].tolist() == methods


def test_before_the_look_back_is_full_all_before_is_averaged_in_the_range_or_a_higher_one() -> None:
    found = nitrogen(99.0, 5, look_back=41)
    assert found.value[40:45, 0].tolist() == [10.5, 110.5, 110.5, POTENTIAL, POTENTIAL]
    assert found.method[40:45, 0].tolist() == [7, 7, 7, 12, 12]


def test_the_look_back_is_of_hours_in_the_range() -> None:
    found = nitrogen(99.0, 5, look_back=4)
    assert found.value[40:43, 0].tolist() == [18.5, 118.5, 120.0]


def test_without_ranges_all_hours_are_in_one() -> None:
    value = column([10, 20, 60, NAN, 100])
    operating = np.ones(value.shape, np.bool_)
    tiers = Tiers(POTENTIAL, 3, by_load=True)
    found = part75(value, operating, np.full_like(value, 99.0), tiers)
    assert (found.value[3, 0], found.method[3, 0]) == (30.0, 11)
    first = part75(column([NAN, 10]), np.ones((2, 1), np.bool_), column([0, 50]), tiers)
    assert (first.value[0, 0], first.method[0, 0]) == (POTENTIAL, 12)


APART = (
    Quantity(role="main", potential=5000.0, look_back=4),
    Quantity(role="flow", potential=1000.0, look_back=4, by_load=True),
    Quantity(role="moisture", potential=0.01, look_back=4, lesser=True),
)
MASS = rule(
    statistic="total", average="1month", limit=1.0, uom="t", substitution="part75", apart=APART,
    load="mw", maximum_load=100.0, coverage="1/1000",
)  # fmt: skip


def mass_chain(n: int) -> Chains:
    """Concentration in dry gas times flow of wet gas, kg/h in thousands of m3."""
    chains = Chains.neutral(n, 0)
    for role in (Role.MAIN, Role.MOISTURE, Role.FLOW):
        chains.member[role] = role
    chains.scale[Role.MOISTURE] = 0.01
    chains.flow_wet[:], chains.flow_standard[:], chains.mass[:] = True, True, 1e-3
    return chains


def plant(dry: Any, flow: Any, h2o: Any, load: Any) -> ShortTerm:
    """Hours of (T, n) concentrations [mg/m3], flows, moisture [%] and loads."""
    parts = [np.asarray(one, np.float64) for one in (dry, flow, h2o, load)]
    parts = [one[:, None] if one.ndim == 1 else one for one in parts]
    dry, flow, h2o, load = parts
    share = h2o / 100
    mass = dry * (flow * (1 - share)) * 1e-3
    means = {Role.MAIN: dry, Role.MOISTURE: h2o, Role.FLOW: flow}
    counts = {role: np.where(np.isnan(one), 0, 60).astype(np.int32) for role, one in means.items()}
    made = Made(mass_chain(dry.shape[1]), means, counts)
    return replace(hours(START, mass), load=load, made=made)


def test_a_mass_is_made_of_what_was_measured_and_what_was_filled() -> None:
    short = plant(
        dry=[100, 200, 300, 400, NAN, 500, 600],
        flow=[10, 20, 30, 40, 50, NAN, 70],
        h2o=[10, 20, 10, 20, 10, NAN, 10],
        load=[15, 25, 15, 25, 15, 25, 15],
    )
    every = np.ones((7, 1), np.bool_)
    value, methods = mass_flows(MASS, short, ~np.isnan(short.mean), every, every)
    # Concentration: 4 of 5 hours are 80 %, so the maximum of 100 to 400. Flow at 25 MW: 5 of 6 are
    # 83.3 %, so the maximum of 20 and 40. Moisture: as much, turned round: the minimum, 10 %.
    assert [one[:, 0].tolist() for one in methods] == [
        [0, 0, 0, 0, 10, 0, 0], [0, 0, 0, 0, 0, 10, 0], [0, 0, 0, 0, 0, 10, 0],
    ]  # fmt: skip
    assert value[:, 0].tolist() == pytest.approx([0.9, 3.2, 8.1, 12.8, 18.0, 18.0, 37.8])
    found = judge(MASS, 1.0, short, ZONE, START + 7 * HOUR)
    assert found.value[0, 0] == pytest.approx((0.9 + 3.2 + 8.1 + 12.8 + 36 + 37.8) / 1000)
    assert found.replaced[0, 0] == pytest.approx(0.036)
    by_method = dict(zip(METHODS, found.methods[:, 0, 0].tolist(), strict=True))
    assert {code: number for code, number in by_method.items() if number} == {10: 3}
    assert (found.filled[0, 0], found.substituted[0, 0], found.valid[0, 0]) == (2, 2, 7)


def test_a_quantity_without_tiers_leaves_the_hour_without_a_mass() -> None:
    short = plant([100] * 5, [10] * 4 + [NAN], [10] * 5, [50] * 5)
    assert short.made is not None
    short.made.chains.member[Role.TEMPERATURE] = Role.TEMPERATURE
    short.made.chains.flow_standard[:] = False
    warm = {**short.made.means, Role.TEMPERATURE: column([273.15] * 4 + [NAN])}
    short = replace(short, made=replace(short.made, means=warm))
    every = np.ones((5, 1), np.bool_)
    value, methods = mass_flows(MASS, short, ~np.isnan(short.mean), every, every)
    assert np.isnan(value[4, 0])
    assert [one[4, 0] for one in methods] == [-1, -1, -1]


def test_an_hour_of_one_quantity_is_valid_by_its_own_quadrants() -> None:
    short = plant([100] * 5, [10, 20, 30, 40, 90], [10] * 5, [50] * 5)
    assert short.made is not None
    quarters = {Role.FLOW: np.array([[4], [4], [4], [4], [3]], np.int8)}
    short = replace(short, made=replace(short.made, quarters=quarters))
    asked = replace(MASS, quadrants=True)
    every = np.ones((5, 1), np.bool_)
    value, methods = mass_flows(asked, short, every, every, every)
    assert [one[:, 0].tolist() for one in methods] == [[0] * 5, [0, 0, 0, 0, 10], [0] * 5]
    assert value[4, 0] == pytest.approx(100 * 40 * 0.9 * 1e-3)
    found = judge(asked, 1.0, short, ZONE, START + 5 * HOUR)
    assert (found.valid[0, 0], found.filled[0, 0]) == (5, 1)


def test_a_mass_flow_of_which_no_members_were_kept_is_as_measured() -> None:
    short = plant([NAN] * 3 + [100] * 6, [NAN] * 3 + [10] * 5 + [NAN], [10] * 9, [50] * 9)
    short.mean[:3] = 7.0  # from before the hours of the members were kept
    every = np.ones((9, 1), np.bool_)
    valid = ~np.isnan(short.mean)
    value, methods = mass_flows(MASS, short, valid, every, every)
    assert value[:3, 0].tolist() == [7.0] * 3
    assert [one[:3, 0].tolist() for one in methods] == [[0] * 3] * 3
    assert methods[1][8, 0] == 10  # 5 of 6 hours: 83.3 %, of hours since they are kept


class Turned(Judge):
    """The twin for a quantity whose lower value is the careful one."""

    lesser = True


def alone(one: Quantity, short: ShortTerm, valid: NDArray[np.bool_], until: int) -> list[Judge]:
    """The twins that fill one quantity of each channel as if it were judged itself."""
    assert short.made is not None
    role = {"main": Role.MAIN, "flow": Role.FLOW, "moisture": Role.MOISTURE}[one.role]
    mean = short.made.means[role] * short.made.chains.scale[role]
    count = np.where(np.isnan(mean), 0, 60).astype(np.int32)
    own = replace(short, mean=mean, count=count, made=None)
    by_itself = replace(
        MASS, apart=(), potential=one.potential, look_back=one.look_back, by_load=one.by_load
    )
    twin = Turned if one.lesser else Judge
    one_limit = np.ones((1, 1))
    return [
        twin(by_itself, _printed(own, at, one_limit, valid), ZONE, until)
        for at in range(short.channels)
    ]


@st.composite
def courses(draw: st.DrawFn) -> ShortTerm:
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, n = draw(st.integers(1, 150)), draw(st.integers(1, 2))

    def part(low: int, high: int) -> NDArray[np.float64]:
        values = chance.integers(low, high, (rows, n)).astype(np.float64)
        often = draw(st.sampled_from([2, 6, 40]))
        lost = np.repeat(chance.integers(0, often, (rows // 5 + 1, n)), 5, axis=0)[:rows]
        values[lost == 0] = NAN
        return values

    short = plant(part(1, 900), part(1, 90), part(1, 30), part(0, 120))
    stopped = np.where(chance.integers(0, 5, (rows, n)) == 0, 60, 0).astype(np.int32)
    return replace(short, idle=stopped, stopped=stopped)


@given(courses(), st.sampled_from([3, 10, 40]))
@settings(max_examples=150, deadline=None)
def test_each_quantity_as_its_own_twin_fills_it(short: ShortTerm, look_back: int) -> None:
    asked = tuple(replace(one, look_back=look_back) for one in APART)
    one_rule: Rule = replace(MASS, apart=asked)
    until = int(short.finish[-1])
    every = np.ones(short.mean.shape, np.bool_)
    found = judge(one_rule, 1.0, short, ZONE, until)
    twins = [alone(one, short, every, until) for one in asked]
    for at in range(short.channels):
        total, counted = Fraction(0), dict.fromkeys(METHODS, 0)
        for row, start in enumerate(short.start.tolist()):
            if short.stopped[row, at]:
                continue
            values = []
            for twin in (one[at] for one in twins):
                measured = twin.shorts[row].mean
                values.append(measured if measured is not None else twin.mean_of(twin.shorts[row]))
            dry, flow, share = values
            if dry is None or flow is None or share is None:
                continue
            total += dry * flow * (1 - share) / 1000 / 1000
            for twin in (one[at] for one in twins):
                if start in twin.filled:
                    counted[twin.filled[start][1]] += 1
        value = found.value[0, at]
        assert (0.0 if np.isnan(value) else value) == pytest.approx(
            float(nine_digits(total)), rel=1e-8
        )
        assert found.methods[:, 0, at].tolist() == list(counted.values())
