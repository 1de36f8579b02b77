"""The registry that is shipped as an example."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.registry_command import apply_registry_file, check_registry_file
from ingest.registry_read import parse_registry
from simulators.fleet_registry import enterprise_entry, permit_entry
from simulators.plants import NAMED
from storage.registry_load import load_registry

if TYPE_CHECKING:
    import asyncpg

    from ingest.registry_model import Enterprise

EXAMPLE = Path(__file__).parents[2] / "deploy" / "registry.example.yaml"
NOW = 1_798_761_600_000_000  # 2027-01-01


def plants() -> dict[str, Enterprise]:
    [document] = parse_registry(EXAMPLE).documents
    return {enterprise.id: enterprise for enterprise in document.enterprises or ()}


def test_the_example_is_valid() -> None:
    assert check_registry_file(EXAMPLE) == []
    assert len(plants()) == 3
    for plant in plants().values():
        assert set(plant.name or {}) == {"en", "ru", "kk"}


def test_the_simulated_fleet_is_the_examples() -> None:
    [document] = parse_registry(EXAMPLE).documents
    permits = {permit.enterprise: permit for permit in document.permits}
    for plant in NAMED:
        of_example = plants()[plant.enterprise]
        of_fleet: Any = enterprise_entry(plant, 60_000_000)
        of_permit: Any = permit_entry(plant)
        assert [unit.id for unit in of_example.units] == [plant.unit]
        assert list(of_example.units[0].channels) == list(plant.keys)
        [source] = of_example.sources
        [simulated] = of_fleet["sources"]
        assert [
            (channel.id, channel.parameter, channel.unit, list(channel.range or ()))
            for channel in source.channels
        ] == [(c["id"], c["parameter"], c["unit"], c["range"]) for c in simulated["channels"]]
        limits = {
            (limit.channel, limit.average, limit.value)
            for limit in permits[plant.enterprise].limits
        }
        assert limits >= {
            (limit["channel"], limit["average"], limit["value"]) for limit in of_permit["limits"]
        }


async def test_the_example_can_be_applied(db: asyncpg.Connection) -> None:
    changes = await apply_registry_file(db, EXAMPLE, default_zone="+05:00")
    assert changes.added["channels"] == 27 + 3  # of so2: g/s, kg/h, and when it stands idle
    registry = await load_registry(db, NOW, "+05:00")
    assert set(registry.units) == {"gres1/ams-1", "uktpp/ams-1", "karcement/ams-1"}
    assert registry.units["gres1/ams-1"].channels["no"] > 0
    plain = registry.limits.legal
    assert plain.sum() == 17
    assert len(registry.derived.chains) == 2  # g/s and kg/h of so2
