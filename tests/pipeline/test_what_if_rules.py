"""Other rule sets over the same history: what they would make of it, and that nothing is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from alerts.core.vocabulary import DAY, HOUR, MINUTE
from ingest.compliance import SETTLED
from ingest.registry_faults import RegistryInvalid
from ingest.what_if_command import print_what_if
from storage.times import from_micros
from tests.compliance.test_whole import DAY as MIDNIGHT
from tests.compliance.test_whole import REGISTRY as RULED
from tests.compliance.test_whole import hours
from tests.pipeline.foretelling import (
    after,
    apply,
    assert_equal,
    compliance,
    foretold,
    stored,
    written,
)
from tests.pipeline.whole import ZONE, Whole, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def ruled(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database with a registry that names a rule set."""
    registry = tmp_path / "ruled.yaml"
    registry.write_text(RULED)
    async with prepared(postgres_url, registry, MIDNIGHT - 31 * DAY) as name:
        yield name


async def two_days(server: Whole) -> None:
    """Two days of values under a rule set, and a few hours more."""
    for first in range(0, 52, 4):
        server.now = MIDNIGHT + (first + 4) * HOUR
        message = json.loads(hours(first, first + 4, so2=220.0 if first < 24 else 120.0))
        del message["samples"][::10]
        await server.deliver(json.dumps(message).encode())
        await server.sweep()
    await server.end(MIDNIGHT + 52 * HOUR + 2 * MINUTE)
    await compliance(server)


RULE_SET = """
id: ied-lcp
title: {en: Ours}
sources: ["a test"]
versions:
  - from: 2013-01-07
    basis: {temperature: 273.15, pressure: 101.3, standard: true, dry: true, oxygen: limit, air: 21}
    normalise: each
    short_term: 1h
    validity: {coverage: 2/3, invalid_parts_a_day: 3}
    leaves_out: [start_up, shut_down, stopped]
    conditions:
      - id: day
        says: No daily average is above the limit
        clause: none
        verified: false
        statistic: mean
        average: 1d
        factor: 1.6
"""
LIMIT = "value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6}"
OTHERS = {
    "a factor": LIMIT + ", override: {conditions: {day: {factor: 1.6}, month: {factor: 0.5}}}",
    "a coverage": LIMIT + ", override: {validity: {coverage: 1}}",
    "a limit": LIMIT.replace("200", "90"),
    "another basis": LIMIT.replace("o2: 6", "o2: 3"),
    "another rule set": LIMIT.replace("ied-lcp", "bimschv"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_verdicts_under_other_rules_are_as_foretold(
    postgres_url: str, ruled: str, tmp_path: Path, other: str
) -> None:
    file = written(tmp_path / "other.yaml", RULED.replace(LIMIT, other))
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        now = await stored(server, MIDNIGHT, server.now)
        assert now["verdict"]
        found, tally = await foretold(server, file, MIDNIGHT, server.now - 2 * MINUTE)
        assert any(one.kind == "verdict" for one in found)
        assert sum(tally.changes["verdict"].values()) > 0
        await apply(server, file, MIDNIGHT)
        assert_equal(await stored(server, MIDNIGHT, server.now), after(now, found))


async def test_a_rule_set_alone_takes_the_place_of_its_namesake(
    postgres_url: str, ruled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the registry that is named, or in the one applied last where it is as it was."""
    rules = written(tmp_path / "rules.yaml", RULE_SET)
    registry = written(tmp_path / "known.yaml", RULED)
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        end = server.now - 2 * MINUTE
        found, _ = await foretold(server, rules, MIDNIGHT, end, registry)
        days = [one for one in found if one.kind == "verdict" and one.end == MIDNIGHT + DAY]
        states = [
            tuple(side["state"] if side else None for side in (one.before, one.after))
            for one in days
        ]
        assert ("exceeded", "compliant") in states
        span = from_micros(MIDNIGHT), from_micros(end)
        async with server.pool.acquire() as conn:
            await print_what_if(conn, rules, span, default_zone=ZONE, now=server.now + SETTLED)
            assert "day@2013-01-07" in capsys.readouterr().out
            with (tmp_path / "ruled.yaml").open("a") as applied:
                applied.write("# changed since\n")
            with pytest.raises(RegistryInvalid, match="say --registry FILE"):
                await print_what_if(conn, rules, span, default_zone=ZONE, now=server.now)
