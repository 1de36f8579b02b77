"""The physics of a stack: what its analysers show from sample to sample.

Load follows the day and drives everything: fuel and so the flow of flue gas, excess air and so
oxygen, which rises as load falls. Concentrations are dry and at the plant's reference oxygen as
`Plant.levels` gives them; what the measured gas held follows from the measured oxygen,
C_measured = C_reference x (21 - O2) / (21 - O2_reference), and wet = dry x (1 - H2O).
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

from simulators.instants import DAY, HOUR, MINUTE
from simulators.message import Sample, four_digits
from simulators.schedule import Episode, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from simulators.plants import Plant

AIR_O2 = 21.0  # % by volume
NORMAL_T = 273.15  # K
NORMAL_P = 101.3  # kPa
FLUE_GAS = 0.25  # m3 of dry flue gas at the normal state for each MJ of fuel, without excess air
NORMAL_LOAD = 0.85  # share of the rated load at which `Plant.levels` hold
SHUT_DOWN, START_UP = 40 * MINUTE, 90 * MINUTE
CALIBRATION_HOUR = 2  # by the plant's clock
CALIBRATION = 10 * MINUTE  # for each analyser: half of it zero gas, half span gas
CALIBRATED = ("so2", "no", "no2", "co", "o2")
NOISE = {"temperature": 0.003, "pressure": 0.0003}  # share of the value, else 0.01
ALWAYS_MEASURED = ("temperature", "pressure")


class Phase(Enum):
    """What the plant does; the value is the status of its readings."""

    RUNNING = "valid"
    SHUT_DOWN = "shut_down"
    STOPPED = "stopped"
    START_UP = "start_up"


class Trip(Enum):
    """Abatement that fails."""

    DESULPHURISATION = "desulphurisation"
    FILTER = "filter"
    BURNER = "burner"


# by how much each emission rises
EFFECTS: dict[Trip, dict[str, float]] = {
    Trip.DESULPHURISATION: {"so2": 2.8},
    Trip.FILTER: {"dust": 3.2},
    Trip.BURNER: {"co": 6.0, "no": 1.8, "no2": 1.8},
}


class Wander:
    """A quantity that strays from 0 and comes back: AR(1) with standard deviation ``spread``."""

    def __init__(self, rng: Random, spread: float, memory: int, period: int) -> None:
        self._rng, self._value = rng, rng.gauss(0, spread)
        self._keep = math.exp(-period / memory)
        self._step = spread * math.sqrt(1 - self._keep**2)

    def next(self) -> float:
        """Return its value one period later."""
        self._value = self._keep * self._value + self._rng.gauss(0, self._step)
        return self._value


class Stack:
    """A stack that is sampled every ``period`` microseconds from ``start`` on."""

    def __init__(self, plant: Plant, rng: Random, start: int, period: int) -> None:
        self._plant, self._rng, self._start = plant, rng, start
        self._demand = Wander(rng, 0.04, 2 * HOUR, period)
        self._air = Wander(rng, 0.3, 30 * MINUTE, period)
        self._fuel = Wander(rng, 0.06, 12 * HOUR, period)
        self._mixing = {key: Wander(rng, 0.05, 20 * MINUTE, period) for key in plant.levels}
        self._outages = Schedule(
            rng, start, 8 * DAY, (8 * HOUR, 24 * HOUR), lambda _: None, quiet=12 * HOUR
        )
        self._trips = Schedule(
            rng, start, 36 * HOUR, (30 * MINUTE, 60 * MINUTE), self._any_trip,
            quiet=30 * MINUTE, first=self._early_trip(),
        )  # fmt: skip
        self._excess = dict.fromkeys(plant.levels, 1.0)
        self._lag = 1 - math.exp(-period / (3 * MINUTE))

    def sample(self, time: int) -> Sample:
        """Return what is measured at ``time``; call it once a period, in order."""
        phase, share = self._phase(time)
        load = share * self._running_load(time)
        shown = self._measure(time, load, phase, share)
        values: dict[str, float | None] = {}
        status: dict[str, str] = {}
        for place, key in enumerate(self._plant.keys):
            value = shown[key] * (1 + self._rng.gauss(0, NOISE.get(key, 0.01)))
            gas = self._calibration_gas(time, key, place) if phase is Phase.RUNNING else None
            if gas is not None:
                value, status[key] = gas, "calibration"
            elif phase is not Phase.RUNNING and key not in ALWAYS_MEASURED:
                status[key] = phase.value
            stopped = status.get(key) == Phase.STOPPED.value
            values[key] = None if stopped else four_digits(value)
        return Sample(time, values, status)

    def _phase(self, time: int) -> tuple[Phase, float]:
        """Return the phase and the share of the running load that it leaves."""
        outage = self._outages.at(time)
        if outage is None:
            return Phase.RUNNING, 1.0
        if time < outage.begin + SHUT_DOWN:
            return Phase.SHUT_DOWN, 1 - (time - outage.begin) / SHUT_DOWN
        if time >= outage.end - START_UP:
            return Phase.START_UP, 1 - (outage.end - time) / START_UP
        return Phase.STOPPED, 0.0

    def _running_load(self, time: int) -> float:
        hours = (time + self._plant.utc_offset) % DAY / HOUR
        daily = 0.10 * math.sin((hours - 9) / 24 * 2 * math.pi)
        return min(1.0, max(0.45, 0.8 + daily + self._demand.next()))

    def _measure(self, time: int, load: float, phase: Phase, share: float) -> dict[str, float]:
        plant = self._plant
        burning = 0.0 if phase is Phase.STOPPED else share
        o2 = plant.o2 + 3.5 * (1 - load / NORMAL_LOAD) * burning + self._air.next()
        o2 = min(20.9, max(1.0, o2 + (20.5 - o2) * (1 - burning) ** 2))
        h2o = plant.h2o * (AIR_O2 - o2) / (AIR_O2 - plant.o2)
        temperature = plant.temperature * (0.75 + 0.25 * load / NORMAL_LOAD)
        pressure = plant.pressure - 0.15 * load
        heat = plant.rated_heat * load
        dry = heat * FLUE_GAS * AIR_O2 / (AIR_O2 - min(o2, 18.0))
        normal = dry / (1 - h2o / 100)
        actual = normal * (temperature + NORMAL_T) / NORMAL_T * NORMAL_P / pressure
        shown = {
            "o2": o2 if plant.dry else o2 * (1 - h2o / 100),
            "h2o": h2o,
            "temperature": temperature,
            "pressure": pressure,
            "velocity": actual / plant.area,
            "flow": actual * 3600,
            "load": plant.rated_heat * plant.efficiency * load,
        }
        return shown | self._concentrations(time, load, o2, h2o, burning)

    def _concentrations(
        self, time: int, load: float, o2: float, h2o: float, burning: float
    ) -> dict[str, float]:
        plant = self._plant
        trip = self._trips.at(time)
        factors = EFFECTS[trip.detail] if trip else {}
        sulphur = math.exp(self._fuel.next())
        thermal = 0.6 + 0.4 * load / NORMAL_LOAD
        unburnt = math.exp(0.5 * (plant.o2 - min(o2, plant.o2 + 2))) * (1 + 20 * (1 - burning))
        shape = {"so2": sulphur, "no": thermal, "no2": thermal, "co": unburnt}
        shown = {}
        for key, level in plant.levels.items():
            # analysers and ducts have volume: a trip shows over some minutes, not at once
            self._excess[key] += self._lag * (factors.get(key, 1.0) - self._excess[key])
            mixed = level * shape.get(key, thermal) * math.exp(self._mixing[key].next())
            value = mixed * self._excess[key]
            if plant.reference_o2 is None:
                value *= max(0.5, AIR_O2 - o2) / (AIR_O2 - plant.o2)
            shown[key] = value if plant.dry else value * (1 - h2o / 100)
        return shown

    def _calibration_gas(self, time: int, key: str, place: int) -> float | None:
        """Return what an analyser shows of zero or span gas at night, else None."""
        local = (time + self._plant.utc_offset) % DAY
        into = local - CALIBRATION_HOUR * HOUR - place * CALIBRATION
        if key not in CALIBRATED or not 0 <= into < CALIBRATION or time < self._start + HOUR:
            return None
        span = 20.9 if key == "o2" else 2 * self._plant.levels[key]
        return self._rng.gauss(0, span / 500) + (span if into >= CALIBRATION // 2 else 0.0)

    def _any_trip(self, rng: Random) -> Trip:
        return rng.choice(
            [trip for trip in Trip if EFFECTS[trip].keys() & self._plant.levels.keys()]
        )

    def _early_trip(self) -> Episode[Trip] | None:
        if self._plant.early_trip is None:
            return None
        begin = self._start + 2 * MINUTE
        return Episode(begin, begin + 45 * MINUTE, self._plant.early_trip)


def samples(plant: Plant, rng: Random, start: int, period: int) -> Iterator[Sample]:
    """Yield a plant's samples without end, at whole periods from ``start`` (microseconds) on."""
    stack = Stack(plant, rng, start, period)
    time = -(-start // period) * period
    while True:
        yield stack.sample(time)
        time += period
