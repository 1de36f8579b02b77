"""A fleet's messages: what the contract wants, the same for a seed, sent in time."""

from itertools import islice, pairwise

import pytest

from ingest.wire import Readings
from simulators.command_fleet import default_start
from simulators.fault_list import parse_faults
from simulators.fleet import Pace, merged
from simulators.plants import Plant, fleet_plants
from tests.simulators.common import HOUR, MINUTE, START, course, messages, parsed


@pytest.mark.parametrize("plant", list(fleet_plants(5, seed=3)), ids=lambda p: p.enterprise)
def test_messages_keep_the_contract(plant: Plant) -> None:
    stream = messages(plant=plant)
    assert [message.seq for message in stream] == list(range(1440))
    for message in stream:
        readings = Readings.model_validate_json(message.payload())
        assert readings.samples[0].values.keys() == set(plant.keys)
        assert all(
            key in readings.samples[0].status
            for key, value in readings.samples[0].values.items()
            if value is None
        )


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (
        [message.payload() for message in messages(faults=parse_faults("all"))] for _ in range(2)
    )
    assert first == second


def test_another_seed_or_start_gives_other_boots_and_values() -> None:
    one = parsed(messages()[0])
    for other in (parsed(messages(seed=8)[0]), parsed(messages(start=START + MINUTE)[0])):
        assert other["boot"] != one["boot"]
    assert parsed(messages(seed=8)[0])["samples"] != one["samples"]


def test_times_are_whole_periods() -> None:
    times = [message.samples[0].time for message in messages(start=START + 17, period=10_000_000)]
    assert times[0] == START + 10_000_000
    assert {now - before for before, now in pairwise(times)} == {10_000_000}


def test_plants_are_named_first_and_then_as_many_as_wanted() -> None:
    plants = list(fleet_plants(300, seed=1))
    assert [plant.enterprise for plant in plants[:4]] == [
        "gres1",
        "uktpp",
        "karcement",
        "plant-0004",
    ]
    assert len({plant.enterprise for plant in plants}) == 300
    assert plants == list(fleet_plants(300, seed=1))
    assert plants[:3] == list(fleet_plants(3, seed=2))


def test_units_are_merged_in_the_order_of_sending() -> None:
    plants = list(fleet_plants(4, seed=1))
    dues = [message.due for _, message in islice(merged(plants, course()), 400)]
    assert dues == sorted(dues)
    assert {plant.enterprise for plant, _ in islice(merged(plants, course()), 8)} == {
        plant.enterprise for plant in plants
    }


def test_simulated_time_runs_faster_until_it_has_caught_up_with_the_clock() -> None:
    wall = START + HOUR
    pace = Pace(START, 60, clock=lambda: wall)
    assert pace.due(START + MINUTE) == wall + 1_000_000
    assert pace.due(START + 2 * HOUR) == START + 2 * HOUR  # not a minute ahead of the clock


def test_a_run_that_nobody_told_where_to_begin_ends_now() -> None:
    assert default_start(START, 1, None) == START
    assert default_start(START, 60, None) == START - 590 * MINUTE
    assert default_start(START, 60, HOUR) == START - 59 * MINUTE
    assert default_start(START, float("inf"), HOUR) == START - HOUR
