"""From the bytes of messages to verdicts: a registry with a rule set, engine, follower, query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import HOUR, MINUTE
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.patience import Patience
from storage.queries.compliance import BEFORE_ALL, Asked, compliance
from storage.queries.page import Part, Span
from storage.times import from_micros
from tests.compliance.plant import at
from tests.pipeline.whole import ZONE, Whole, prepared, whole

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = """
enterprises:
  - id: gres1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, period: 60s,
             basis: {dry: true, standard: true}}
          - {id: o2, parameter: o2, unit: "%", period: 60s, basis: {dry: true}}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, o2: stack-1/o2}}
permits:
  - number: KZ1
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6}}
"""
DAY = at("2026-02-01T19:00")  # midnight of the zone
SO2, O2 = 220.0, 10.0  # at 6 % oxygen 300, less 20 % of the limit 260: above 220, below 400


def hours(first: int, last: int, *, so2: float = SO2, status: str | None = None) -> bytes:
    """One message with a sample each minute of some hours of the day."""
    samples: list[dict[str, Any]] = []
    for time in range(DAY + first * HOUR, DAY + last * HOUR, MINUTE):
        sample: dict[str, Any] = {
            "time": from_micros(time).isoformat(),
            "values": {"so2": so2, "o2": O2},
        }
        if status:
            sample["status"] = {"so2": status, "o2": status}
        samples.append(sample)
    return json.dumps({"boot": "1", "seq": first, "samples": samples}).encode()


async def items(server: Whole, **asked: Any) -> list[dict[str, Any]]:
    """What the API would answer, after the follower has done what is due."""
    store = JudgingStore(server.pool, Patience(server.metrics), "urn:test")
    await Follower(store, server.metrics, ZONE, lambda: server.now + SETTLED).work()
    async with server.pool.acquire() as conn:
        page = await compliance(conn, None, Asked(**asked), Span(), Part(BEFORE_ALL))
    return page.items


async def test_a_day_under_a_rule_set(postgres_url: str, tmp_path: Path) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, at("2026-01-01T00:00")) as name,
        whole(postgres_url, name, DAY) as server,
    ):
        for first, status in ((0, None), (6, "stopped"), (8, None), (16, None)):
            last = {0: 6, 6: 8, 8: 16, 16: 25}[first]
            server.now = DAY + last * HOUR
            await server.deliver(hours(first, last, status=status))
            await server.sweep()
            await server.judge.engine.flush()
        await server.end(DAY + 25 * HOUR + 2 * MINUTE)
        [day] = await items(server, average="1d", condition="day", running=False)
        assert (day["raw"], day["value"], day["state"]) == (300.0, 260.0, "exceeded")
        assert (day["valid"], day["expected"], day["rules"]) == (22, 22, "ied-lcp")
        assert (day["basis"], day["limit"], day["factor"]) != (None, 200.0, "1")
        [share] = await items(server, condition="hours")
        assert (share["valid"], share["exceeding"], share["over"]) == (23, 0, False)
        assert share["left"] == share["allowed"] > 300
        [month] = await items(server, condition="month")
        assert month["breaks_at"] is not None


@pytest.mark.parametrize(("failing", "state"), [(3, "exceeded"), (4, "not_assessable")])
async def test_data_begin_with_the_first_reading_valid_or_not(
    postgres_url: str, tmp_path: Path, failing: int, state: str
) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, at("2026-01-01T00:00")) as name,
        whole(postgres_url, name, DAY) as server,
    ):
        server.now = DAY + 25 * HOUR
        await server.deliver(hours(0, failing, status="malfunction"))
        await server.deliver(hours(failing, 25))
        await server.judge.engine.flush()
        await server.end(DAY + 25 * HOUR + 2 * MINUTE)
        [day] = await items(server, average="1d", condition="day", running=False)
        assert (day["valid"], day["expected"], day["state"]) == (24 - failing, 24, state)
        noted = await server.pool.fetch("select since from compliance_begun")  # readings go
        assert {row["since"] for row in noted} == {from_micros(DAY)}


async def test_values_every_ten_minutes_need_their_oxygen(
    postgres_url: str, tmp_path: Path
) -> None:
    registry = tmp_path / "registry.yaml"
    rules = "average: 1h, rules: kz-20min, basis: {o2: 6}"
    text = REGISTRY.replace("60s", "10min").replace("rules: ied-lcp, basis: {o2: 6}", rules)
    registry.write_text(text)
    samples = [
        {"time": from_micros(time).isoformat(), "values": {"so2": SO2, "o2": O2 if has else 21.0}}
        for time, has in zip(
            range(DAY, DAY + 2 * HOUR, 10 * MINUTE),
            [True] * 4 + [False] * 2 + [True] * 3 + [False] * 3,
            strict=True,
        )
    ]
    async with (
        prepared(postgres_url, registry, at("2026-01-01T00:00")) as name,
        whole(postgres_url, name, DAY) as server,
    ):
        server.now = DAY + 2 * HOUR
        await server.deliver(json.dumps({"boot": "1", "seq": 1, "samples": samples}).encode())
        await server.end(DAY + 2 * HOUR + 2 * MINUTE)
        found = await items(server, condition="mean", running=False)
        assert [(hour["value"], hour["state"]) for hour in found] == [
            (300.0, "exceeded"),  # four of six, of oxygen at 21 % none is made
            (None, "not_assessable"),
        ]


async def test_in_silence_the_audit_finds_nothing(postgres_url: str, tmp_path: Path) -> None:
    """Days go on to be judged; of short-term means none is made without a value."""
    registry = tmp_path / "registry.yaml"
    short = "{source: stack-1, channel: so2, value: 200, unit: mg/m3, average: 20min"
    registry.write_text(f"{REGISTRY}      - {short}, rules: kz-20min, basis: {{o2: 6}}}}\n")
    async with (
        prepared(postgres_url, registry, at("2026-01-01T00:00")) as name,
        whole(postgres_url, name, DAY) as server,
    ):
        for first in (0, 4):
            server.now = DAY + (first + 4) * HOUR
            await server.deliver(hours(first, first + 4))
            await server.judge.engine.flush()
            await items(server)
        await server.end(DAY + 30 * HOUR)
        found = await items(server, running=False)
        assert {one["average"] for one in found} == {"1d", "20min"}
        assert await server.audit(DAY) == []
