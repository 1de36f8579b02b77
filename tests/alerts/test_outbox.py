"""The outbox in SQL: what waits, when it is due, and at what cost that is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from storage import notices
from storage.notices import (
    count_waiting,
    expire,
    insert_notices,
    record_attempt,
    waiting_heads,
)
from storage.times import from_micros
from tests.alerts.outbox import DAY, SECOND, make_alert, notice, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

DELAYS = (1.0, 2.0, 4.0)


async def test_the_first_waiting_notice_of_each_alert_is_given_oldest_first(
    db: asyncpg.Connection,
) -> None:
    alerts = [await make_alert(db) for _ in range(3)]
    made = [notice(alert) for _ in range(2) for alert in alerts]
    await insert_notices(db, [*made, notice(alerts[0], "another")])
    heads, later = await waiting_heads(db, "committee", 10, now(), DELAYS)
    assert [(h.id, h.alert, h.attempts, h.body) for h in heads] == [
        (n.id, n.alert, 0, n.body) for n in made[:3]
    ]
    assert later is None
    heads, _ = await waiting_heads(db, "committee", 2, now(), DELAYS)
    assert [h.id for h in heads] == [n.id for n in made[:2]]


async def test_what_is_delivered_makes_room_for_the_alerts_next(db: asyncpg.Connection) -> None:
    alert = await make_alert(db)
    first, second = notice(alert), notice(alert)
    await insert_notices(db, [first, second])
    [head], _ = await waiting_heads(db, "committee", 10, now(), DELAYS)
    await record_attempt(db, head.number, now(), "HTTP 200", delivered=True)
    [head], _ = await waiting_heads(db, "committee", 10, now(), DELAYS)
    assert head.id == second.id
    assert await count_waiting(db) == 1


@pytest.mark.parametrize(("failures", "delay"), [(1, 1), (2, 2), (3, 4), (4, 4), (1000, 4)])
async def test_a_failed_notice_is_due_after_its_delay_less_up_to_a_half(
    db: asyncpg.Connection, failures: int, delay: float
) -> None:
    await insert_notices(db, [notice(await make_alert(db)) for _ in range(40)])
    at = now()
    heads, _ = await waiting_heads(db, "committee", 100, at, DELAYS)
    await db.execute("update notices set attempts = $1", failures - 1)
    for head in heads:
        await record_attempt(db, head.number, at, "HTTP 500", delivered=False)

    async def due_after(seconds: float) -> int:
        found, _ = await waiting_heads(db, "committee", 100, at + round(seconds * SECOND), DELAYS)
        return len(found)

    assert await due_after(delay / 2 - 0.001) == 0
    assert 0 < await due_after(delay * 0.75) < 40  # they do not all come back at once
    assert await due_after(delay) == 40
    _, first = await waiting_heads(db, "committee", 100, at, DELAYS)
    assert first is not None
    assert delay / 2 <= (first - at) / SECOND <= delay


async def test_expiry_takes_what_is_too_old_and_keeps_its_last_outcome(
    db: asyncpg.Connection,
) -> None:
    alert = await make_alert(db)
    old, failed, young = notice(alert, age=8 * DAY), notice(alert, age=8 * DAY), notice(alert)
    await insert_notices(db, [old, failed, young])
    [head], _ = await waiting_heads(db, "committee", 10, now(), DELAYS)
    assert head.id == old.id
    await record_attempt(db, head.number + 1, now(), "HTTP 500", delivered=False)
    assert await expire(db, now() - 7 * DAY) == 2
    outcomes = await db.fetch("select id, state, last_outcome from notices order by number")
    assert [tuple(o) for o in outcomes] == [
        (old.id, "expired", "never attempted"),
        (failed.id, "expired", "HTTP 500"),
        (young.id, "waiting", None),
    ]
    assert await expire(db, now() - 7 * DAY) == 0


async def test_an_answer_that_comes_after_expiry_still_counts_when_it_is_a_yes(
    db: asyncpg.Connection,
) -> None:
    await insert_notices(db, [notice(await make_alert(db), age=8 * DAY)])
    [head], _ = await waiting_heads(db, "committee", 10, now(), DELAYS)
    await expire(db, now())
    await record_attempt(db, head.number, now(), "HTTP 500", delivered=False)
    assert await db.fetchval("select state from notices") == "expired"
    await record_attempt(db, head.number, now(), "HTTP 200", delivered=True)
    assert await db.fetchval("select state from notices") == "delivered"


async def test_years_of_delivered_notices_are_not_read_to_find_the_waiting(
    db: asyncpg.Connection,
) -> None:
    alert = await make_alert(db)
    await db.execute(
        """insert into notices (id, alert, recipient, type, body, state, created_at)
           select gen_random_uuid(), $1, 'committee', 't', '', 'delivered',
                  now() - i * interval '1 minute'
           from generate_series(1, 50000) i""",
        alert,
    )
    await insert_notices(db, [notice(alert) for _ in range(5)])
    await db.execute("analyze notices")
    statements: list[tuple[str, list[Any]]] = [
        (notices._HEADS, ["committee", instant_now(), list(DELAYS), 10]),
        (notices._LATER, ["committee", instant_now(), list(DELAYS)]),
        (notices._EXPIRE, [instant_now()]),
        ("select count(*) from notices where state = 'waiting'", []),
    ]
    for sql, arguments in statements:
        plan = json.loads(await db.fetchval(f"explain (format json) {sql}", *arguments))
        scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "notices"]
        read = [n["Node Type"] for n in scans if "Index" not in n["Node Type"]]
        assert set(read) <= {"ModifyTable"}, read
        assert any("Index Name" in n for n in scans)


def instant_now() -> Any:
    return from_micros(now())


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def test_a_page_is_read_without_reading_all_that_waits(db: asyncpg.Connection) -> None:
    alerts = [await make_alert(db) for _ in range(1000)]
    await db.execute(
        """insert into notices (id, alert, recipient, type, body)
           select gen_random_uuid(), a, 'committee', 't', ''
           from generate_series(1, 30), unnest($1::uuid[]) a""",
        alerts,
    )
    await db.execute("analyze notices")
    plan = json.loads(
        await db.fetchval(
            f"explain (analyze, buffers, format json) {notices._HEADS}",
            "committee",
            instant_now(),
            list(DELAYS),
            100,
        )
    )
    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "notices"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) == 100
