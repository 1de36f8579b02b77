"""Another registry over the same history: what it would make of it, and that nothing is stored."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import DAY, HOUR, MINUTE
from ingest.registry_faults import RegistryInvalid
from ingest.what_if import suppose, what_if
from ingest.what_if_command import print_what_if
from ingest.what_if_file import supposed_registry
from storage.times import from_micros
from tests.pipeline.foretelling import after, apply, assert_equal, foretold, stored, written
from tests.pipeline.streams import FIRST, REGISTRY, START, Stream, streams
from tests.pipeline.test_order import arriving, follow, minutes
from tests.pipeline.whole import ZONE, Whole, whole

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "8"))


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
