"""A calibration of three days back, applied to a server as a process that is killed at it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance import plants
from tests.acceptance.publishing import plant, rfc3339, sample
from tests.acceptance.server import AmsServer, serving, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.api import Api

pytestmark = pytest.mark.timeout(300)
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
BEGIN = (NOW - 120 * HOUR).replace(hour=19)  # midnight of the zone
EFFECTIVE = BEGIN + 30 * HOUR
DAYS = 4


def registry(*calibration: dict[str, Any]) -> dict[str, Any]:
    """So2 at 6 % oxygen under a rule set, by these calibrations."""
    document = plants.registry(("so2", "o2"))
    so2, o2 = document["enterprises"][0]["sources"][0]["channels"]
    so2 |= {"basis": {"dry": True, "standard": True}, "calibration": list(calibration)}
    o2 |= {"parameter": "o2", "unit": "%", "range": [0, 25], "basis": {"dry": True}}
    (limit,) = document["permits"][0]["limits"]
    limit |= {"value": 200, "rules": "ied-lcp", "basis": {"o2": 6}}
    del limit["average"]
    return document


async def judged(server: AmsServer, version: int) -> None:
    """Wait until blocks and verdicts are those of a registry's version."""
    await server.all_judged()
    async with server.sql() as conn:

        async def done() -> bool:
            is_done: bool = await conn.fetchval(
                "select count(*) = 2 and not exists (select from compliance_due) from progress"
                " where follower in ('registry', 'compliance') and batch >= $1",
                version,
            )
            return is_done

        await until(done, f"all to be judged; the server's log:\n{server.log[-3000:]}", 90)


async def days(api: Api, **asked: str) -> list[tuple[str, float]]:
    """State and value of the days that are over."""
    items = await api.items("compliance", window="1d", condition="day", **asked)
    return [(item["state"], item["value"]) for item in items if item["over"]][:DAYS]


async def test_a_calibration_three_days_back_and_the_server_killed_amid(here: Path) -> None:
    first = {"from": "2026-01-01", "slope": 1.0}
    old = plants.write(here, registry(first))
    new = plants.write(here, registry(first, {"from": "2026-01-02", "slope": 2.0}), "new.json")
    span = ("--start", rfc3339(EFFECTIVE), "--end", rfc3339(BEGIN + DAYS * 24 * HOUR))
    assert (await AmsServer(here).command("registry", "apply", old)).code == 0
    async with serving(here) as server:
        async with plant(server.mqtt) as unit, server.api() as api:
            for hour in range(0, DAYS * 24, 12):
                moments = (BEGIN + (hour * 60 + n) * HOUR / 60 for n in range(720))
                await unit.send(*(sample(one, {"so2": 150.0, "o2": 6.0}) for one in moments))

            async def received() -> bool:
                return await api.received() == DAYS * 2

            await until(received, "all messages")
            await judged(server, 1)
            assert await days(api) == [("compliant", 110.0)] * DAYS
        said = await server.command("registry", "what-if", new, *span, "--json")
        foretold = [json.loads(line) for line in said.out.splitlines()]
        published = rfc3339(datetime.now(UTC))
        said = await server.command("registry", "apply", new, "--effective", rfc3339(EFFECTIVE))
        assert said.code == 0, said.all
        await server.kill()
        await server.start()
        async with server.api() as api:
            await judged(server, 2)
            found = await days(api)
            # The second day has 6 h at 150 and 18 h at 300 mg/m3; of each 40 are subtracted.
            assert found == [
                ("compliant", 110.0),
                ("exceeded", 222.5),
                ("exceeded", 260.0),
                ("exceeded", 260.0),
            ]
            would = [
                (one["after"]["state"], one["after"]["value"])
                for one in foretold
                if one["kind"] == "verdict" and one["condition"].startswith("day@")
            ]
            assert would == found[1:]
            assert await days(api, as_known_at=published) == [("compliant", 110.0)] * DAYS
        said = await server.command("replay", "--start", rfc3339(BEGIN), "--end", rfc3339(NOW))
        assert (said.code, said.all.strip()) == (0, "no difference from what is stored")
