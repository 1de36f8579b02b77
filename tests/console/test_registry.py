"""GET /api/v1/enterprises · /sources · /channels · /limits: as now or ?at=TIME."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from console.models import Channel, Enterprise, Limit, Source
from tests.console.world import NAMES, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
TWENTY = timedelta(minutes=20)


@pytest.mark.usefixtures("made")
async def test_an_enterprise_shows_what_the_registry_says(server: Server) -> None:
    (item,) = await server.items("enterprises")
    assert item == {
        "enterprise": "gres1",
        "name": NAMES,
        "bin": None,
        "region": "KZ-PAV",
        "category": 1,
        "reporting_zone": None,
    }
    Enterprise.model_validate(item)


@pytest.mark.usefixtures("made")
async def test_a_source_shows_its_number_and_position(server: Server) -> None:
    (item,) = await server.items("sources", source="gres1/stack-1")
    assert (item["enterprise"], item["source"]) == ("gres1", "stack-1")
    assert (item["number"], item["position"]) == ("0001", [51.9, 75.4])
    Source.model_validate(item)


@pytest.mark.usefixtures("made")
async def test_a_channel_shows_what_it_measures_and_who_reports_it(server: Server) -> None:
    items = await server.items("channels")
    assert [item["channel"] for item in items] == ["so2", "nox", "o2"]
    assert items[0] == {
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "parameter": "0330",
        "uom": "mg/m3",
        "range": [-5.0, 5000.0],
        "period": "1min",
        "basis": {"dry": True, "o2": 6},
        "missing": [-1.0],
        "stuck_after": "2h",
        "max_step": None,
        "agreement": 0.05,
        "unit": "ams-1",
        "key": "so2",
    }
    Channel.model_validate(items[0])


async def test_a_limit_shows_the_permit_and_the_rule(
    server: Server, world: World, made: Made
) -> None:
    number, version = await world.limit(made["so2"], 700, "20min", TWENTY)
    (item,) = await server.items("limits", channel="so2")
    assert item == {
        "id": number,
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "permit": "KZ28VDD00145762",
        "parameter": "0330",
        "average": "20min",
        "value": 700.0,
        "uom": "mg/m3",
        "version": version,
        "valid_from": "2025-12-31T19:00:00Z",
        "valid_until": "2030-12-31T19:00:00Z",
        "coverage": "2/3",
        "warn_at": "0.8",
        "clear_at": "0.95",
        "open_after": "0s",
        "clear_after": "5min",
        "basis": None,
        "rule": None,
    }
    Limit.model_validate(item)


async def test_at_shows_the_registry_as_it_was_in_force(
    server: Server, world: World, made: Made
) -> None:
    limit, _ = await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.limit_version(limit, 650, effective=at("03:00"))
    await world.limit_version(limit, 650, effective=at("05:00"), ended=True)
    await world.channel_version(made["o2"], effective=at("03:00"), ended=True)
    await world.entity("source", "gres1/stack-1", None, at("04:00"))
    await world.entity("enterprise", "gres1", {"name": {"en": "Later"}}, at("23:00"))

    async def seen(path: str, moment: str) -> list[dict[str, object]]:
        return await server.items(path, at=at(moment).isoformat())

    assert [item["value"] for item in await seen("limits", "02:59")] == [700.0]
    assert [item["value"] for item in await seen("limits", "03:00")] == [650.0]
    assert await seen("limits", "05:00") == []
    assert len(await seen("channels", "02:59:59")) == 3
    assert len(await seen("channels", "03:00")) == 2
    assert len(await seen("sources", "03:59")) == 1
    assert await seen("sources", "04:00") == []
    assert await server.items("sources") == []
    (enterprise,) = await server.items("enterprises")
    assert enterprise["name"] == NAMES
    (enterprise,) = await seen("enterprises", "23:30")
    assert enterprise["name"] == {"en": "Later"}
    assert await seen("enterprises", "2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize("path", ["enterprises", "sources", "channels", "limits"])
@pytest.mark.usefixtures("made")
async def test_pages_of_the_registry_join(server: Server, world: World, path: str) -> None:
    for n in range(3):
        await world.entity("enterprise", f"plant-{n}", {})
        await world.entity("source", f"plant-{n}/chimney", {})
        channel = await world.channel(f"plant-{n}/chimney/so2")
        await world.limit(channel, 700, "20min", TWENTY)
    whole = await server.items(path)
    assert len(whole) >= 3
    assert await server.joined(path, 2) == whole
    assert len(await server.items(path, enterprise="plant-1")) == 1
