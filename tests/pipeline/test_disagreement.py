"""Reported means compared with ours: whatever comes first, and wherever the server was killed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from alerts.core.records import BlockRows, JudgementRows
from alerts.core.vocabulary import MINUTE, Status
from ingest.disagreement import Disagreements
from ingest.judging import JudgingStore
from ingest.metrics import Metrics
from ingest.patience import Patience
from storage.reported import Mean, Reports, store_reports
from storage.watch import count_others
from tests.console.world import World, plant
from tests.core.test_agreement import oracle
from tests.storage.given import NOW

if TYPE_CHECKING:
    import asyncpg

WINDOW = 20 * MINUTE
START = NOW // WINDOW * WINDOW - 100 * WINDOW
OURS = 100.0  # 5 % of it is 5; its channel's range asks for 2.5 at least
NOTHING = JudgementRows.joined([])


def blocks(place: int, mean: float, *, count: int = 20) -> BlockRows:
    start = START + place * WINDOW
    return BlockRows(
        channel=np.array([1], np.int32),
        window=np.array([WINDOW]),
        start=np.array([start]),
        finish=np.array([start + WINDOW]),
        mean=np.array([mean]),
        total=np.array([mean * count]),
        samples=np.array([count], np.int32),
        count=np.array([count], np.int32),
        expected=np.array([20], np.int32),
    )


@dataclass
class Compared:
    """A server's comparison on a database: what is reported and written is put in by hand."""

    pool: asyncpg.Pool
    number: int = 0
    store: JudgingStore = field(init=False)
    comparing: Disagreements = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin as a server does that knows nothing but its database."""
        patience = Patience(Metrics(CollectorRegistry(), version="test"))
        recipients = [{"id": "committee", "enterprises": ["*"]}]
        self.store = JudgingStore(self.pool, patience, "urn:uuid:0", recipients)
        self.comparing = Disagreements(self.store)
        self.store.on_blocks = self.comparing.blocks_written

    async def restart(self) -> None:
        self.start()
        await self.comparing._restore()

    async def reports(self, place: int, value: float | None, status: int = 0) -> None:
        self.number += 1
        start = START + place * WINDOW
        mean = Mean(0, 1, WINDOW, start, start + WINDOW, value, status)
        head = (1, "b1", self.number)
        reports = Reports(self.number, NOW + self.number, [head], [1], [False], [mean])
        async with self.pool.acquire() as conn:
            self.comparing.reported((await store_reports(conn, reports)).channels)

    async def writes(self, place: int, mean: float, *, count: int = 20, late: bool) -> None:
        await self.store.save_blocks(blocks(place, mean, count=count), NOTHING, None, compare=late)

    async def alerts(self) -> list[tuple[int, int | None, float, int, float]]:
        """What is not withdrawn, as the oracle says it, by places of blocks."""
        await self.comparing.finish()
        assert await self.pool.fetchval("select count(*) from alerts where kind = 'limit'") == 0
        rows = await self.pool.fetch(
            "select (extract(epoch from opened_at) * 1000000)::int8 as opened,"
            " (extract(epoch from resolved_at) * 1000000)::int8 as resolved, peak,"
            " (extract(epoch from peak_at) * 1000000)::int8 as peak_at, value"
            " from alerts where state <> 'withdrawn' order by opened_at"
        )
        return [
            (
                place_of(row["opened"]),
                None if row["resolved"] is None else place_of(row["resolved"]),
                row["peak"],
                place_of(row["peak_at"]),
                row["value"],
            )
            for row in rows
        ]


def place_of(finish: int) -> int:
    place, rest = divmod(finish - WINDOW - START, WINDOW)
    assert not rest
    return int(place)


@pytest_asyncio.fixture
async def compared(pool: asyncpg.Pool) -> Compared:
    async with pool.acquire() as conn:
        await plant(World(conn))
    return Compared(pool)


@pytest.mark.parametrize("seed", range(24))
async def test_the_order_in_which_they_come_decides_nothing(compared: Compared, seed: int) -> None:
    """Also with restarts, revisions of both, and means that cannot be compared in between."""
    dice = random.Random(seed)
    places = range(12)
    final = {p: OURS + dice.choice((0.0, 0.0, 4.0, 6.0, -7.0)) for p in places}
    ours = {p: dice.choice((OURS, OURS, OURS + 5)) for p in places}
    lacking = {p for p in places if dice.random() < 0.2}
    acts = [("report", p) for p in places] + [("write", p) for p in places]
    acts += [("report again", p) for p in places if dice.random() < 0.3]
    acts += [("write again", p) for p in places if dice.random() < 0.3]
    if seed % 3:
        dice.shuffle(acts)
    else:
        acts.sort(key=lambda act: act[1])
    latest = {act: place for place, act in enumerate(acts)}
    for place, (act, p) in enumerate(acts):
        what = act.split()[0]
        last = max(latest.get((what, p), 0), latest.get((f"{what} again", p), 0)) == place
        if what == "report":
            await compared.reports(p, final[p] if last else OURS + dice.choice((0.0, 8.0)))
        else:
            written = any(acts[n] in {("write", p), ("write again", p)} for n in range(place))
            count = 13 if p in lacking else 20
            mean = ours[p] if last else OURS + dice.choice((0.0, 20.0))
            await compared.writes(p, mean, count=count, late=written or bool(seed % 2))
        if dice.random() < 0.6:
            await compared.comparing.finish()
        elif dice.random() < 0.2:
            await compared.restart()
    rows = [
        (p, abs(final[p] - ours[p]), abs(final[p] - ours[p]) > 0.05 * ours[p])
        for p in places
        if p not in lacking
    ]
    at = [p for p, _, _ in rows]
    assert await compared.alerts() == [
        (at[opened], None if resolved is None else at[resolved], peak, at[when], value)
        for opened, resolved, peak, when, value in oracle([(d, bad) for _, d, bad in rows])
    ]
    waiting = await compared.pool.fetchval("select count(*) from reported_due")
    assert waiting == 0


async def test_an_alert_goes_on_over_what_cannot_be_compared(compared: Compared) -> None:
    for place in range(5):
        await compared.writes(place, OURS, count=13 if place == 2 else 20, late=False)
    await compared.reports(0, 120.0)
    await compared.reports(1, None, Status.MALFUNCTION)
    await compared.reports(2, 100.0)
    await compared.reports(3, 130.0)
    assert await compared.alerts() == [(0, None, 30.0, 3, 30.0)]
    assert await count_others(compared.pool) == {("open", "warning"): 1}
    await compared.reports(4, 105.0)  # 5 % and no more
    assert await compared.alerts() == [(0, 4, 30.0, 3, 5.0)]
    assert await count_others(compared.pool) == {}
    history = await compared.pool.fetch("select change, evidence from alert_history order by id")
    assert [row["change"] for row in history] == ["opened", "resolved"]
    assert history[1]["evidence"]["reported"] == 105.0
    kinds = await compared.pool.fetch("select type from notices order by number")
    assert [row["type"].rpartition(".")[2] for row in kinds] == ["opened", "resolved"]


async def test_a_backlog_that_disagrees_before_what_agreed_is_resolved_there(
    compared: Compared,
) -> None:
    for place in (1, 2):
        await compared.writes(place, OURS, late=False)
        await compared.reports(place, OURS)
    assert await compared.alerts() == []
    await compared.writes(0, OURS, late=True)
    await compared.reports(0, 130.0)
    assert await compared.alerts() == [(0, 1, 30.0, 0, 0.0)]
    await compared.reports(1, 120.0)  # and revised it goes on for a block more
    assert await compared.alerts() == [(0, 2, 30.0, 0, 0.0)]


async def test_what_waits_for_a_block_of_ours_is_kept_through_restarts(compared: Compared) -> None:
    await compared.reports(0, 150.0)
    assert await compared.alerts() == []
    await compared.restart()
    await compared.writes(0, OURS, late=False)
    assert await compared.alerts() == [(0, None, 50.0, 0, 50.0)]


async def test_an_alert_and_what_is_due_change_together_or_not_at_all(
    compared: Compared, pool: asyncpg.Pool
) -> None:
    await compared.reports(0, 150.0)
    await compared.writes(0, OURS, late=False)
    await pool.execute("alter table notices add constraint no check (false)")
    with pytest.raises(Exception, match="violates check constraint"):
        await compared.comparing.finish()
    counts = "select (select count(*) from alerts), (select count(*) from reported_due)"
    assert tuple(await pool.fetchrow(counts)) == (0, 1)
    await pool.execute("alter table notices drop constraint no")
    await compared.restart()
    assert len(await compared.alerts()) == 1


async def test_the_registry_says_since_when_how_much_is_tolerated(
    compared: Compared, pool: asyncpg.Pool
) -> None:
    """A version holds for blocks that end after its effective."""
    await pool.execute(
        "insert into channel_versions (channel, version, effective, parameter, uom, period_us,"
        " agreement) select 1, max(id), to_timestamp($1::float8), '0330', 'mg/m3', 60000000, 0.2"
        " from registry_versions",
        (START + 2 * WINDOW) / 1e6,
    )
    for place in range(3):
        await compared.writes(place, OURS, late=False)
        await compared.reports(place, 110.0)
    assert await compared.alerts() == [(0, 2, 10.0, 0, 10.0)]
