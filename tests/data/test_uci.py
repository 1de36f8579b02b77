"""Four years of a gas turbine under the IED's rules for it, against pandas, period by period.

Directive 2010/75/EU, annex V: NOx 50 and CO 100 mg/m3 at 15 % O2, only above 70 % load; validated
averages (less 20 % and 10 % of the limit); no month above 100 %, no day above 110 %, 95 % of the
year's hours at most 200 %; a day with more than three invalid hours is discarded, ten such days a
year. The file has no times: each year's rows are its hours from 1 January on, at the plant's own
clock, so that the rest of the year is missing. Other limits stand beside the IED's, so that some
periods comply and others do not.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from alerts.core.statistics import judge
from alerts.core.vocabulary import Judgement
from tests.acceptance.recorded import UCI_ROWS, exact_mean, uci_files
from tests.core.compliance import hours, rule

if TYPE_CHECKING:
    from alerts.core.verdicts import Verdicts

ZONE = "Europe/Istanbul"  # summer time in all four years
FULL_LOAD = 170.0  # MW: what the turbine reaches
ALWAYS = 2**62
SHARES = {"NOX": "0.2", "CO": "0.1"}
LIMITS = [("NOX", 50), ("NOX", 60), ("NOX", 75), ("CO", 100), ("CO", 1)]
FIGURES = ["value", "state", "valid", "expected", "exceeding", "allowed"]


@cache
def turbine() -> pd.DataFrame:
    """One row for each hour of the years: what was measured (as text), and whether it counts."""
    years = [_year(int(Path(file).stem[-4:]), pd.read_csv(file, dtype=str)) for file in uci_files()]
    frame = pd.concat(years)
    assert frame["TEY"].notna().sum() == UCI_ROWS
    local = pd.DatetimeIndex(frame.index).tz_convert(ZONE)
    frame["day"], frame["month"] = local.strftime("%Y-%m-%d"), local.strftime("%Y-%m")
    frame["year"] = local.strftime("%Y")
    # An hour of which nothing is known is taken to be one of operation.
    load = frame["TEY"].astype(float)
    frame["operating"] = ~(load < 0.7 * FULL_LOAD)
    broken = np.arange(len(frame)) % 211 < 5  # the AMS fails for five hours every nine days
    frame["measured"] = load.notna() & ~broken & frame["operating"]
    return frame


def _year(year: int, rows: pd.DataFrame) -> pd.DataFrame:
    start, end = (pd.Timestamp(f"{one}-01-01", tz=ZONE) for one in (year, year + 1))
    index = pd.date_range(start.tz_convert("UTC"), end.tz_convert("UTC"), freq="h")[:-1]
    rows.index = index[: len(rows)]
    return rows.reindex(index)


@cache
def in_pandas(column: str, limit: int) -> dict[str, pd.DataFrame]:
    """The four conditions, from the file's own decimals."""
    frame = turbine().copy()
    amount = Decimal(SHARES[column]) * limit
    used = frame["measured"]
    invalid = (frame["operating"] & ~used).groupby(frame["day"]).sum().astype(int)
    days = used.groupby(frame["day"]).sum()
    good = (invalid <= 3) & (days > 0)
    frame["used"] = used & frame["day"].map(good)
    frame["validated"] = [
        float(max(Decimal(text) - amount, Decimal(0))) if measured else np.nan
        for text, measured in zip(frame[column], used, strict=True)
    ]
    day = _means(frame.assign(used=used), "day", Decimal("1.1") * limit)
    day["state"] = day["state"].where(good, "not_assessable")
    return {
        "month": _means(frame, "month", Decimal(limit)),
        "day": day,
        "hours": _hours(frame, Decimal(2 * limit)),
        "invalid days": _invalid_days(frame, invalid),
    }


def _means(frame: pd.DataFrame, by: str, threshold: Decimal) -> pd.DataFrame:
    groups = frame.groupby(by)
    found = groups.agg(valid=("used", "sum"), expected=("operating", "sum"))
    found["value"] = frame["validated"].where(frame["used"]).groupby(frame[by]).agg(exact_mean)
    enough = (found["valid"] * 3 >= found["expected"] * 2) if by != "day" else True
    above = found["value"] > float(threshold)
    found["state"] = np.where(above, "exceeded", "compliant")
    found["state"] = found["state"].where(enough & (found["valid"] > 0), "not_assessable")
    return found.assign(exceeding=-1, allowed=-1)


