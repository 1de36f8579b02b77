"""What happens in the field: fast clocks, limits that change in mid-window, installations side by
side on one broker."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import plants
from tests.acceptance.api import instant
from tests.acceptance.publishing import minutes, plant, rfc3339, sample
from tests.acceptance.server import serving, until
from tests.acceptance.waiting import become, seen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.api import Api, Item
    from tests.acceptance.server import AmsServer
    from tests.fixtures.brokers import Broker

pytestmark = pytest.mark.timeout(400)
BLOCK = timedelta(minutes=20)
HIGH = 150.0  # mg/m3, over the limit of 100


async def stored(api: Api, readings: int) -> list[Item]:
    """The readings, once there are as many."""
    return await become(api, "readings", lambda items: len(items) >= readings)


async def test_a_unit_whose_clock_is_fast(here: Path) -> None:
    """Four minutes: stored at the times it says and judged by them. Six: set aside, and kept so."""
    async with AsyncExitStack() as stack:
        registry = plants.write(here, plants.registry())
        server = await stack.enter_async_context(serving(here, registry=registry))
        unit = await stack.enter_async_context(plant(server.mqtt))
        async with server.api() as api:
            ahead = fast(4)
            hour = [sample(ahead - timedelta(minutes=back), {"so2": HIGH}) for back in range(60)]
            await unit.send(*hour)
            found = await stored(api, 60)
            await server.all_judged()
            assert max(instant(item["time"]) for item in found) == ahead
            assert "clock" in found[-1]["flags"]
            assert "clock" not in found[0]["flags"]
            await alert_opened_in_its_time(api, ahead)

            await unit.send(sample(fast(6), {"so2": HIGH, "nox": 1.0}))
            await set_aside(api)
            said = await server.command("quarantine", "retry")
            assert said.code == 0, said.all
            await set_aside(api)
            assert len(await api.items("readings")) == 60
            entry = (await api.ledger())["ams-1"]
            assert (entry["readings"]["stored"], entry["readings"]["quarantined"]) == (60, 2)


def fast(minutes: int) -> datetime:
    """What a clock shows that is fast."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)


async def alert_opened_in_its_time(api: Api, newest: datetime) -> None:
    """It opens where the window is covered, not later for having been received all at once."""
    [alert] = await seen(api, bool)
    opened = instant(alert["opened_at"])
    assert newest - timedelta(minutes=60) < opened < newest - timedelta(minutes=40)
    assert instant(alert["peak_at"]) <= newest


async def set_aside(api: Api) -> None:
    """Both values of the message wait in quarantine, judged by the time when they came."""

    def both(items: list[Item]) -> bool:
        said = [(item["reason"], item["count"], item["state"]) for item in items]
        return said == [("in_the_future", 1, "waiting")] * 2

    await become(api, "quarantine", both)


async def test_a_limit_that_changes_in_mid_window(here: Path) -> None:
    """Blocks that end until the change are judged by the first version, later ones by the next."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=4)
    change = start + timedelta(minutes=70)
    first = plants.write(here, plants.registry(), "first.json")
    second = plants.write(here, plants.registry(limit=200.0), "second.json")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(here, registry=first))
        unit = await stack.enter_async_context(plant(server.mqtt))
        async with server.api() as api:
            await unit.send(*minutes(start, [HIGH] * 70))
            await stored(api, 70)
            await server.all_judged()
            said = await server.command(
                "registry", "apply", second, "--effective", change.isoformat()
            )
            assert said.code == 0, said.all
            await unit.send(*minutes(change, [HIGH] * 70))
            await stored(api, 140)
            assert await judgements(server, api, start, 6) == [
                *[("exceeded", 100.0, 1)] * 3,
                *[("compliant", 200.0, 2)] * 3,
            ]


async def judgements(
    server: AmsServer, api: Api, start: datetime, blocks: int
) -> list[tuple[str, float, int]]:
    """State, limit and its version of each block, once the new version is in use."""
    await server.all_judged()
    found: list[tuple[str, float, int]] = []

    async def by_both() -> bool:
        end = rfc3339(start + blocks * BLOCK)
        items = await api.items("judgements", window="20min", start=rfc3339(start), end=end)
        found[:] = [(item["state"], item["limit"], item["limit_version"]) for item in items]
        return len(found) == blocks and found[-1][2] == 2

    await until(by_both, f"{blocks} blocks by two versions")
    return found


async def test_two_installations_on_one_broker_keep_their_sessions(
    here: Path, mosquitto: Broker
) -> None:
    """The client id is the database's installation id: neither throws the other off the broker."""
    registry = plants.write(here, plants.registry())
    for name in ("one", "two"):
        (here / name).mkdir()
    options: dict[str, str | Path] = {"registry": registry, "broker": mosquitto.url}
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    async with (
        serving(here / "one", **options) as one,
        serving(here / "two", **options) as two,
        plant(mosquitto.url) as unit,
    ):
        for server in (one, two):
            async with server.sql() as conn:
                name = await conn.fetchval("select id from installation")
            assert f" as ams-{name} " in mosquitto.log.read_text()
        await unit.send(sample(moment, {"so2": 1.0}))
        await one.stop()
        await unit.send(sample(moment + timedelta(minutes=1), {"so2": 2.0}))
        await one.start()  # and finds what came meanwhile
        for server in (one, two):
            async with server.api() as api:
                assert [item["value"] for item in await stored(api, 2)] == [1.0, 2.0]
                assert await api.status("/readyz") == 200
            # A link for readings and one for the units' own means, each opened once a start.
            assert server.log.count("broker link connected") == (4 if server is one else 2)
