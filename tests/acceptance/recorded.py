"""What the recorded data must come to, worked out with pandas and the slow twin, not the server.

Frames have a row for each reading: ``channel`` (its path), ``time`` (UTC), ``value``, ``status``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cache
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pandas as pd

from tests.oracles import (
    DAY,
    HOUR,
    MINUTE,
    Alert,
    Limit,
    Reading,
    _History,
    alert_history,
    nine_digits,
)
from tests.simulators.common import data_files

# alerts by (channel, window)
Histories = dict[tuple[str, str], list[Alert]]

UCI_START = pd.Timestamp("2022-01-01T00:00:00Z")
UCI_COLUMNS = ("CO", "NOX", "AT", "TIT", "TAT", "TEY")
UCI_ROWS = 29_349
UCI_ZONE, EPA_ZONE = "+05:00", "-07:00"
EPA_HOURS = 70_080
EPA_COLUMNS = {
    "load": ("GLOAD (MW)", None),
    "so2-mass": ("SO2_MASS (lbs)", "SO2_MASS_MEASURE_FLG"),
    "so2-rate": ("SO2_RATE (lbs/mmBtu)", "SO2_RATE_MEASURE_FLG"),
    "nox-rate": ("NOX_RATE (lbs/mmBtu)", "NOX_RATE_MEASURE_FLG"),
    "nox-mass": ("NOX_MASS (lbs)", "NOX_MASS_MEASURE_FLG"),
    "co2-mass": ("CO2_MASS (tons)", "CO2_MASS_MEASURE_FLG"),
    "heat-input": ("HEAT_INPUT (mmBtu)", None),
}
# plants on Pacific standard time; the others are on mountain time
PACIFIC = {7456, 55179}


@dataclass(frozen=True)
class Recorded:
    """A data set: its readings, its limits as (channel's end, window) → value, its days' zone."""

    enterprise: str
    readings: pd.DataFrame
    limits: dict[tuple[str, str], float]
    zone: str
    permit_ends: int  # microseconds

    def channels(self, key: str) -> list[str]:
        paths: list[str] = self.readings["channel"].unique().tolist()
        return [path for path in paths if path.endswith(f"/{key}")]


def uci_files() -> list[str]:
    return data_files("uci_gas_turbine", "gt_*.csv")


def epa_files() -> list[str]:
    return data_files("epa_cems_idaho_2017", "*.zip")


@cache
def uci() -> Recorded:
    rows = pd.concat(
        [pd.read_csv(file) for file in uci_files()],
        ignore_index=True,
    )
    assert len(rows) == UCI_ROWS
    rows["time"] = UCI_START + pd.to_timedelta(rows.index, unit="h")
    long = rows.melt("time", list(UCI_COLUMNS), "column").assign(status="valid")
    long["channel"] = "gas-turbine/turbine-1/" + long["column"].str.lower()
    limits = {("nox", "1h"): 75.0, ("nox", "1d"): 70.0, ("co", "1h"): 10.0, ("co", "1d"): 5.0}
    return Recorded("gas-turbine", _tidy(long), limits, UCI_ZONE, _permit_ends(rows, UCI_ZONE))


@cache
def epa() -> Recorded:
    rows = pd.concat([_csv(file) for file in epa_files()], ignore_index=True)
    assert len(rows) == EPA_HOURS
    offset = np.where(rows["ORISPL_CODE"].isin(PACIFIC), 8, 7)
    local = pd.to_datetime(rows["OP_DATE"], format="%m-%d-%Y", utc=True)
    rows["time"] = local + pd.to_timedelta(rows["OP_HOUR"].astype(int) + offset, unit="h")
    unit = (rows["ORISPL_CODE"].astype(str) + "-" + rows["UNITID"]).str.lower()
    running = rows["OP_TIME"].fillna(0) > 0
    parts = []
    for key, (column, flag) in EPA_COLUMNS.items():
        value = rows[column].where(running)
        substitute = running & (rows[flag].str.contains("Substitute") if flag else False)
        status = np.select(
            [~running, value.isna(), substitute],
            ["stopped", "malfunction", "substituted"],
            "valid",
        )
        path = "idaho/" + unit + "/" + key
        parts.append(
            pd.DataFrame({"channel": path, "time": rows["time"], "value": value, "status": status})
        )
    limits = {("nox-rate", "1h"): 0.06, ("nox-rate", "1d"): 0.03}
    readings = _tidy(pd.concat(parts, ignore_index=True))
    return Recorded("idaho", readings, limits, EPA_ZONE, _permit_ends(rows, EPA_ZONE))


def _csv(file: str) -> pd.DataFrame:
    with ZipFile(file) as archive:
        (name,) = archive.namelist()
        text = BytesIO(archive.read(name))
    flags = [flag for _, flag in EPA_COLUMNS.values() if flag]
    frame = pd.read_csv(text, dtype=dict.fromkeys(["UNITID", *flags], str))
    return frame.fillna(dict.fromkeys(flags, ""))


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    kept = frame[["channel", "time", "value", "status"]]
    return kept.sort_values(["channel", "time"], ignore_index=True)


def _permit_ends(rows: pd.DataFrame, zone: str) -> int:
    """The simulator's permits are valid through the day after the last reading."""
    last = rows["time"].max() + pd.Timedelta(days=2)
    return _micros(pd.Timestamp(str(last.date())).tz_localize(_fixed(zone)))


def _fixed(zone: str) -> str:
    return f"UTC{zone}"


def _micros(moment: pd.Timestamp) -> int:
    return int(moment.value) // 1000


def judgements(recorded: Recorded) -> pd.DataFrame:
    """One row for each limit and block: channel, window, start, mean, count, state."""
    found = []
    for (key, window), limit in recorded.limits.items():
        for path in recorded.channels(key):
            rows = recorded.readings[recorded.readings["channel"] == path]
            start = rows["time"]
            if window == "1d":
                local = rows["time"].dt.tz_convert(_fixed(recorded.zone))
                start = local.dt.normalize().dt.tz_convert("UTC")
            valid = rows["value"].where(rows["status"] == "valid").groupby(start)
            mean, count = valid.agg(exact_mean), valid.count()
            enough = count * 3 >= 2 * (24 if window == "1d" else 1)
            state = np.select([~enough, mean > limit], ["not_assessable", "exceeded"], "compliant")
            found.append(
                pd.DataFrame(
                    {
                        "channel": path,
                        "window": window,
                        "start": mean.index,
                        "mean": mean.to_numpy(),
                        "count": count.to_numpy(),
                        "state": state,
                    }
                )
            )
    return _sorted(pd.concat(found, ignore_index=True))


def exact_mean(values: pd.Series[float]) -> float:
    """The mean of the numbers as the file writes them, to 9 digits, half away from zero."""
    numbers = [Decimal(str(value)) for value in values if not np.isnan(value)]
    if not numbers:
        return np.nan
    with localcontext(prec=60, rounding=ROUND_HALF_UP) as exact:
        mean = sum(numbers, Decimal(0)) / len(numbers)
        exact.prec = 9
        return float(+mean)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["channel", "window", "start"], ignore_index=True)


