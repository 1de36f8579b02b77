"""Block means, judgements and alerts: never overwritten, and the same again changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from alerts.core.records import (
    DISAGREEMENT,
    FORECAST,
    Alert,
    BlockRows,
    Entry,
    JudgementRows,
)
from alerts.core.vocabulary import DAY, HOUR, MINUTE, Judgement
from storage.alerts import (
    has_alerts,
    read_alerts_since,
    read_unresolved,
    write_alerts,
    write_history,
)
from storage.batches import commit
from storage.blocks import write_changed, write_new
from storage.judging import read_series, read_unclosed, read_unjudged
from tests.storage.given import NOW, SO2, Message, batch

if TYPE_CHECKING:
    import asyncpg

WINDOW = 20 * MINUTE
START = NOW // WINDOW * WINDOW


def block(mean: float, samples: int, *, start: int = START, channel: int = SO2) -> BlockRows:
    return BlockRows(
        channel=np.array([channel], np.int32),
        window=np.array([WINDOW]),
        start=np.array([start]),
        finish=np.array([start + WINDOW]),
        mean=np.array([mean]),
        total=np.array([mean * samples if samples else 0.0]),
        samples=np.array([samples], np.int32),
        count=np.array([samples], np.int32),
        expected=np.array([20], np.int32),
    )


def judgement(rows: BlockRows, state: Judgement, *, limit: int = 1) -> JudgementRows:
    return JudgementRows(
        limit=np.array([limit], np.int32),
        version=np.array([1], np.int32),
        start=rows.start,
        finish=rows.finish,
        mean=rows.mean,
        count=rows.count,
        expected=rows.expected,
        state=np.array([state], np.int16),
    )


async def stored(db: asyncpg.Connection) -> list[tuple[float | None, int, int]]:
    rows = await db.fetch("select mean, samples, revision from blocks order by start, revision")
    return [(row["mean"], row["samples"], row["revision"]) for row in rows]


async def test_the_same_block_again_changes_nothing(db: asyncpg.Connection) -> None:
    rows = block(412.5, 20)
    verdict = judgement(rows, Judgement.COMPLIANT)
    await write_new(db, rows, verdict)
    await write_changed(db, rows, verdict)
    await write_new(db, rows, verdict)  # a pass whose answer was lost
    assert await stored(db) == [(412.5, 20, 0)]
    assert await db.fetchval("select count(*) from judgements") == 1


async def test_a_changed_block_is_a_revision_beside_the_old(db: asyncpg.Connection) -> None:
    await write_new(db, block(412.5, 20), judgement(block(412.5, 20), Judgement.COMPLIANT))
    late = block(801.0, 20)
    await write_changed(db, late, judgement(late, Judgement.EXCEEDED))
    assert await stored(db) == [(412.5, 20, 0), (801.0, 20, 1)]
    assert await db.fetchval("select mean from current_blocks") == 801.0
    states = await db.fetch("select judgement_name(state) as state from current_judgements")
    assert [row["state"] for row in states] == ["exceeded"]


async def test_a_block_without_readings_is_kept_only_where_it_had_some(
    db: asyncpg.Connection,
) -> None:
    empty = block(float("nan"), 0)
    await write_changed(db, empty, judgement(empty, Judgement.NOT_ASSESSABLE))
    assert await stored(db) == []
    await write_changed(db, block(5.0, 20), judgement(block(5.0, 20), Judgement.COMPLIANT))
    await write_changed(db, empty, judgement(empty, Judgement.NOT_ASSESSABLE))
    assert await stored(db) == [(5.0, 20, 0), (None, 0, 1)]


async def test_what_is_not_judged_yet(db: asyncpg.Connection) -> None:
    await commit(db, batch(1, Message([(SO2, START, 1.0)])))
    late = Message([(SO2, START - HOUR, 2.0)], fresh=False)
    await commit(db, batch(2, late, Message([(SO2, START + MINUTE, 3.0)])))
    (row,) = await read_unjudged(db, 1)
    assert (row["channel"], row["first"], row["last"]) == (SO2, START - HOUR, START + MINUTE)
    assert row["late"] == 1
    assert len(await read_unjudged(db, 2)) == 0


async def test_channels_with_readings_beyond_their_last_block(db: asyncpg.Connection) -> None:
    channels, newest = np.array([SO2], np.int32), np.array([START + WINDOW + MINUTE])
    first = int(newest[0]) - 27 * HOUR  # in its first block, however far that was judged
    assert await read_unclosed(db, channels, newest) == [(SO2, first)]
    await write_new(db, block(1.0, 20), judgement(block(1.0, 20), Judgement.COMPLIANT))
    assert await read_unclosed(db, channels, newest) == [(SO2, START + WINDOW)]
    assert await read_unclosed(db, channels, np.array([START + MINUTE])) == []


async def test_a_channel_whose_day_is_not_closed(db: asyncpg.Connection) -> None:
    """Its last 20 minutes are: a server that starts days later still has the day to judge."""
    channels, newest = np.array([SO2], np.int32), np.array([START + MINUTE])
    await db.execute(
        "insert into channels (id, enterprise, source, channel) overriding system value"
        " values ($1, 'gres1', 'stack-1', 'so2')",
        SO2,
    )
    await db.execute(
        "insert into limits (permit, channel, average, window_us)"
        " values ('A', $1, '1d', $2), ('A', $1, '20min', $3)",
        SO2,
        DAY,
        WINDOW,
    )
    of_20_min = block(1.0, 20)
    await write_new(db, of_20_min, judgement(of_20_min, Judgement.COMPLIANT))
    assert await read_unclosed(db, channels, newest) == [(SO2, START + WINDOW)]
    of_day = replace(of_20_min, window=np.array([DAY]), finish=np.array([START + 9 * HOUR]))
    await write_new(db, of_day, judgement(of_day, Judgement.COMPLIANT, limit=2))
    assert await read_unclosed(db, channels, newest) == []


async def test_a_series_is_what_the_batches_so_far_said(db: asyncpg.Connection) -> None:
    """A revision that a later batch brought is not there yet for the one that is being judged."""
    await commit(db, batch(1, Message([(SO2, START, 1.0), (SO2, START + MINUTE, 2.0, 1)])))
    await commit(db, batch(2, Message([(SO2, START, 9.0)], fresh=False)))
    before = await read_series(db, [SO2], START, START + HOUR, 1)
    after = await read_series(db, [SO2], START, START + HOUR, 2)
    assert before["value"].tolist() == [1.0, 2.0]
    assert before["valid"].tolist() == [1, 0]
    assert after["value"].tolist() == [9.0, 2.0]


async def test_alerts_come_back_as_they_were_written(db: asyncpg.Connection) -> None:
    await db.execute(
        "insert into channels (id, enterprise, source, channel) overriding system value"
        " values ($1, 'gres1', 'stack-1', 'so2')",
        SO2,
    )
    await db.execute(
        "insert into limits (id, permit, channel, average, window_us) overriding system value"
        " values (1, 'KZ1', $1, '20min', $2)",
        SO2,
        WINDOW,
    )
    open_ = Alert(
        uuid4(), 1, 1, "open", "warning", "exceedance", START, None, 801.5, START + MINUTE, 640.0,
        START + 5 * MINUTE, silent_since=START + 9 * MINUTE, late=True,
    )  # fmt: skip
    over = replace(
        open_, id=uuid4(), state="withdrawn", silent_since=None, replaced_by=open_.id,
        opened_at=START - HOUR,
    )  # fmt: skip
    await write_alerts(db, [over, open_])
    assert await has_alerts(db, [open_, over])
    assert not await has_alerts(db, [replace(open_, peak=802.0)])
    assert await read_unresolved(db) == [open_]
    assert await read_alerts_since(db, [1], START) == [open_]

    # The engine reads its own alone, whichever others there are of its limit or channel.
    forecast = replace(open_, id=uuid4(), kind=FORECAST)
    differs = replace(
        open_, id=uuid4(), limit=0, version=0, kind=DISAGREEMENT, channel=SO2, average="20min"
    )
    await write_alerts(db, [forecast, differs])
    assert await has_alerts(db, [open_, forecast, differs])
    assert await read_unresolved(db) == [open_]
    assert await read_alerts_since(db, [1], START) == [open_]
    assert await read_unresolved(db, DISAGREEMENT) == [differs]
    assert await read_alerts_since(db, [1], START, FORECAST) == [forecast]

    await db.execute("update alerts set acknowledged = $1", {"by": "an inspector"})
    await write_alerts(db, [replace(open_, value=1.0)])
    assert await db.fetchval("select acknowledged from alerts where id = $1", open_.id) == {
        "by": "an inspector"
    }

    entry = Entry(open_.id, START, "opened", "open", "warning", 640.0, {"count": 14})
    await write_history(db, [entry])
    row = await db.fetchrow("select change, evidence from alert_history")
    assert (row["change"], row["evidence"]) == ("opened", {"count": 14})