def _hours(frame: pd.DataFrame, threshold: Decimal) -> pd.DataFrame:
    above = frame["used"] & (frame["validated"] > float(threshold))
    groups = frame.assign(above=above).groupby("year")
    found = groups.agg(
        valid=("used", "sum"), expected=("operating", "sum"), exceeding=("above", "sum")
    )
    found["allowed"] = found["valid"] * 5 // 100
    found["value"] = [
        float((Decimal(int(v - e)) / int(v)).quantize(Decimal("1e-9"), ROUND_HALF_UP))
        for v, e in zip(found["valid"], found["exceeding"], strict=True)
    ]
    found["state"] = np.where(found["exceeding"] > found["allowed"], "exceeded", "compliant")
    enough = found["valid"] * 3 >= found["expected"] * 2
    found["state"] = found["state"].where(enough, "not_assessable")
    return found


def _invalid_days(frame: pd.DataFrame, invalid: pd.Series[int]) -> pd.DataFrame:
    days = pd.DataFrame(
        {
            "operating": frame.groupby("day")["operating"].any(),
            "bad": (invalid > 3) | ((invalid > 0) & ~frame.groupby("day")["measured"].any()),
        }
    )
    found = days.groupby(days.index.str[:4]).agg(
        expected=("operating", "sum"), exceeding=("bad", "sum")
    )
    found["state"] = np.where(found["exceeding"] > 10, "exceeded", "compliant")
    return found.assign(valid=found["expected"], value=found["exceeding"].astype(float), allowed=10)


CONDITIONS: dict[str, dict[str, Any]] = {
    "month": {"average": "1month"},
    "day": {"average": "1d", "factor": "1.1"},
    "hours": {
        "statistic": "share", "average": "1h", "per": "1year", "share": "0.95", "factor": "2",
    },
    "invalid days": {"statistic": "count", "of": "invalid_days", "per": "1year", "at_most": 10},
}  # fmt: skip


def judged(column: str, limit: int, condition: str) -> Verdicts:
    frame = turbine()
    value = np.where(frame["measured"], frame[column].astype(float), np.nan)[:, None]
    idle = (~frame["operating"]).to_numpy().astype(np.int32)[:, None]
    short = hours(int(frame.index[0].value) // 1000, value, slots=1, idle=idle)
    one = rule(
        invalid_parts_a_day=3,
        uncertainty="limit",
        uncertainty_share=SHARES[column],
        **CONDITIONS[condition],
    )
    return judge(one, float(limit), short, ZONE, ALWAYS)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("column", "limit"), LIMITS)
def test_as_pandas_has_it(column: str, limit: int, condition: str) -> None:
    expected = in_pandas(column, limit)[condition]
    verdicts = judged(column, limit, condition)
    found = pd.DataFrame(
        {name: getattr(verdicts, name)[:, 0] for name in FIGURES}, index=expected.index
    )
    found["state"] = [Judgement(code).label for code in verdicts.state[:, 0]]
    start = pd.to_datetime(verdicts.start, unit="us", utc=True).tz_convert(ZONE)
    named = start.strftime("%Y-%m-%d").str[: len(str(expected.index[0]))]
    assert named.tolist() == expected.index.tolist()
    pd.testing.assert_frame_equal(found, expected[FIGURES], check_dtype=False, rtol=0, atol=0)


def test_some_periods_are_of_each_kind() -> None:
    """So that what is compared above is no row of equal answers."""
    states = {
        state
        for column, limit in LIMITS
        for frame in in_pandas(column, limit).values()
        for state in frame["state"]
    }
    assert states == {"compliant", "exceeded", "not_assessable"}
    assert set(in_pandas("CO", 1)["hours"]["state"]) == {"exceeded"}
    assert (in_pandas("NOX", 60)["day"]["state"].value_counts() > 50).all()
