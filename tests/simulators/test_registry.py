"""The registries that the simulators write: accepted by the server, with all that is sent."""

from pathlib import Path

import pytest

from ingest.registry_command import check_registry_file
from ingest.registry_model import Document, Enterprise
from ingest.registry_read import parse_registry
from simulators.command_fleet import fleet
from simulators.command_load import load
from simulators.command_replay import replay
from simulators.plants import NAMED
from tests.simulators.common import data_files, messages

EXAMPLE = Path(__file__).parents[2] / "deploy" / "registry.example.yaml"


def written(directory: Path, command: object, *arguments: str, name: str = "r.yaml") -> Path:
    file = directory / name
    code = command.main(  # type: ignore[attr-defined]
        [*arguments, "--registry-out", str(file)], standalone_mode=False
    )
    assert code == 0
    assert check_registry_file(file) == []
    return file


@pytest.mark.parametrize("name", ["fleet.yaml", "fleet.json"])
def test_a_fleets_registry_is_valid_and_lacks_nothing(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, fleet, "--plants", "12", "--seed", "7", name=name)
    (document,) = parse_registry(file).documents
    keys = {
        (enterprise.id, unit.id): set(unit.channels)
        for enterprise in document.enterprises or ()
        for unit in enterprise.units
    }
    assert len(keys) == 12
    for plant in NAMED:
        sample = messages(1 / 1440, plant)[0].samples[0]
        assert set(sample.values) == keys[plant.enterprise, plant.unit]


def test_the_fleets_period_is_its_channels(tmp_path: Path) -> None:
    file = written(tmp_path, fleet, "--period", "10s")
    (document,) = parse_registry(file).documents
    assert {
        c.period for e in document.enterprises or () for s in e.sources for c in s.channels
    } == {"10s"}


def test_the_example_registry_is_that_of_the_first_three_plants(tmp_path: Path) -> None:
    (example,) = parse_registry(EXAMPLE).documents
    (ours,) = parse_registry(written(tmp_path, fleet)).documents
    assert example.enterprises == ours.enterprises
    for theirs, permit in zip(example.permits, ours.permits, strict=True):
        assert (theirs.number, theirs.valid) == (permit.number, permit.valid)
        assert all(limit in theirs.limits for limit in permit.limits)


def test_a_gas_turbines_registry_has_its_limits(tmp_path: Path) -> None:
    files = data_files("uci_gas_turbine", "*2014.csv")
    arguments = [*files, "--start", "2025-12-01T00:00:00Z", "--enterprise", "turbine"]
    (document,) = parse_registry(written(tmp_path, replay, *arguments)).documents
    enterprise = only(document)
    assert enterprise.id == "turbine"
    assert {channel.period for channel in enterprise.sources[0].channels} == {"1h"}
    assert limits(document) == {
        ("nox", 75, "1h"),
        ("nox", 70, "1d"),
        ("co", 10, "1h"),
        ("co", 5, "1d"),
    }
    assert document.permits[0].valid.from_ <= "2025-11-30"
    assert document.permits[0].valid.until >= "2026-09-26"


def test_epas_registry_has_a_unit_for_each_of_theirs(tmp_path: Path) -> None:
    files = data_files("epa_cems_idaho_2017", "*.zip")
    (document,) = parse_registry(written(tmp_path, replay, *files)).documents
    enterprise = only(document)
    assert len(enterprise.units) == len(enterprise.sources) == 8
    uoms = {channel.unit for source in enterprise.sources for channel in source.channels}
    assert uoms == {"MW", "lb", "lb/mmBtu", "short_ton", "mmBtu"}


def test_a_loads_registry_has_every_unit(tmp_path: Path) -> None:
    file = written(tmp_path, load, "--units", "1010", "--channels", "2", "--values", "1")
    (document,) = parse_registry(file).documents
    assert [len(enterprise.units) for enterprise in document.enterprises or ()] == [1_000, 10]
    assert {len(unit.channels) for e in document.enterprises or () for unit in e.units} == {2}


def only(document: Document) -> Enterprise:
    assert document.enterprises is not None
    (enterprise,) = document.enterprises
    return enterprise


def limits(document: Document) -> set[tuple[str, float, str | None]]:
    return {(x.channel, x.value, x.average) for permit in document.permits for x in permit.limits}