def histories() -> Histories:
    """The alerts of every limit, as the slow twin has them."""
    return {**_histories(uci()), **_histories(epa())}


def _histories(recorded: Recorded) -> Histories:
    found = {}
    for (key, window), value in recorded.limits.items():
        for path in recorded.channels(key):
            rows = recorded.readings[recorded.readings["channel"] == path]
            length = DAY if window == "1d" else HOUR
            limit = Limit(value, length, HOUR, valid_until=recorded.permit_ends)
            twin = alert_history if window == "1d" else hourly_history
            readings = [
                Reading(_micros(time), None if np.isnan(one) else one, status)
                for time, one, status in zip(
                    rows["time"], rows["value"], rows["status"], strict=True
                )
            ]
            found[path, window] = twin(readings, limit, recorded.permit_ends + HOUR)
    return found


def hourly_history(readings: list[Reading], limit: Limit, until: int) -> list[Alert]:
    """The twin for an hour's limit on hourly readings, ten times as fast and no less exact.

    The window of every M in (t, t + 1 h] holds just the reading of t, so its mean stands for the
    hour: what must hold for ``clear_after`` has done so by the sixth minute, and the evaluations
    after that one change nothing.
    """
    assert limit.open_after == 0
    assert until > limit.valid_until + MINUTE
    minutes = limit.clear_after // MINUTE + 1
    history = _History(MINUTE)
    for reading in readings:
        if not reading.counts:
            continue
        mean = nine_digits(Fraction(str(reading.value)))
        for at in range(reading.time + MINUTE, reading.time + minutes * MINUTE + 1, MINUTE):
            if limit.applies(at):
                history.evaluate(at, mean, limit)
    history.limit_is_not_in_force(limit.valid_until + MINUTE)
    return history.alerts
