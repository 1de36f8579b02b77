"""An oxygen that was wrong: what is derived with it, and what rule sets say of it, follows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from alerts.core.vocabulary import DAY, MINUTE, SECOND, Status
from alerts.track import iso
from ingest.compliance import SETTLED, Follower
from storage.invalidations import Request, request
from storage.queries.compliance import BEFORE_ALL, Asked, compliance
from storage.queries.page import Part, Span
from storage.queries.session import Sessions
from storage.times import from_micros
from tests.pipeline.test_invalidating import back, settled
from tests.pipeline.whole import ZONE, Whole, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

START = 1_748_718_000_000_000  # 2025-05-31T19:00:00Z: midnight of the enterprise
REGISTRY = """
enterprises:
  - id: gres1
    name: {en: GRES-1, ru: ГРЭС-1, kk: ГРЭС-1}
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        number: "0001"
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s,
             basis: {dry: true, standard: true}}
          - {id: o2, parameter: o2, unit: "%", range: [0, 25], period: 60s, basis: {dry: true}}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, o2: stack-1/o2}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2025-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6}}
"""


@pytest_asyncio.fixture
async def server(postgres_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    """A server with a limit of a rule set, at 6 % oxygen."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, START - 60 * DAY) as template,
        whole(postgres_url, template, START) as made,
    ):
        yield made


async def derived(server: Whole) -> list[tuple[Any, ...]]:
    """Mean and count of each hour of so2 at 6 % oxygen."""
    return await server.rows(
        "select round(b.mean::numeric, 3)::float8, b.count from current_blocks b"
        " join channels c on c.id = b.channel"
        " join channel_versions v on v.channel = c.id and v.recipe ->> 'output' = 'value'"
        " where c.channel = 'so2' and b.window_s = 3600 order by b.start"
    )


async def days(server: Whole) -> list[tuple[str, float | None]]:
    """State and value of the day means that ended."""
    async with Sessions(server.pool).reading() as conn:
        asked = Asked(average="1d")
        page = await compliance(conn, None, asked, Span(), Part(BEFORE_ALL))
    return [(one["state"], one["value"]) for one in page.items if one["over"]]


@pytest.mark.timeout(240)
async def test_what_is_derived_with_an_invalid_oxygen_is_taken_back_and_comes_again(
    server: Whole,
) -> None:
    follower = Follower(server.judge._store, server.metrics, ZONE, lambda: server.now + SETTLED)
    await follower.watch()
    for hour in range(25):
        rows = [
            {"time": iso(START + (60 * hour + n) * MINUTE), "values": {"so2": 300.0, "o2": 6.0}}
            for n in range(60)
        ]
        server.now = START + (60 * hour + 60) * MINUTE + SECOND
        await server.deliver(json.dumps({"boot": "b1", "seq": hour, "samples": rows}).encode())
    server.now += 5 * MINUTE
    await server.sweep()
    await server.judge.engine.flush()
    await follower.work()
    before, verdicts = await derived(server), await days(server)
    assert before[:24] == [(300.0, 60)] * 24
    assert verdicts
    assert {state for state, _ in verdicts} == {"exceeded"}

    bounds = from_micros(START), from_micros(START + DAY)
    asked = Request(["gres1/stack-1/o2"], *bounds, Status.MALFUNCTION, "check failed", "shift 2")
    async with server.pool.acquire() as conn:
        (number,) = await request(conn, asked)
    assert await settled(server, number) == 1440
    await follower.work()
    assert (await derived(server))[:24] == [(None, 0)] * 24
    assert {state for state, _ in await days(server)} == {"not_assessable"}
    assert await server.audit(START - DAY) == []

    await back(server, number)
    assert await settled(server, number) == 1440
    await follower.work()
    assert await derived(server) == before
    assert await days(server) == verdicts
    assert await server.audit(START - DAY) == []
