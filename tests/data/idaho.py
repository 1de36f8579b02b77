"""The recorded hours of Idaho's gas turbines as arrays, read from the files by pandas alone.

Hours are of local standard time all year. What an hour made is its mass [lb]: a unit that ran for
a quarter of it has OP_TIME 0.25, and HEAT_INPUT is what it burnt in that quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
import pandas as pd

from alerts.core.shortterm import ShortTerm
from alerts.core.vocabulary import HOUR
from tests.simulators.common import data_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

KILOGRAMS = 0.45359237  # in a pound
SLOTS = 100  # OP_TIME has two decimals
ZONES = {"-08:00": (7456, 55179), "-07:00": (7953, 55733, 57028)}
HOURS = 8760


def files() -> list[str]:
    return data_files("epa_cems_idaho_2017", "*.zip")


@cache
def rows() -> pd.DataFrame:
    """Every row of the files, sorted by unit and hour; ``unit`` as the simulator names it."""
    flags = {f"{name}_MEASURE_FLG": str for name in ("SO2_MASS", "NOX_RATE", "CO2_MASS")}
    parts = []
    for file in files():
        with ZipFile(file) as archive:
            (name,) = archive.namelist()
            parts.append(pd.read_csv(BytesIO(archive.read(name)), dtype={"UNITID": str, **flags}))
    frame = pd.concat(parts, ignore_index=True)
    frame["unit"] = (frame["ORISPL_CODE"].astype(str) + "-" + frame["UNITID"]).str.lower()
    frame["day"] = pd.to_datetime(frame["OP_DATE"], format="%m-%d-%Y")
    frame["month"] = frame["day"].dt.month
    return frame.sort_values(["unit", "day", "OP_HOUR"], ignore_index=True)


@dataclass(frozen=True)
class Zone:
    """The units of one zone: ``frame`` has their rows, one unit after the other."""

    name: str
    units: list[str]
    frame: pd.DataFrame

    def column(self, name: str) -> NDArray[np.float64]:
        """A column as (T, n): T hours of n units."""
        return self.frame[name].to_numpy(np.float64).reshape(len(self.units), HOURS).T

    def substituted(self, flag: str) -> NDArray[np.bool_]:
        which = self.frame[flag].fillna("").str.contains("Substitute").to_numpy()
        return which.reshape(len(self.units), HOURS).T

    @property
    def operating(self) -> NDArray[np.float64]:
        """The part of each hour that each unit ran for; nothing in the file is nothing."""
        return np.nan_to_num(self.column("OP_TIME"))

    @property
    def start(self) -> NDArray[np.int64]:
        offset = int(self.name[:3])
        first = pd.Timestamp("2017-01-01T00:00:00Z") - pd.Timedelta(hours=offset)
        return int(first.value) // 1000 + np.arange(HOURS) * HOUR

    def short_term(self, mean: NDArray[np.float64], marked: NDArray[np.bool_]) -> ShortTerm:
        """Hourly averages of operating time: a value counts for all of it."""
        ran = np.round(self.operating * SLOTS).astype(np.int32)
        stopped = SLOTS - ran
        return ShortTerm(
            start=self.start,
            finish=self.start + HOUR,
            mean=mean,
            count=np.where(np.isnan(mean), 0, ran).astype(np.int32),
            expected=np.full((1, 1), SLOTS, np.int32),
            idle=stopped,
            stopped=stopped,
            marked=np.where(marked, ran, 0).astype(np.int32),
        )

    def flow(self, mass: str) -> NDArray[np.float64]:
        """The mass flow [kg/h] while the unit ran, of a column of masses [lb]."""
        ran = np.where(self.operating > 0, self.operating, np.nan)
        return self.column(mass) * KILOGRAMS / ran


def zones() -> list[Zone]:
    found = []
    for name, plants in ZONES.items():
        frame = rows()[rows()["ORISPL_CODE"].isin(plants)]
        found.append(Zone(name, list(dict.fromkeys(frame["unit"])), frame))
    return found
