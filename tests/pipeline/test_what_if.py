"""Another registry over the same history: what it would make of it, and that nothing is stored."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import DAY, HOUR, MINUTE
from alerts.track import iso
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.patience import Patience
from ingest.registry_command import apply_registry_file
from ingest.registry_faults import RegistryInvalid
from ingest.what_if import suppose, what_if
from ingest.what_if_command import print_what_if
from ingest.what_if_file import supposed_registry
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.compliance.test_whole import DAY as MIDNIGHT
from tests.compliance.test_whole import REGISTRY as RULED
from tests.compliance.test_whole import hours
from tests.pipeline.streams import REGISTRY, START, Stream, streams
from tests.pipeline.test_order import FIRST, arriving, follow, minutes
from tests.pipeline.whole import ZONE, Whole, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ingest.what_if_differences import Difference, Tally

EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "8"))
SO2_20MIN = "channel: so2,  value: 100, unit: mg/m3, average: 20min"

_TABLES = """
select schemaname || '.' || tablename as name from pg_tables
where schemaname not in ('pg_catalog', 'information_schema') order by 1
"""
_SEQUENCES = "select schemaname, sequencename, last_value from pg_sequences order by 1, 2"
_JUDGEMENTS = """
select "limit", start, state, mean from current_judgements
where start >= $1 and start < $2 and count > 0
"""
_ALERTS = """
select "limit", opened_at, resolved_at, worst, peak, peak_at from alerts
where kind = 'limit' and state in ('open', 'resolved')
  and opened_at < $2 and (resolved_at is null or resolved_at >= $1)
"""
_VERDICTS = """
select "limit", finish, state, value from current_compliance
where finish > $1 and start < $2 and over
"""


@pytest_asyncio.fixture
async def template(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database that has the registry of the streams."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with prepared(postgres_url, registry, FIRST) as name:
        yield name


@pytest_asyncio.fixture
async def ruled(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database with a registry that names a rule set."""
    registry = tmp_path / "ruled.yaml"
    registry.write_text(RULED)
    async with prepared(postgres_url, registry, MIDNIGHT - 31 * DAY) as name:
        yield name


async def everything(server: Whole) -> dict[str, Any]:
    """All rows of all tables, and where the sequences stand."""
    async with server.pool.acquire() as conn:
        names = [row["name"] for row in await conn.fetch(_TABLES)]
        found: dict[str, Any] = {
            name: sorted(map(repr, await conn.fetch(f"select * from {name}")))  # noqa: S608
            for name in names
        }
        found["sequences"] = list(map(repr, await conn.fetch(_SEQUENCES)))
        return found


async def foretold(
    server: Whole, file: Path, start: int, end: int, registry: Path | None = None
) -> tuple[list[Difference], Tally]:
    """What would differ; all that is stored stays as it was."""
    before = await everything(server)
    async with server.pool.acquire() as conn:
        document, now = supposed_registry(file, registry), server.now + SETTLED
        supposed = await suppose(conn, document, since=start, now=now, default_zone=ZONE)
        asked = await what_if(conn, supposed, (start, end), now=now)
        found = [one async for some in asked.differences() for one in some]
    assert await everything(server) == before
    return found, asked.tally


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def apply(server: Whole, file: Path, effective: int) -> None:
    """Apply a registry to a running server, and let it judge what that changes."""
    async with server.pool.acquire() as conn:
        since = from_micros(effective)
        await apply_registry_file(conn, file, default_zone=ZONE, effective=since)
        known = await load_registry(conn, server.now, ZONE)
    await server.judge.follow(known)
    await server.sweep()  # a limit that ended otherwise lapses by the clock
    await server.sweep()
    await server.judge.finish()
    await compliance(server)


async def compliance(server: Whole) -> None:
    """Let the follower do what is due."""
    store = JudgingStore(server.pool, Patience(server.metrics), "urn:test")
    await Follower(store, server.metrics, ZONE, lambda: server.now + SETTLED).work()


