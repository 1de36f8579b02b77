"""What judging takes of a batch, and what it stores: alerts with their notices, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from alerts.core.records import Alert
from alerts.core.vocabulary import Flag
from alerts.journal import Journal
from ingest.judging import JudgingStore, readings_of
from ingest.metrics import Metrics
from ingest.patience import Patience
from storage.batches import commit
from tests.storage.given import MINUTE, NOW, NOX, SO2, Message, batch, late

if TYPE_CHECKING:
    from typing import Any

T = NOW - 5 * MINUTE


async def test_what_is_judged_is_what_was_stored_or_revised_at_its_own_time(
    db: asyncpg.Connection,
) -> None:
    await commit(db, batch(1, Message([(SO2, T, 1.0), (NOX, T, 1.0)])))
    received = batch(
        2,
        late((SO2, T, 1.0), (NOX, T, 2.0)),  # a duplicate, a revision
        Message([(SO2, T + MINUTE, 3.0), (NOX, T + MINUTE, 4.0, 1), (SO2, T + 2 * MINUTE, 9.0)]),
    )
    received.readings.flags[-1] |= Flag.RANGE
    judged = readings_of(received, await commit(db, received))
    rows = (judged.channel, judged.time, judged.value, judged.valid, judged.fresh)
    assert list(zip(*(column.tolist() for column in rows), strict=True)) == [
        (NOX, T, 2.0, True, False),
        (SO2, T + MINUTE, 3.0, True, True),
        (NOX, T + MINUTE, 4.0, False, True),
        (SO2, T + 2 * MINUTE, 9.0, False, True),
    ]


@pytest_asyncio.fixture
async def store(pool: asyncpg.Pool) -> JudgingStore:
    """A store with two recipients, of a database with one limit."""
    await pool.execute(
        "insert into channels (id, enterprise, source, channel) overriding system value"
        " values (1, 'gres1', 'stack-1', 'so2')"
    )
    await pool.execute(
        "insert into limits (id, permit, channel, average, window_us) overriding system value"
        " values (1, 'KZ1', 1, '20min', 1200000000)"
    )
    recipients: list[dict[str, Any]] = [
        {"id": "committee", "enterprises": ["*"]},
        {"id": "inspector", "enterprises": ["gres1"]},
    ]
    patience = Patience(Metrics(CollectorRegistry(), version="test"))
    return JudgingStore(pool, patience, "urn:uuid:0", recipients)


def opening() -> Journal:
    """A pass that opens an alert."""
    alert = Alert(uuid4(), 1, 1, "open", "warning", "warning", T, None, 641.0, T, 641.0, T)
    journal = Journal()
    journal.put(None, alert)
    journal.note(alert, "opened", 641.0, {"count": 14})
    return journal


async def rows(pool: asyncpg.Pool) -> list[int]:
    """How many alerts, entries of their history and notices are stored."""
    tables = ("alerts", "alert_history", "notices")
    return [await pool.fetchval(f"select count(*) from {table}") for table in tables]  # noqa: S608


async def test_an_alert_and_its_notices_are_stored_together_or_not_at_all(
    store: JudgingStore, pool: asyncpg.Pool
) -> None:
    journal = opening()
    await pool.execute("alter table notices add constraint no check (recipient <> 'inspector')")
    with pytest.raises(asyncpg.CheckViolationError):
        await store.save_alerts(journal, 1)
    assert await rows(pool) == [0, 0, 0]
    await pool.execute("alter table notices drop constraint no")
    await store.save_alerts(journal, 1)
    assert await rows(pool) == [1, 1, 2]


async def test_a_commit_whose_answer_was_lost_tells_nobody_twice(
    store: JudgingStore, pool: asyncpg.Pool
) -> None:
    journal = opening()
    await store.save_alerts(journal, 1)
    told = await pool.fetch("select id, recipient from notices order by number")
    await store.save_alerts(journal, 1)
    assert await rows(pool) == [1, 1, 2]
    assert await pool.fetch("select id, recipient from notices order by number") == told
