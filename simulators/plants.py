"""The plants of a simulated fleet: what each burns, emits, measures and is permitted.

Levels are means that plants of this kind really sent to Kazakhstan's national databank in 2026.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp
from random import Random
from typing import TYPE_CHECKING

from simulators.instants import HOUR
from simulators.stack import Trip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KZ_OFFSET = 5 * HOUR
EVERYTHING = (
    "so2", "no2", "no", "co", "dust",
    "o2", "temperature", "pressure", "velocity", "flow", "h2o",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limit:
    """A permit's limit for the mean of ``key`` over ``average``, in the channel's unit."""

    key: str
    value: float
    average: str


@dataclass(frozen=True, slots=True)
class Plant:
    """One enterprise with one stack and one AMS unit.

    ``levels`` are mean concentrations [mg/m3] at the usual load, dry and at ``reference_o2`` [%]
    (None: as measured). ``dry`` says whether the analysers measure dry gas. ``o2`` and ``h2o`` [%],
    ``temperature`` [degC] and ``pressure`` [kPa] are the flue gas at the usual load,
    ``rated_heat`` [MW] the fuel's heat at full load, ``area`` [m2] the stack's mouth. ``keys`` are
    the payload keys. A plant with ``early_trip`` loses that abatement soon after each start.
    """

    enterprise: str
    name: Mapping[str, str]
    region: str
    position: tuple[float, float]
    permit: str
    levels: Mapping[str, float]
    limits: tuple[Limit, ...]
    reference_o2: float | None
    o2: float
    h2o: float
    temperature: float
    rated_heat: float
    area: float
    bin: str | None = None
    dry: bool = True
    pressure: float = 98.0
    efficiency: float = 0.36
    utc_offset: int = KZ_OFFSET
    early_trip: Trip | None = None
    source: str = "stack-1"
    unit: str = "ams-1"
    keys: tuple[str, ...] = field(default=EVERYTHING)


GRES1 = Plant(
    enterprise="gres1",
    name={"en": "Ekibastuz GRES-1", "ru": "Экибастузская ГРЭС-1", "kk": "Екібастұз ГРЭС-1"},
    bin="000140000123",
    region="KZ-PAV",
    position=(51.886, 75.377),
    permit="KZ28VDD00145762",
    levels={"so2": 384, "no2": 90, "no": 294, "co": 4, "dust": 617},
    limits=(
        Limit("so2", 700, "20min"),
        Limit("so2", 400, "1d"),
        Limit("no2", 150, "20min"),
        Limit("no", 480, "20min"),
        Limit("dust", 1000, "20min"),
        Limit("dust", 650, "1d"),
    ),
    reference_o2=6.0,
    o2=6.1,
    h2o=7.5,
    temperature=132.0,
    rated_heat=5500.0,
    area=111.0,
    early_trip=Trip.DESULPHURISATION,
)
UKTPP = Plant(
    enterprise="uktpp",
    name={
        "en": "Ust-Kamenogorsk TPP",
        "ru": "Усть-Каменогорская ТЭЦ",
        "kk": "Өскемен ЖЭО",
    },
    region="KZ-VOS",
    position=(49.965, 82.604),
    permit="KZ52VDD00150311",
    levels={"so2": 1256, "no2": 458, "no": 74, "co": 0.7, "dust": 167},
    limits=(
        Limit("so2", 2000, "20min"),
        Limit("so2", 1350, "1d"),
        Limit("no2", 750, "20min"),
        Limit("dust", 270, "20min"),
    ),
    reference_o2=6.0,
    o2=7.2,
    h2o=8.0,
    temperature=145.0,
    rated_heat=1150.0,
    area=38.5,
    efficiency=0.32,
    keys=("so2", "no2", "no", "co", "dust", "o2", "temperature", "flow"),
)
KARCEMENT = Plant(
    enterprise="karcement",
    name={"en": "Karcement", "ru": "Карцемент", "kk": "Карцемент"},
    region="KZ-KAR",
    position=(50.248, 73.024),
    permit="KZ75VDD00139927",
    levels={"so2": 20, "no2": 165, "no": 17, "co": 30, "dust": 4},
    limits=(
        Limit("no2", 270, "20min"),
        Limit("co", 90, "20min"),
        Limit("dust", 8, "20min"),
        Limit("dust", 4.4, "1d"),
    ),
    reference_o2=10.0,
    o2=10.8,
    h2o=14.0,
    temperature=118.0,
    rated_heat=160.0,
    area=12.6,
    efficiency=0.0,
    keys=("so2", "no2", "no", "co", "dust", "o2", "temperature", "h2o"),
)
NAMED = (GRES1, UKTPP, KARCEMENT)
REGIONS = (
    "KZ-AKM", "KZ-AKT", "KZ-ALM", "KZ-ATY", "KZ-KAR", "KZ-KUS", "KZ-MAN", "KZ-PAV", "KZ-VOS",
    "KZ-ZAP", "KZ-ZHA",
)  # fmt: skip


def fleet_plants(count: int, seed: int) -> Iterator[Plant]:
    """Yield ``count`` plants: the three with names, then generated ones, the same for a seed."""
    for number in range(1, count + 1):
        yield NAMED[number - 1] if number <= len(NAMED) else _generated(number, seed)


def _generated(number: int, seed: int) -> Plant:
    """Return a plant like one of those named, with levels and limits of its own."""
    rng = Random(f"{seed}/plant/{number}")
    model = NAMED[number % len(NAMED)]
    levels = {key: _round(level * exp(rng.gauss(0, 0.4))) for key, level in model.levels.items()}
    return replace(
        model,
        enterprise=f"plant-{number:04d}",
        name={"en": f"Plant {number}", "ru": f"Предприятие {number}", "kk": f"Кәсіпорын {number}"},
        bin=None,
        region=rng.choice(REGIONS),
        position=(round(rng.uniform(42, 54), 3), round(rng.uniform(52, 83), 3)),
        permit=f"KZ00SIM{number:08d}",
        levels=levels,
        limits=tuple(_limits(levels)),
        rated_heat=_round(model.rated_heat * exp(rng.gauss(0, 0.2))),
        early_trip=None,
    )


def _limits(levels: Mapping[str, float]) -> Iterator[Limit]:
    """Yield limits that only a trip breaks within 20 minutes, and a bad day within a day."""
    for key in ("so2", "no2", "dust"):
        yield Limit(key, _round(1.6 * levels[key]), "20min")
        yield Limit(key, _round(1.1 * levels[key]), "1d")


def _round(value: float) -> float:
    return float(f"{value:.3g}")
