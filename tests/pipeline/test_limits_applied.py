"""A registry that changes a limit, effective some minutes back, of a channel that is silent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.track import iso
from ingest.registry_command import apply_registry_file
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.compliance.plant import at
from tests.pipeline.foretelling import after, apply, foretold, stored, written
from tests.pipeline.foretelling import assert_equal as assert_as_foretold
from tests.pipeline.whole import ZONE, Answers, Whole, assert_equal, of_event_time, prepared, whole

if TYPE_CHECKING:
    from pathlib import Path

START = at("2026-03-02T12:00")
LAST, EFFECTIVE = START + 30 * MINUTE, START + 33 * MINUTE
REGISTRY = """
enterprises:
  - id: gres1
    sources:
      - id: stack-1
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, period: 60s}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 200, unit: mg/m3, average: 20min, coverage: 0.3}
"""


@pytest.mark.parametrize("applied", [40, 45], ids=["amid a block", "a block later"])
async def test_what_the_clock_judged_of_a_silent_channel_is_judged_again(
    postgres_url: str, tmp_path: Path, applied: int
) -> None:
    """Its last reading is older than the change, its windows that hold values end after it."""
    registry = written(tmp_path / "registry.yaml", REGISTRY)
    file = written(tmp_path / "other.yaml", REGISTRY.replace("value: 200", "value: 100"))
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
        whole(postgres_url, template, START) as calm,
    ):
        found = await silent_since_half_past(server, file, applied)
        assert_equal(found, await silent_since_half_past(calm, file, 33))
        assert [one["opened_at"] for one in found["alerts"]] == [iso(EFFECTIVE + MINUTE)]
        [judged] = [one for one in found["judgements"] if one["start"] == iso(START + 20 * MINUTE)]
        assert judged["state"] == "exceeded"


async def test_of_a_silent_channel_is_foretold_what_then_differs(
    postgres_url: str, tmp_path: Path
) -> None:
    """All its readings are older than what is asked about."""
    registry = written(tmp_path / "registry.yaml", REGISTRY)
    file = written(tmp_path / "other.yaml", REGISTRY.replace("value: 200", "value: 100"))
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
    ):
        await silent(server, 150)
        end = server.now - 2 * MINUTE
        now = await stored(server, EFFECTIVE, end)
        found, _ = await foretold(server, file, EFFECTIVE, end)
        assert {one.kind for one in found} == {"alert"}
        await apply(server, file, EFFECTIVE)
        assert_as_foretold(await stored(server, EFFECTIVE, end), after(now, found))
        days, none = START + 5 * DAY, START + 6 * DAY  # long after its last window
        assert (await foretold(server, registry, days, none))[0] == []


@pytest.mark.parametrize("days", [1, 40], ids=["amid the gap", "after it"])
@pytest.mark.parametrize("late", [False, True], ids=["", "and a late value"])
async def test_of_a_permit_that_is_renewed_after_weeks_all_say_the_same(
    postgres_url: str, tmp_path: Path, days: int, *, late: bool
) -> None:
    """An alert ends with the permit, whose renewal is known before; its channel is silent."""
    ends = REGISTRY.replace("2030-12-31", "2026-03-03").replace("value: 200", "value: 100")
    registry = written(tmp_path / "registry.yaml", ends)
    renewed = written(tmp_path / "renewed.yaml", ends.replace("2026-03-03", "2030-12-31"))
    file = written(tmp_path / "other.yaml", renewed.read_text().replace("value: 100", "value: 160"))
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
    ):
        await apply(server, renewed, START + 30 * DAY)
        await silent(server, 60)
        server.now = START + days * DAY + 12 * HOUR
        await server.sweep()
        await server.sweep()
        if late:
            sample = {"time": iso(START - MINUTE), "values": {"so2": 150.0}}
            message = {"boot": "1", "seq": 2, "samples": [sample]}
            await server.deliver(json.dumps(message).encode())
        await server.judge.finish()
        end = server.now - 2 * MINUTE
        [alert] = (await stored(server, START, end))["alert"].values()
        assert alert[:2] == ("exceedance", "2026-03-03T19:01:00Z")
        assert await server.audit(START - DAY) == []
        now = await stored(server, START, end)
        found, _ = await foretold(server, file, START, end)
        assert {one.kind for one in found} == {"alert", "judgement"}
        await apply(server, file, START)
        assert_as_foretold(await stored(server, START, end), after(now, found))
        assert await server.audit(START - DAY) == []


async def silent_since_half_past(server: Whole, file: Path, applied: int) -> Answers:
    """A registry is applied at a minute in which the clock alone judges."""
    await silent(server, applied)
    async with server.pool.acquire() as conn:
        since = from_micros(EFFECTIVE)
        await apply_registry_file(conn, file, default_zone=ZONE, effective=since)
        await server.judge.follow(await load_registry(conn, server.now, ZONE))
    await server.end(START + 3 * HOUR)
    assert await server.audit(START - DAY) == []
    return of_event_time(await server.answers(START))


async def silent(server: Whole, last: int) -> None:
    """Half an hour of values, then the clock alone up to a minute."""
    times = range(START, LAST + MINUTE, MINUTE)
    samples = [{"time": iso(time), "values": {"so2": 150.0}} for time in times]
    server.now = LAST + SECOND
    await server.deliver(json.dumps({"boot": "1", "seq": 1, "samples": samples}).encode())
    for minute in range(31, last + 1):
        server.now = START + minute * MINUTE + SECOND
        await server.sweep()
    await server.judge.finish()
