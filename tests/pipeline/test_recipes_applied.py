"""A registry that changes how something is derived, effective three days back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.track import iso
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.registry_command import apply_registry_file
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.compliance.plant import at
from tests.pipeline.foretelling import after, apply, foretold, stored, written
from tests.pipeline.foretelling import assert_equal as assert_as_foretold
from tests.pipeline.whole import ZONE, Whole, assert_equal, of_event_time, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from storage.registry import Registry

    Send = Callable[[Whole, int, int], Awaitable[None]]

MIDNIGHT = at("2026-02-01T19:00")  # of the zone
DAYS = 5
EFFECTIVE = MIDNIGHT + 2 * DAY + 7 * HOUR + 30 * MINUTE  # three days back, within an hour and a day
REGISTRY = """
enterprises:
  - id: gres1
    name: {en: GRES-1, ru: ГРЭС-1, kk: ГРЭС-1}
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        number: "0001"
        auxiliary: {o2: o2}
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s,
             basis: {dry: true, standard: true}, calibration: [{from: 2026-01-01, slope: 1.0}]}
          - {id: o2, parameter: o2, unit: "%", range: [0, 25], period: 60s, basis: {dry: true}}
          - {id: o2b, parameter: o2, unit: "%", range: [0, 25], period: 60s, basis: {dry: true}}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, o2: stack-1/o2, o2b: stack-1/o2b}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 200, unit: mg/m3, rules: ied-lcp, basis: {o2: 6}}
"""
CHANGES = {
    "calibration": ("slope: 1.0}", "slope: 1.0}, {from: 2026-01-20, intercept: 3, slope: 1.4}"),
    "auxiliary": ("auxiliary: {o2: o2}", "auxiliary: {o2: o2b}"),
    "reference oxygen": ("basis: {o2: 6}", "basis: {o2: 3}"),
    "what counts": ("basis: {o2: 6}", "basis: {o2: 6}, override: {counts: [start_up]}"),
    "substitute": ("basis: {o2: 6}", "basis: {o2: 6}, override: {substitutes: {o2: 9}}"),
}
_BLOCKS = """
select b.window_s, b.start, b.finish, b.revision from ams.blocks b
join ams.channels c on c.id = b.channel where c.basis <> '' order by 1, 2, 4
"""
_FIGURES = '"limit", start, finish, value, state, valid, expected, exceeding, allowed, substituted'


@pytest_asyncio.fixture
async def template(postgres_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a database that has the registry."""
    registry = written(tmp_path / "registry.yaml", REGISTRY)
    async with prepared(postgres_url, registry, MIDNIGHT - 60 * DAY) as name:
        yield name


