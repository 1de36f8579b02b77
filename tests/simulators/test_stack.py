"""The physics of simulated stacks: plausible numbers, and the statuses of a plant's life."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import cast

import numpy as np
import pytest

from simulators.fleet_registry import CHANNELS
from simulators.plants import GRES1, fleet_plants
from simulators.stack import CALIBRATED
from tests.simulators.common import HOUR, MINUTE, START, measured, messages

PLANTS = list(fleet_plants(6, seed=3))
each_plant = pytest.mark.parametrize("number", range(6), ids=lambda n: PLANTS[n].enterprise)


@cache
def month(number: int) -> dict[str, dict[int, float]]:
    """The valid values of a plant's 30 days, by key and time."""
    series: dict[str, dict[int, float]] = {}
    for time, key, value, status in measured(messages(30, PLANTS[number])):
        if status == "valid" and value is not None:
            series.setdefault(key, {})[time] = value
    return series


@cache
def life() -> list[tuple[int, str, float | None, str]]:
    """Everything of the first plant's 60 days."""
    return list(measured(messages(60)))


@each_plant
def test_valid_values_are_within_their_channels_ranges(number: int) -> None:
    for key, values in month(number).items():
        low, high = cast("list[float]", CHANNELS[key]["range"])
        assert low <= min(values.values()), key
        assert max(values.values()) <= high, key


@each_plant
def test_means_are_the_levels_of_the_real_plants(number: int) -> None:
    for key, level in PLANTS[number].levels.items():
        assert np.median(list(month(number)[key].values())) == pytest.approx(level, rel=0.25), key


def test_oxygen_falls_as_load_rises() -> None:
    plant = replace(GRES1, keys=("o2", "load", "flow"))
    week = [message.samples[0] for message in messages(7, plant)]
    running = [sample.values for sample in week if not sample.status]
    o2, load, flow = ([values[key] or 0.0 for values in running] for key in plant.keys)
    assert np.corrcoef(o2, load)[0, 1] < -0.3
    assert np.corrcoef(flow, load)[0, 1] > 0.8


def test_wet_concentrations_are_lower_than_dry_ones_by_the_water() -> None:
    dry, wet = (
        next(iter(messages(plant=replace(GRES1, dry=dry, h2o=20.0)))).samples[0].values
        for dry in (True, False)
    )
    for key in ("so2", "no", "o2"):
        assert wet[key] == pytest.approx(dry[key] * (1 - dry["h2o"] / 100), rel=0.02), key  # type: ignore[operator]


def test_as_measured_differs_from_the_reference_by_the_oxygen() -> None:
    at_reference = messages(plant=GRES1)[0].samples[0].values
    as_measured = messages(plant=replace(GRES1, reference_o2=None, o2=6.1))[0].samples[0].values
    o2 = at_reference["o2"]
    assert o2 is not None
    factor = (21 - o2) / (21 - 6.1)
    assert as_measured["so2"] == pytest.approx((at_reference["so2"] or 0) * factor, rel=0.02)


def test_an_outage_is_shut_down_then_stopped_then_start_up() -> None:
    course = [status for _, key, _, status in life() if key == "dust"]
    changes = [now for before, now in pairwise(course) if before != now]
    assert len(changes) >= 4
    assert changes[:4] == ["shut_down", "stopped", "start_up", "valid"]


def test_a_stopped_plant_has_no_values_but_temperature_and_pressure() -> None:
    stopped = {time for time, _, _, status in life() if status == "stopped"}
    assert stopped
    for time, key, value, status in life():
        if time in stopped:
            always = key in ("temperature", "pressure")
            assert (value is None, status) == ((False, "valid") if always else (True, "stopped"))


def test_start_up_burns_badly() -> None:
    shown = [value for _, key, value, status in life() if (key, status) == ("co", "start_up")]
    assert np.mean([value or 0 for value in shown]) > 2 * GRES1.levels["co"]


def test_analysers_are_calibrated_in_turn_at_night() -> None:
    night = START + 21 * HOUR  # 02:00 at the plant
    times: dict[str, list[int]] = {}
    for time, key, _, status in measured(messages(1)):
        if status == "calibration":
            times.setdefault(key, []).append((time - night) // MINUTE)
    assert times.keys() == set(CALIBRATED)
    assert times["so2"] == list(range(10))
    assert sorted(minute for minutes in times.values() for minute in minutes) == sorted(
        {minute for minutes in times.values() for minute in minutes}
    )


def means(values: dict[int, float], window: int) -> list[float]:
    blocks: dict[int, list[float]] = {}
    for time, value in values.items():
        blocks.setdefault(time // window, []).append(value)
    return [float(np.mean(block)) for block in blocks.values()]


def test_the_first_plant_breaks_its_so2_limit_within_20_minutes_of_every_start() -> None:
    for seed in range(5):
        so2 = [
            value
            for _, key, value, _ in measured(messages(20 / 1440, seed=seed))
            if key == "so2" and value is not None
        ]
        assert len(so2) == 20
        assert np.mean(so2) > 700


@each_plant
def test_20_minute_limits_are_broken_sometimes_but_not_often(number: int) -> None:
    shares = [
        np.mean([mean > limit.value for mean in means(month(number)[limit.key], 20 * MINUTE)])
        for limit in PLANTS[number].limits
        if limit.average == "20min"
    ]
    assert max(shares) > 0
    assert max(shares) < 0.1
