"""A unit's own means: what the contract wants, of what the unit measured, at times too high."""

import pytest

from ingest.wire_averages import Averages
from simulators.averages import BLOCK, Report
from simulators.fault_list import parse_faults
from simulators.fleet import merged, unit_messages, unit_reports
from simulators.message import Outgoing
from simulators.plants import GRES1, Plant, fleet_plants
from tests.simulators.common import HOUR, MINUTE, START, course, messages


@pytest.mark.parametrize("plant", list(fleet_plants(4, seed=3)), ids=lambda p: p.enterprise)
def test_reports_keep_the_contract(plant: Plant) -> None:
    stream = list(unit_reports(plant, course(averages=True)))
    assert [message.seq for message in stream] == list(range(72))
    for message in stream:
        said = Averages.model_validate_json(message.payload())
        assert said.period == "20min"
        assert said.averages[0].values.keys() == set(plant.keys)
        start = message.averages[0].time
        assert start % BLOCK == 0
        assert start + BLOCK <= message.due < start + BLOCK + MINUTE


def test_a_mean_is_that_of_the_valid_samples() -> None:
    stream = messages(0.5)
    for report in unit_reports(GRES1, course(0.5, averages=True)):
        [average] = report.averages
        here = [
            sample
            for message in stream
            for sample in message.samples
            if average.time <= sample.time < average.time + BLOCK
        ]
        for key, value in average.values.items():
            valid = [
                one.values[key]
                for one in here
                if key not in one.status and one.values[key] is not None
            ]
            if value is None:
                assert 3 * len(valid) < 2 * len(here)
                assert average.status[key] != "valid"
            else:
                assert value == pytest.approx(sum(filter(None, valid)) / len(valid), rel=1e-3)


def test_only_whole_blocks_are_reported() -> None:
    first = next(unit_reports(GRES1, course(averages=True, start=START + 7 * MINUTE)))
    assert first.averages[0].time == START + BLOCK


def test_at_times_they_are_too_high() -> None:
    same, other = (
        list(unit_reports(GRES1, course(3, averages=True, apart=apart))) for apart in (0.0, 0.5)
    )
    ratios = [
        b.averages[0].values["o2"] / a.averages[0].values["o2"]
        for a, b in zip(same, other, strict=True)
        if a.averages[0].values["o2"] and b.averages[0].values["o2"]
    ]
    high = [ratio for ratio in ratios if ratio > 1.4]
    assert 3 <= len(high) < len(ratios) / 2
    assert {round(ratio, 2) for ratio in ratios} == {1.0, 1.5}


def test_readings_are_the_same_with_and_without() -> None:
    faults = parse_faults("all")
    without = [m.payload() for m in unit_messages(GRES1, course(faults=faults))]
    both = [message for _, message in merged([GRES1], course(faults=faults, averages=True))]
    assert [m.payload() for m in both if isinstance(m, Outgoing)] == without
    assert sum(isinstance(m, Report) for m in both) == 24 * HOUR // BLOCK
    assert {m.boot for m in both if isinstance(m, Report)} == {both[0].boot}
