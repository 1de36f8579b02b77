"""Through the whole server: what was judged is judged again without it, and again with it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from alerts.core.vocabulary import DAY, MINUTE, SECOND, Status
from alerts.track import iso
from storage import invalidating
from storage.followers import roll_up
from storage.invalidations import (
    Request,
    count_effects,
    read_progress,
    request,
    request_restore,
)
from storage.queries.blocks import BEFORE_ALL
from storage.queries.extents import Calendar
from storage.queries.judgements import judgements
from storage.queries.known import what_was_known
from storage.queries.ledger import BEFORE_ALL as LEDGER_BEGIN
from storage.queries.ledger import ledger
from storage.queries.page import Part, Span
from storage.queries.scope import Scope
from storage.queries.session import Sessions
from storage.times import from_micros
from tests.pipeline.whole import ZONE, Whole, assert_equal, of_event_time, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

START = 1_748_736_000_000_000  # 2025-06-01T00:00:00Z
HOURS = 3 * 60  # minutes that are measured
HIGH = range(60, 100)  # minutes over the limit
REGISTRY = """
enterprises:
  - id: gres1
    name: {en: GRES-1, ru: ГРЭС-1, kk: ГРЭС-1}
    sources:
      - id: stack-1
        number: "0001"
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s}
          - {id: nox, parameter: "0301", unit: mg/m3, range: [-5, 5000], period: 60s}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, nox: stack-1/nox}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2025-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 100, unit: mg/m3, average: 20min}
      - {source: stack-1, channel: so2, value: 90,  unit: mg/m3, average: 1h}
"""


@pytest_asyncio.fixture
async def server(postgres_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    """A server with two limits and a recipient, whose clock is that of what it is sent."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, START - 60 * DAY) as template,
        whole(postgres_url, template, START) as made,
    ):
        tell(made)
        yield made


def tell(server: Whole) -> None:
    server.judge._store.recipients = [{"id": "committee", "enterprises": ["*"]}]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidating, "MOST_READINGS", 7)


def message(seq: int, values: dict[int, float], key: str = "so2") -> bytes:
    """A message of the minutes after START."""
    samples = [
        {"time": iso(START + minute * MINUTE), "values": {key: value}}
        for minute, value in values.items()
    ]
    return json.dumps({"boot": "b1", "seq": seq, "samples": samples}).encode()


def measured() -> dict[int, float]:
    return {minute: 150.0 if minute in HIGH else 50.0 for minute in range(HOURS)}