async def stored(server: Whole, start: int, end: int) -> dict[str, dict[Any, Any]]:
    """What is current of a span: judgements, alerts and verdicts of periods that are over."""
    span = from_micros(start), from_micros(end)
    judgements = await server.pool.fetch(_JUDGEMENTS, *span)
    alerts = await server.pool.fetch(_ALERTS, *span)
    verdicts = await server.pool.fetch(_VERDICTS, *span)
    return {
        "judgement": {(row[0], _time(row[1])): (_STATES[row[2]], row[3]) for row in judgements},
        "alert": {
            (row[0], _time(row[1])): (row[3], _time(row[2]), row[4], _time(row[5]))
            for row in alerts
        },
        "verdict": {(row[0], _time(row[1])): (_STATES[row[2]], row[3]) for row in verdicts},
    }


_STATES = ("compliant", "exceeded", "not_assessable")


def _time(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def after(now: dict[str, dict[Any, Any]], found: list[Difference]) -> dict[str, dict[Any, Any]]:
    """What is stored now, with the differences that were foretold."""
    then = {kind: dict(some) for kind, some in now.items()}
    for one in found:
        if one.before is not None and one.before.get("over", True):
            key, value = _entry(one, one.before)
            assert then[one.kind].pop(key) == value, one
    for one in found:
        if one.after is not None and one.after.get("over", True):
            key, value = _entry(one, one.after)
            then[one.kind][key] = value
    return then


def _entry(one: Difference, side: dict[str, Any]) -> tuple[Any, Any]:
    if one.kind == "alert":
        key = (one.limit, side["opened_at"])
        return key, (side["severity"], side["resolved_at"], side["peak"], side["peak_at"])
    if one.kind == "verdict":
        assert one.end is not None
        return (one.limit, iso(one.end)), (side["state"], side["value"])
    return (one.limit, iso(one.start)), (side["state"], side["mean"])


def assert_equal(then: dict[str, dict[Any, Any]], expected: dict[str, dict[Any, Any]]) -> None:
    """Name the first differences of each kind."""
    for kind, some in expected.items():
        more = sorted(then[kind].items() - some.items(), key=repr)
        lacking = sorted(some.items() - then[kind].items(), key=repr)
        assert more + lacking == [], f"{kind}: stored {more[:4]}, foretold {lacking[:4]}"


# ---------------------------------------------------------------- limits


async def calm_then_high(server: Whole) -> None:
    """An hour of 50, half an hour of 95, an hour of 50; judged two hours later."""
    parts = (minutes(0, 59, 50.0), minutes(60, 89, 95.0), minutes(90, 149, 50.0))
    at = (START + HOUR, START + 90 * MINUTE, START + 150 * MINUTE)
    await follow(server, arriving(*zip(at, parts, strict=True)))


async def test_a_lowered_limit_names_what_would_differ(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    lower = written(tmp_path / "lower.yaml", REGISTRY.replace("value: 100", "value: 85", 1))
    async with whole(postgres_url, template, FIRST) as server:
        await calm_then_high(server)
        found, tally = await foretold(server, lower, START, server.now)
        judged = [one for one in found if one.kind == "judgement"]
        [block] = judged
        assert block.start == START + HOUR
        told = [(side or {}).get("state") for side in (block.before, block.after)]
        assert told == ["compliant", "exceeded"]
        assert (block.after or {})["limit"] == 85.0
        [alert] = [one for one in found if one.kind == "alert"]
        assert alert.before is not None
        assert alert.after is not None
        assert (alert.before["severity"], alert.after["severity"]) == ("warning", "exceedance")
        assert tally.changes["judgement"]["compliant", "exceeded"] == 1
        assert tally.changes["alert"]["warning", "exceedance"] == 1


async def test_the_same_file_makes_no_difference(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    same = written(tmp_path / "same.yaml", REGISTRY + "# as it is\n")
    async with whole(postgres_url, template, FIRST) as server:
        await calm_then_high(server)
        found, tally = await foretold(server, same, START, server.now)
        assert (found, tally.changes) == ([], {})


async def test_a_file_with_errors_names_the_place_and_judges_nothing(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    wrong = written(tmp_path / "wrong.yaml", REGISTRY.replace("average: 20min", "average: 20m", 1))
    async with whole(postgres_url, template, FIRST) as server:
        with pytest.raises(RegistryInvalid) as refused:
            await foretold(server, wrong, START, server.now)
    [fault] = refused.value.faults
    assert "20m" in wrong.read_text().splitlines()[fault.line - 1]


async def test_readings_that_were_dropped_are_named(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    lower = written(tmp_path / "lower.yaml", REGISTRY.replace("value: 100", "value: 85", 1))
    async with whole(postgres_url, template, FIRST) as server:
        await calm_then_high(server)
        await server.pool.execute("update installation set readings_from = $1", from_micros(START))
        async with server.pool.acquire() as conn:
            document = supposed_registry(lower, None)
            start = START - DAY
            supposed = await suppose(conn, document, since=start, now=server.now, default_zone=ZONE)
            said: list[str] = []
            asked = await what_if(
                conn, supposed, (start, server.now), now=server.now, remark=said.append
            )
            assert [one async for one in asked.differences()] == []
        assert said == [
            "readings before 2025-06-01T00:00:00Z were dropped: judged from 2025-06-03T00:00:00Z on"
        ]


async def test_a_new_limit_is_judged_from_its_permits_first_day(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    """An alert that it would have had before the span is the same as with all of history."""
    more = "      - {source: stack-1, channel: so2, value: 60, unit: mg/m3, average: 30min}\n"
    file = written(
        tmp_path / "more.yaml", REGISTRY.replace("  - number: B", more + "  - number: B")
    )
    async with whole(postgres_url, template, FIRST) as server:
        await calm_then_high(server)
        start = START + 80 * MINUTE  # in the midst of the alert
        now = await stored(server, start, server.now)
        found, _ = await foretold(server, file, start, server.now)
        [alert] = [one for one in found if one.kind == "alert"]
        assert (alert.before, alert.start < start) == (None, True)
        await apply(server, file, start)
        assert_equal(await stored(server, start, server.now), after(now, found))


CHANGES = (
    ("value: 100", "value: 79.9"),
    ("value: 100, unit: mg/m3, average: 20min", "value: 130, unit: mg/m3, average: 20min"),
    ("value: 90, ", "value: 79, "),
    ("coverage: 1/2", "coverage: 1/4"),
    ("coverage: 1/8", "coverage: 3/4"),
    ("open_after: 3min", "open_after: 30min"),
    ("value: 80, ", "value: 300, "),
    ("until: 2025-06-02", "until: 2025-06-20"),
)


@pytest.mark.timeout(60 + 40 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes too long to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    stream=streams(),
    changes=st.sets(st.sampled_from(CHANGES), min_size=1),
    place=st.floats(0, 1),
)
async def test_applied_it_is_as_foretold(  # noqa: PLR0917
    postgres_url: str,
    template: str,
    tmp_path: Path,
    stream: Stream,
    changes: set[tuple[str, str]],
    place: float,
) -> None:
    """Whatever the history: the stored results are those foretold."""
    text = REGISTRY
    for old, new in sorted(changes):
        text = text.replace(old, new)
    file = written(tmp_path / "other.yaml", text)
    async with whole(postgres_url, template, FIRST) as server:
        await follow(server, stream)
        final = stream.final
        start = final[int(place * (len(final) - 1))].time // MINUTE * MINUTE
        now = await stored(server, start, server.now)
        found, _ = await foretold(server, file, start, server.now)
        await apply(server, file, start)
        assert_equal(await stored(server, start, server.now), after(now, found))


# ---------------------------------------------------------------- rule sets


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


# ---------------------------------------------------------------- the command's answer


async def test_answers_for_people_and_for_machines(
    postgres_url: str, template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lower = written(tmp_path / "lower.yaml", REGISTRY.replace("value: 100", "value: 85", 1))
    async with whole(postgres_url, template, FIRST) as server:
        await calm_then_high(server)
        span = from_micros(START), from_micros(server.now)
        async with server.pool.acquire() as conn:
            for as_lines_of_json in (False, True):
                await print_what_if(
                    conn, lower, span, default_zone=ZONE, now=server.now,
                    as_lines_of_json=as_lines_of_json,
                )  # fmt: skip
    said = capsys.readouterr().out
    words, machine = said[: said.index('{"kind"')], said[said.index('{"kind"') :]
    assert "gres1/stack-1/so2 20min, permit A (GRES-1): judgements" in words
    assert "compliant (mean 95, limit 100, 20/20) -> exceeded (mean 95, limit 85, 20/20)" in words
    assert "the registry: changed 1 limits" in words
    items = [json.loads(line) for line in machine.splitlines()]
    assert {item["kind"] for item in items} == {"judgement", "alert", "summary"}
    assert {item["permit"] for item in items if "permit" in item} == {"A"}
    assert items[-1]["registry"]["changed"]["limits"] == 1