def hours(first: int, last: int) -> bytes:
    """A sample each minute of some hours; of two analysers for oxygen one fails now and then."""
    samples: list[dict[str, Any]] = []
    for minute in range(60 * first, 60 * last):
        so2 = 230.0 if 60 < minute % 300 < 140 else 100.0
        o2 = None if minute % 1000 < 90 else 9.0
        sample: dict[str, Any] = {
            "time": iso(MIDNIGHT + minute * MINUTE),
            "values": {"so2": so2 + minute // 1440, "o2": o2, "o2b": 12.0},
        }
        if o2 is None:
            sample["status"] = {"o2": "malfunction"}
        elif minute % 700 < 50:
            sample["status"] = {"so2": "start_up"}
        samples.append(sample)
    return json.dumps({"boot": "1", "seq": first, "samples": samples}).encode()


async def send(server: Whole, first: int, last: int) -> None:
    """Hours as they are measured, four to a message."""
    for begin in range(first, last, 4):
        end = min(begin + 4, last)
        server.now = max(server.now, MIDNIGHT + end * HOUR + SECOND)
        await server.deliver(hours(begin, end))
        await server.sweep()


async def applied(server: Whole, file: Path) -> Registry:
    """Apply a registry as the command does; return it."""
    async with server.pool.acquire() as conn:
        since = from_micros(EFFECTIVE)
        await apply_registry_file(conn, file, default_zone=ZONE, effective=since)
        return await load_registry(conn, server.now, ZONE)


async def comply(server: Whole) -> None:
    """Let the follower do what is due."""
    store = server.judge._store
    await Follower(store, server.metrics, ZONE, lambda: server.now + SETTLED).work()


async def settle(server: Whole) -> None:
    """End all that can."""
    server.now = MIDNIGHT + DAYS * DAY + HOUR
    await server.sweep()
    await server.sweep()
    await server.judge.finish()
    await comply(server)
    await comply(server)  # what is quiet is seen when all else is judged


async def finish(server: Whole) -> dict[str, list[Any]]:
    """End all that can; return what the API says, and the verdicts."""
    await settle(server)
    assert await server.audit(MIDNIGHT - DAY) == []
    found = of_event_time(await server.answers(EFFECTIVE))
    said = [
        row
        for table in ("current_compliance where over", "compliance_running")
        for row in await server.rows(f"select {_FIGURES} from {table}")  # noqa: S608 - our own
    ]
    # A forecast is of when it was made, and withdrawn by nothing but a later one.
    alerts = [one for one in found["alerts"] if one["kind"] == "limit"]
    return {**found, "alerts": alerts, "verdicts": [repr(row) for row in said]}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_all_is_as_if_it_had_been_applied_in_time(
    postgres_url: str, template: str, tmp_path: Path, change: str, *, stopped: bool
) -> None:
    """Blocks, verdicts and alerts after it are those of a server that had it then, no others."""
    file = written(tmp_path / "other.yaml", REGISTRY.replace(*CHANGES[change]))
    await as_if_in_time(postgres_url, template, file, stopped=stopped)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_a_member_that_is_selected_anew_counts_from_the_change_on(
    postgres_url: str, tmp_path: Path, *, stopped: bool
) -> None:
    """Where start-up counts a chain takes selected values: those of another analyser are new."""
    counting = REGISTRY.replace("basis: {o2: 6}", "basis: {o2: 6}, override: {counts: [start_up]}")
    registry = written(tmp_path / "registry.yaml", counting)
    file = written(tmp_path / "other.yaml", counting.replace(*CHANGES["auxiliary"]))
    async with prepared(postgres_url, registry, MIDNIGHT - 60 * DAY) as template:
        await as_if_in_time(postgres_url, template, file, stopped=stopped)


async def as_if_in_time(
    postgres_url: str, template: str, file: Path, *, stopped: bool, send: Send = send
) -> None:
    """A server that has ``file`` applied days later ends like one that had it in time."""
    async with (
        whole(postgres_url, template, MIDNIGHT) as server,
        whole(postgres_url, template, MIDNIGHT) as calm,
    ):
        await comply(server)
        await send(server, 0, 24 * DAYS)
        await comply(server)
        before = await server.rows(_BLOCKS)
        if stopped:
            await server.stop()
            await server.judge.finish()
            await applied(server, file)
            await server.begin()
            await comply(server)
        else:
            await server.judge.follow(await applied(server, file))
        found = await finish(server)

        await comply(calm)
        then = (EFFECTIVE - MIDNIGHT) // HOUR
        await send(calm, 0, then)
        calm.now = EFFECTIVE
        await calm.judge.follow(await applied(calm, file))
        await comply(calm)
        await send(calm, then, 24 * DAYS)
        expected = await finish(calm)

        assert_equal(found, expected)
        revised = [row for row in await server.rows(_BLOCKS) if row not in before and row[3] > 0]
        assert revised
        assert all(row[2] > from_micros(EFFECTIVE) for row in revised)


class Killed(Exception):  # noqa: N818 - no error: what ends the server
    """Ends whatever is done, as the end of the process would."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", ["save_alerts", "save_blocks", "note_registry"])
async def test_killed_amid_it_the_end_is_the_same(
    postgres_url: str, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """While it judges again, and at the next start once more."""
    file = written(tmp_path / "other.yaml", REGISTRY.replace(*CHANGES["auxiliary"]))

    async def killed(*_: Any, **__: Any) -> None:
        raise Killed

    async with (
        whole(postgres_url, template, MIDNIGHT) as server,
        whole(postgres_url, template, MIDNIGHT) as calm,
    ):
        for one in (server, calm):
            await comply(one)
            await send(one, 0, 24 * DAYS)
        await calm.judge.follow(await applied(calm, file))
        expected = await finish(calm)

        known = await applied(server, file)
        with monkeypatch.context() as patched:
            patched.setattr(JudgingStore, point, killed)
            with pytest.raises(Killed):
                await server.judge.follow(known)
            await server.stop()
            with pytest.raises(Killed):
                await server.begin()
        await server.begin()
        assert_equal(await finish(server), expected)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("change", CHANGES)
async def test_what_would_differ_is_what_then_does(
    postgres_url: str, template: str, tmp_path: Path, change: str
) -> None:
    file = written(tmp_path / "other.yaml", REGISTRY.replace(*CHANGES[change]))
    async with whole(postgres_url, template, MIDNIGHT) as server:
        await comply(server)
        await send(server, 0, 24 * DAYS)
        await settle(server)
        end = server.now - 2 * MINUTE
        now = await stored(server, EFFECTIVE, end)
        found, _ = await foretold(server, file, EFFECTIVE, end)
        assert {one.kind for one in found} >= {"verdict"}
        await apply(server, file, EFFECTIVE)
        assert_as_foretold(await stored(server, EFFECTIVE, end), after(now, found))
        assert await server.audit(MIDNIGHT - DAY) == []


@pytest.mark.timeout(240)
async def test_what_rests_on_readings_that_were_dropped_stays_as_decided(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    """Blocks that begin before are not made anew; verdicts are made of those and of new ones."""
    file = written(tmp_path / "other.yaml", REGISTRY.replace(*CHANGES["calibration"]))
    kept = EFFECTIVE + 25 * HOUR
    async with whole(postgres_url, template, MIDNIGHT) as server:
        await comply(server)
        await send(server, 0, 24 * DAYS)
        await settle(server)
        moment = from_micros(kept)
        await server.pool.execute("update ams.installation set readings_from = $1", moment)
        await server.pool.execute("delete from ams.readings where time < $1", moment)
        await server.restart(forgetful=True)
        server.now += 2 * MINUTE  # the clock has its first say a minute after a start
        await server.sweep()
        end = server.now - 2 * MINUTE
        now = await stored(server, EFFECTIVE, end)
        found, _ = await foretold(server, file, EFFECTIVE, end)
        await apply(server, file, EFFECTIVE)
        then = await stored(server, EFFECTIVE, end)
        assert_as_foretold({"verdict": then["verdict"]}, {"verdict": after(now, found)["verdict"]})
        revised = [row for row in await server.rows(_BLOCKS) if row[3] > 0]
        assert revised
        assert min(row[1] for row in revised) >= moment
        assert await server.audit(MIDNIGHT - DAY) == []