async def measure(server: Whole) -> None:
    """Send three hours, of which 40 minutes are over both limits."""
    values = measured()
    for seq in range(HOURS // 20):
        some = {minute: values[minute] for minute in range(20 * seq, 20 * seq + 20)}
        server.now = START + (20 * seq + 20) * MINUTE + SECOND
        await server.deliver(message(seq, some))
    server.now += 2 * MINUTE
    await server.sweep()
    await server.judge.engine.flush()


async def ask(server: Whole, first: int, last: int) -> int:
    bounds = from_micros(START + first * MINUTE), from_micros(START + last * MINUTE)
    asked = Request(["gres1/stack-1/so2"], *bounds, Status.MALFUNCTION, "check failed", "shift 2")
    async with server.pool.acquire() as conn:
        (number,) = await request(conn, asked)
        return number


async def back(server: Whole, number: int) -> None:
    async with server.pool.acquire() as conn:
        await request_restore(conn, number, "shift 3", "the check gas was wrong")


async def settled(server: Whole, number: int) -> int:
    """Have the server do what was asked and judge it; return how many readings were revised."""
    server.pipeline.revise()
    async with asyncio.timeout(30):
        while True:
            await server.judge._in_turn(server.judge.engine.flush)
            async with server.pool.acquire() as conn:
                (state,) = await read_progress(conn, [number])
            if state.settled:
                return state.readings
            if server.task.done():
                server.task.result()
            await asyncio.sleep(0.01)


async def states(server: Whole, known_at: datetime | None = None) -> list[str]:
    """The judgements of 20 minutes, a letter each: c(ompliant), e(xceeded), n(ot assessable)."""
    async with Sessions(server.pool).reading() as conn:
        page = await judgements(
            conn,
            None,
            20 * MINUTE,
            Span(),
            Part(BEFORE_ALL, 1000),
            Calendar(from_micros(server.now), ZONE),
            await what_was_known(conn, known_at),
        )
    return [item["state"][0] for item in page.items]


async def alerts(server: Whole) -> list[tuple[Any, ...]]:
    """Window, state and severity of each alert."""
    return await server.rows(
        'select l.average, a.state, a.worst from alerts a join limits l on l.id = a."limit"'
        " order by a.created_at, l.average"
    )


async def notices(server: Whole) -> list[str]:
    rows = await server.rows("select type from notices order by number")
    return [row[0].removeprefix("kz.ams.alert.") for row in rows]


async def books(server: Whole) -> list[dict[str, Any]]:
    """The ledger, which balances."""
    async with server.pool.acquire() as conn:
        await roll_up(conn)
        page = await ledger(conn, Scope(), Span(), Part(LEDGER_BEGIN))
    for item in page.items:
        counts = item["readings"]
        parts = ("stored", "duplicate", "revised", "quarantined")
        assert counts["received"] == sum(counts[one] for one in parts)
    return page.items


async def test_an_exceedance_that_was_none_and_was_one_after_all(server: Whole) -> None:
    await measure(server)
    before, ledger_before = await server.answers(START), await books(server)
    assert await states(server) == list("ccceecccc")
    first = await alerts(server)
    assert {(average, worst) for average, _, worst in first} == {
        ("20min", "exceedance"),
        ("1h", "exceedance"),
    }
    told = await notices(server)
    published = await server.pool.fetchval("select clock_timestamp()")

    number = await ask(server, 55, 105)
    assert await settled(server, number) == 50
    assert {state for _, state, _ in await alerts(server)} == {"withdrawn"}
    assert (await notices(server))[len(told) :].count("withdrawn") == len(first)
    # Of the four blocks 15 minutes are left, none, none and 15.
    assert await states(server) == list("cccnncccc")
    assert await states(server, published) == list("ccceecccc")
    async with server.pool.acquire() as conn:
        blocks, changed = await count_effects(conn, [number])
    assert blocks >= 4 + 2  # of 20 min and of 1 h
    assert changed == len(first)
    assert await books(server) == ledger_before
    assert await server.audit(START - DAY) == []

    await back(server, number)
    assert await settled(server, number) == 50
    assert_equal(of_event_time(await server.answers(START)), of_event_time(before))
    assert await books(server) == ledger_before
    assert await server.audit(START - DAY) == []
    readings = (await server.answers(START))["readings"]
    assert {item["revision"] for item in readings} == {0, 2}


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("restoring", [False, True])
@pytest.mark.parametrize("forgetful", [False, True])
async def test_killed_amid_a_span_the_next_start_goes_on(
    server: Whole, *, restoring: bool, forgetful: bool
) -> None:
    """What was committed and not judged is judged, what is left of the span is done, once."""
    await measure(server)
    before = of_event_time(await server.answers(START))
    number = await ask(server, 55, 105)
    if restoring:
        await settled(server, number)
        await back(server, number)
    server.deaf = True
    pieces = 3
    judged = len(server.judged)
    server.pipeline.revise()
    await server.until(lambda: len(server.judged) >= judged + pieces)
    server.pipeline.stop()
    await server.task
    async with server.pool.acquire() as conn:
        (state,) = await read_progress(conn, [number])
    done = state.readings
    await server.restart(killed=True, forgetful=forgetful)
    assert await settled(server, number) == 50
    assert done >= pieces * 7
    revisions = await server.rows(
        "select revision, count(*)::int from revisions group by 1 order by 1"
    )
    assert revisions == ([(1, 50), (2, 50)] if restoring else [(1, 50)])
    assert await server.audit(START - DAY) == []
    if restoring:
        assert_equal(of_event_time(await server.answers(START)), before)
    else:
        assert await states(server) == list("cccnncccc")


@pytest.mark.usefixtures("small_pieces")
async def test_readings_that_arrive_meanwhile_are_received_last(
    server: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrections of the span that come between its pieces are kept as they came."""
    monkeypatch.setattr("ingest.pipeline.REVISING", 0.0)  # a piece and a delivery in turn
    await measure(server)
    number = await ask(server, 0, HOURS)
    server.pipeline.revise()
    sent = [message(100 + n, dict.fromkeys(range(n, HOURS, 5), 60.0 + n)) for n in range(5)]
    for payload in sent:
        server.now += SECOND
        server.send(payload)
    judged = len(server.judged)
    await settled(server, number)
    await server.until(lambda: len(server.link.acknowledged) >= HOURS // 20 + 5)
    await server.until(lambda: len(server.judged) > judged)
    await settled(server, number)
    histories = await server.rows(
        "select time, array_agg(status::int order by revision), array_agg(value order by revision),"
        " array_agg(batch order by revision),"
        " array_agg(b.invalidation is not null order by revision)"
        " from all_readings r left join invalidation_batches b using (batch) group by time"
    )
    assert len(histories) == HOURS
    assert {invalid[-1] for *_, invalid in histories} == {True, False}
    for _, status, value, batch, invalid in histories:
        assert batch == sorted(batch)
        for place in range(1, len(status)):
            if invalid[place]:  # only what was valid, its value kept
                assert (status[place - 1], status[place]) == (0, 3)
                assert value[place] == value[place - 1]
            else:
                assert status[place] == 0
        if not invalid[-1]:
            assert value[-1] >= 60  # the unit's last word
    assert await server.audit(START - DAY) == []
    counts = (await books(server))[0]["readings"]
    assert counts == {
        "received": 2 * HOURS,
        "stored": HOURS,
        "duplicate": 0,
        "revised": HOURS,
        "quarantined": 0,
    }


async def test_what_was_asked_while_no_server_ran_is_done_at_the_start(server: Whole) -> None:
    await measure(server)
    await server.stop()
    await server.judge.finish()
    number = await ask(server, 55, 105)
    await server.begin()
    tell(server)
    assert await settled(server, number) == 50
    assert await states(server) == list("cccnncccc")
    assert await server.audit(START - DAY) == []


async def test_deliveries_have_their_turn_amid_a_large_span(
    server: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidating, "MOST_READINGS", 1)
    monkeypatch.setattr("ingest.pipeline.REVISING", 0.0)
    await measure(server)
    number = await ask(server, 0, HOURS)
    server.pipeline.revise()
    await server.deliver(message(100, {HOURS: 1.0}))
    async with server.pool.acquire() as conn:
        (state,) = await read_progress(conn, [number])
    assert state.readings < HOURS
    await settled(server, number)
    rows = await server.rows("select count(*)::int from current_readings where status = 0")
    assert rows == [(1,)]
