"""A year of eight turbines as US EPA publishes it: the core's totals and means are the files' own.

What is expected is worked out with pandas and exact fractions from the files, not by the core.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from alerts.core import budget
from alerts.core.periods import duration, edges
from alerts.core.rules import Rule
from alerts.core.statistics import judge
from alerts.core.vocabulary import Judgement
from simulators.epa import read_epa
from tests.core.golden import VECTORS
from tests.data.idaho import HOURS, KILOGRAMS, Zone, files, rows, zones
from tests.oracles import nine_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOX = ("NOX_MASS (lbs)", "NOX_RATE_MEASURE_FLG")  # the mass is calculated from the rate
SO2 = ("SO2_MASS (lbs)", "SO2_MASS_MEASURE_FLG")
SUBSTITUTED = {NOX: 166, SO2: 33}
PARTIAL = 705
RULE = Rule(
    rules="us",
    version="1",
    condition="any",
    clause="",
    verified=False,
    statistic="total",
    average="1month",
    short_term="1h",
    limit=1.0,
    uom="t",
    leaves_out=("stopped",),
)

masses = pytest.mark.parametrize("quantity", [NOX, SO2], ids=["nox", "so2"])


def test_mass_is_rate_times_heat_input_in_every_operating_hour() -> None:
    vector = VECTORS["E2"]["expected"]
    year = rows()
    rate, heat = year["NOX_RATE (lbs/mmBtu)"], year["HEAT_INPUT (mmBtu)"]
    given = year["NOX_MASS (lbs)"].notna()
    apart = (year["NOX_MASS (lbs)"] - rate * heat).abs()[given]
    assert apart.max() <= vector["max_abs_diff_le"]
    # The vector counts 24 archives; the twelve of Idaho are what is here.
    assert given.sum() == {12: 13_621, 24: vector["rows"]}[len(files())]
    assert given.equals(year["OP_TIME"] > 0)


def test_local_standard_time_all_year() -> None:
    hours = rows().pivot_table(index="month", columns="unit", values="OP_HOUR", aggfunc="size")
    days = pd.date_range("2017-01-01", periods=12, freq="MS").days_in_month
    assert (
        hours.to_numpy() == 24 * np.array(days)[:, None]
    ).all()  # March too: no hour is left out
    spring = rows()[rows()["OP_DATE"] == "03-12-2017"]
    assert spring.groupby("unit")["OP_HOUR"].apply(list).map(lambda h: h == list(range(24))).all()
    for zone in zones():
        starts, _ = edges(duration("1month"), zone.name, int(zone.start[0]), int(zone.start[-1]))
        assert len(starts) == 12
        assert set(starts) <= set(zone.start)


def test_the_simulator_sends_the_hours_of_the_files() -> None:
    recording = read_epa(files(), None, None)
    sent = {unit.unit: unit.samples for unit in recording.units}
    for zone in zones():
        mass, running = zone.column("NOX_MASS (lbs)"), zone.operating > 0
        marked = zone.substituted(NOX[1])
        for place, unit in enumerate(zone.units):
            samples = sent[unit]
            assert [sample.time for sample in samples] == zone.start.tolist()
            found = [sample.values["nox-mass"] for sample in samples]  # noqa: PD011 - no frame's
            np.testing.assert_array_equal(np.array(found, np.float64), mass[:, place])
            status = [sample.status.get("nox-rate", "valid") for sample in samples]
            expected = np.where(marked[:, place], "substituted", "valid")
            assert status == np.where(running[:, place], expected, "stopped").tolist()


def monthly(zone: Zone, quantity: tuple[str, str]) -> budget.Totals:
    flow, marked = zone.flow(quantity[0]), zone.substituted(quantity[1])
    starts, finishes = edges(duration("1month"), zone.name, int(zone.start[0]), int(zone.start[-1]))
    month = np.searchsorted(starts, zone.start, side="right") - 1
    return budget.totals(flow, zone.operating, ~np.isnan(flow), marked, month, len(finishes))


def sums(zone: Zone, values: pd.Series[float]) -> NDArray[np.float64]:
    """What pandas adds up for each month and unit, zero where there is nothing."""
    table = zone.frame.assign(value=values).pivot_table(
        index="month", columns="unit", values="value", aggfunc="sum"
    )
    found: NDArray[np.float64] = table[zone.units].to_numpy(np.float64)
    return found


@masses
def test_totals_of_units_and_months_are_those_of_the_files(quantity: tuple[str, str]) -> None:
    for zone in zones():
        found = monthly(zone, quantity)
        expected = sums(zone, zone.frame[quantity[0]]) * KILOGRAMS / 1000
        assert found.total == pytest.approx(expected, rel=5e-9, abs=1e-15)
        assert found.operating == pytest.approx(sums(zone, zone.frame["OP_TIME"]), rel=1e-12)


@masses
def test_substituted_hours_are_counted_and_told_apart(quantity: tuple[str, str]) -> None:
    hours = 0
    for zone in zones():
        found = monthly(zone, quantity)
        time, measured = zone.frame["OP_TIME"], zone.frame[quantity[1]] == "Measured"
        mass = sums(zone, zone.frame[quantity[0]].where(measured)) * KILOGRAMS / 1000
        assert found.measured == pytest.approx(mass, rel=1e-12, abs=1e-15)
        ran, own = sums(zone, time), sums(zone, time.where(measured))
        share = np.divide(own, ran, out=np.ones_like(ran), where=ran > 0)
        assert found.completeness == pytest.approx(share, rel=1e-12)
        short = zone.short_term(zone.flow(quantity[0]), zone.substituted(quantity[1]))
        verdicts = judge(RULE, 1.0, short, zone.name, int(short.finish[-1]))
        expected = sums(zone, (~measured & (time > 0)).astype(float))
        np.testing.assert_array_equal(verdicts.substituted, expected)
        hours += int(verdicts.substituted.sum())
    assert hours == SUBSTITUTED[quantity]


@pytest.mark.parametrize(("average", "count"), [("1month", 12), ("1quarter", 4), ("1year", 1)])
@masses
def test_judged_against_what_the_files_add_up_to(
    quantity: tuple[str, str], average: str, count: int
) -> None:
    rule = replace(RULE, average=average)
    for zone in zones():
        short = zone.short_term(zone.flow(quantity[0]), zone.substituted(quantity[1]))
        until = int(short.finish[-1])
        table = sums(zone, zone.frame[quantity[0]]).reshape(count, 12 // count, -1).sum(axis=1)
        tonnes = table * KILOGRAMS / 1000
        verdicts = judge(rule, 1.0, short, zone.name, until)
        ran = verdicts.expected > 0
        assert verdicts.value[ran] == pytest.approx(tonnes[ran], rel=5e-9)
        assert (tonnes[~ran] == 0).all()
        most = float(np.sort(tonnes[ran])[-2])  # between the two largest only one exceeds
        above = judge(rule, most * (1 + 1e-8), short, zone.name, until).state
        assert (above == Judgement.EXCEEDED).sum() == 1


def test_part_of_an_hour_counts_as_that_part() -> None:
    partial = 0
    for zone in zones():
        ran, mass = zone.operating, zone.column("NOX_MASS (lbs)")
        which = (ran > 0) & (ran < 1)
        partial += int(which.sum())
        rate, heat = zone.column("NOX_RATE (lbs/mmBtu)"), zone.column("HEAT_INPUT (mmBtu)")
        np.testing.assert_allclose((rate * heat)[which], mass[which], atol=0.000501)
        # Heat input by operating time is what the unit burns in an hour: no more than at full load.
        hourly = np.where(which, heat, 0) / np.where(which, ran, 1)
        full = np.nanmax(np.where(ran == 1, heat, np.nan), axis=0)
        assert (hourly <= 1.05 * full).all()
        flow = zone.flow("NOX_MASS (lbs)")
        each_hour = np.arange(HOURS)
        none = np.zeros_like(which)
        found = budget.totals(flow, ran, ~np.isnan(flow), none, each_hour, HOURS)
        np.testing.assert_allclose(
            found.measured[which] * 1000 / KILOGRAMS, mass[which], rtol=1e-12
        )
    assert partial == PARTIAL


def rolling(frame: pd.DataFrame) -> pd.DataFrame:
    """On each operating day from the 30th on: the mean of all hourly rates measured on the last 30.

    ``mean`` exactly, to 9 digits, and whether two thirds of the operating hours were measured.
    """
    ran = frame[frame["OP_TIME"] > 0]
    rate = ran["NOX_RATE (lbs/mmBtu)"].where(ran["NOX_RATE_MEASURE_FLG"] == "Measured")
    by_day = [(day, list(values)) for day, values in rate.groupby(ran["day"])]
    found = {}
    for place in range(30, len(by_day) + 1):
        pool = [value for _, values in by_day[place - 30 : place] for value in values]
        measured = [Fraction(str(value)) for value in pool if not np.isnan(value)]
        mean = float(nine_digits(sum(measured, Fraction(0)) / len(measured)))
        found[by_day[place - 1][0]] = (mean, 3 * len(measured) >= 2 * len(pool))
    return pd.DataFrame.from_dict(found, orient="index", columns=["mean", "enough"])


def test_means_of_thirty_operating_days() -> None:
    rule = replace(RULE, statistic="mean", average="30operating_days", uom="lb/mmBtu")
    judged = 0
    for zone in zones():
        marked = zone.substituted("NOX_RATE_MEASURE_FLG")
        rate = np.where(marked, np.nan, zone.column("NOX_RATE (lbs/mmBtu)"))
        short = zone.short_term(rate, np.zeros_like(marked))
        verdicts = judge(rule, 0.03, short, zone.name, int(short.finish[-1]))
        days = pd.DatetimeIndex(zone.frame["day"].iloc[::24][: len(verdicts.start)])
        for place, unit in enumerate(zone.units):
            expected = rolling(zone.frame[zone.frame["unit"] == unit])
            at = days.get_indexer(expected.index)
            mean, enough = expected["mean"].to_numpy(float), expected["enough"].to_numpy(bool)
            np.testing.assert_array_equal(verdicts.value[at, place], mean)
            state = np.full(len(days), Judgement.NOT_ASSESSABLE, np.int8)
            state[at] = np.where(mean > 0.03, Judgement.EXCEEDED, Judgement.COMPLIANT)
            state[at[~enough]] = Judgement.NOT_ASSESSABLE
            np.testing.assert_array_equal(verdicts.state[:, place], state)
            judged += len(expected)
    assert judged == 28 + 56 + 15 + 234 + 39 + 188  # of six units; two ran on fewer days
