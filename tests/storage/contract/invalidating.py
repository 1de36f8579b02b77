"""Invalidations: what pieces revise, what a restore brings back, and what the books say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.core.vocabulary import Status
from storage import invalidating
from storage.batches import commit
from storage.followers import roll_up
from storage.invalidating import next_piece
from storage.invalidations import (
    NotAccepted,
    Request,
    count_affected,
    read_progress,
    request,
    request_restore,
)
from storage.times import from_micros
from tests.storage.given import DAY, MINUTE, NAN, NOW, batch, booked, late

if TYPE_CHECKING:
    import asyncpg

T = NOW - 60 * MINUTE
PATH = "gres1/stack-1/so2"


class Books:
    """A database with a channel; commits, pieces and requests, numbered in order."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self.db = db
        self.batch = 0
        self.now = NOW

    async def begin(self) -> Books:
        self.channel = await self.db.fetchval(
            "insert into channels (enterprise, source, channel) values ('gres1', 'stack-1', 'so2')"
            " returning id"
        )
        return self

    async def store(self, values: dict[int, float], status: int = 0) -> None:
        """Commit readings, by minute after T, of which none or some may be known."""
        self.batch += 1
        rows = [(self.channel, T + minute * MINUTE, *(v, status)) for minute, v in values.items()]
        await commit(self.db, batch(self.batch, late(*rows), at=self.now))

    async def ask(self, first: int, last: int, *, status: int = Status.MALFUNCTION) -> int:
        """Ask that minutes [first, last) after T be invalid."""
        asked = span(first, last, status=status)
        (number,) = await request(self.db, asked)
        return number

    async def work(self) -> list[int]:
        """Do all pieces; return how many readings each batch revised."""
        sizes = []
        while (done := await next_piece(self.db, self.batch + 1, self.now)) is not None:
            if done.batch is not None:
                self.batch += 1
                sizes.append(len(done.batch[1].readings))
        return sizes

    async def restore(self, number: int) -> None:
        await request_restore(self.db, number, "shift 3", "the check gas was wrong")

    async def current(self) -> list[tuple[float | None, str, int]]:
        """Value, status and revision of each minute."""
        rows = await self.db.fetch(
            "select value, status_name(status), revision from current_readings order by time"
        )
        return [tuple(row) for row in rows]

    async def statuses(self) -> str:
        """The first letter of each minute's status: v, m (malfunction, maintenance), c."""
        return "".join(status[0] for _, status, _ in await self.current())


def span(first: int, last: int, *, status: int = Status.MALFUNCTION, path: str = PATH) -> Request:
    bounds = from_micros(T + first * MINUTE), from_micros(T + last * MINUTE)
    return Request([path], *bounds, status, "zero check failed", "shift 2")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidating, "MOST_READINGS", 2)


async def test_valid_readings_of_the_span_get_a_revision_and_keep_their_value(
    db: asyncpg.Connection,
) -> None:
    books = await Books(db).begin()
    await books.store({0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0})
    await books.store({1: NAN}, Status.CALIBRATION)
    number = await books.ask(0, 3)
    assert await books.work() == [2]
    assert await books.current() == [
        (1.0, "malfunction", 1),
        (None, "calibration", 1),
        (3.0, "malfunction", 1),
        (4.0, "valid", 0),
    ]
    flags = await db.fetch("select flag_names(flags) from revisions where batch = 3")
    assert {tuple(row[0]) for row in flags} == {("late", "revised")}
    (state,) = await read_progress(db, [number])
    assert (state.state, state.share, state.readings) == ("done", 1.0, 2)
    assert not state.settled  # nothing has judged it yet


async def test_the_ledger_counts_no_delivery(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await books.store(dict.fromkeys(range(5), 1.0))
    before = await booked(db)
    number = await books.ask(0, 5)
    await books.work()
    await books.restore(number)
    assert await books.work() == [5]
    assert await booked(db) == before
    await roll_up(db)
    rows = await db.fetch("select readings_stored, readings_revised from ledger")
    assert [tuple(row) for row in rows] == [(5, 0)]


@pytest.mark.usefixtures("small_pieces")
async def test_a_large_span_is_done_in_pieces_and_asked_again_changes_nothing(
    db: asyncpg.Connection,
) -> None:
    books = await Books(db).begin()
    await books.store({minute: float(minute) for minute in range(7)})
    number = await books.ask(0, 7)
    done = await next_piece(db, 2, NOW)
    assert done is not None
    (state,) = await read_progress(db, [number])
    assert (state.state, state.readings) == ("waiting", 2)
    assert 0 < state.share < 1
    books.batch = 2
    assert await books.work() == [2, 2, 1]
    assert await books.statuses() == "mmmmmmm"
    await books.ask(0, 7)
    assert await books.work() == []


@pytest.mark.usefixtures("small_pieces")
async def test_a_piece_whose_answer_was_lost_is_said_again(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await books.store({minute: float(minute) for minute in range(3)})
    await books.ask(0, 3)
    first = await next_piece(db, 2, NOW)
    again = await next_piece(db, 2, NOW + DAY)
    assert first is not None
    assert again is not None
    assert first.batch is not None
    assert again.batch is not None
    for one, other in ((first.batch[0], again.batch[0]),):
        assert (one.batch, one.received_at) == (other.batch, other.received_at)
        for name in ("channel", "time", "value", "status"):
            assert getattr(one.readings, name).tolist() == getattr(other.readings, name).tolist()
    assert len(first.batch[1].readings) == 2
    assert await books.statuses() == "mmv"


async def test_what_the_unit_sends_afterwards_is_current(db: asyncpg.Connection) -> None:
    """The last received wins, also over a restore."""
    books = await Books(db).begin()
    await books.store({0: 1.0, 1: 2.0})
    number = await books.ask(0, 2)
    await books.work()
    await books.store({0: 5.0, 2: 3.0})
    assert await books.statuses() == "vmv"
    await books.restore(number)
    assert await books.work() == [1]
    assert await books.current() == [(5.0, "valid", 2), (2.0, "valid", 2), (3.0, "valid", 0)]
    older = await db.fetch("select status_name(status) from all_readings order by time, revision")
    assert [row[0][0] for row in older] == ["v", "m", "v", "v", "m", "v", "v"]


async def test_another_that_stands_goes_on_when_one_is_taken_back(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await books.store(dict.fromkeys(range(6), 1.0))
    first = await books.ask(0, 4)
    await books.work()
    second = await books.ask(2, 6, status=Status.CALIBRATION)
    await books.work()
    assert await books.statuses() == "mmmmcc"
    await books.restore(first)
    await books.work()
    assert await books.statuses() == "vvcccc"  # two of them pass to the other
    await books.restore(second)
    await books.work()
    assert await books.statuses() == "vvvvvv"
    assert {value for value, _, _ in await books.current()} == {1.0}


async def test_an_older_one_does_not_take_what_was_received_after_it(
    db: asyncpg.Connection,
) -> None:
    books = await Books(db).begin()
    await books.store({0: 1.0, 1: 1.0})
    await books.ask(0, 2)
    await books.work()
    await books.store({0: 2.0})  # stands over the first one
    second = await books.ask(0, 1)
    await books.work()
    assert await books.statuses() == "mm"
    await books.restore(second)
    await books.work()
    assert await books.current() == [(2.0, "valid", 4), (1.0, "malfunction", 1)]


@pytest.mark.usefixtures("small_pieces")
async def test_one_that_is_not_done_yet_can_be_taken_back(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await books.store(dict.fromkeys(range(5), 1.0))
    number = await books.ask(0, 5)
    await next_piece(db, 2, NOW)
    books.batch = 2
    await books.restore(number)
    assert await books.work() == [2]
    assert await books.statuses() == "vvvvv"
    (state,) = await read_progress(db, [number])
    assert (state.state, state.readings) == ("restored", 2)


async def test_it_can_be_taken_back_once(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    number = await books.ask(0, 5)
    await books.restore(number)
    with pytest.raises(NotAccepted, match=r"invalidation 1 was taken back at .*, by shift 3"):
        await books.restore(number)
    with pytest.raises(NotAccepted, match="there is no invalidation 99"):
        await books.restore(99)


async def test_unknown_channels_are_named_and_nothing_is_noted(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    with pytest.raises(NotAccepted, match="no channel gres1/stack-9/so2"):
        await request(db, span(0, 5, path="gres1/stack-9/so2"))
    derived = (
        "insert into channels (enterprise, source, channel, basis)"
        " values ('gres1', 'stack-1', 'dust', 'at 6 % o2')"
    )
    await db.execute(derived)
    with pytest.raises(NotAccepted, match="no channel gres1/stack-1/dust"):
        await request(db, span(0, 5, path="gres1/stack-1/dust"))
    assert await db.fetchval("select count(*) from invalidations") == 0
    await books.store({0: 1.0, 1: 2.0})
    assert await count_affected(db, span(0, 5)) == [(PATH, 2)]
    assert await books.statuses() == "vv"


async def test_what_retention_dropped_cannot_be_invalidated(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await db.execute("update installation set readings_from = $1", from_micros(T + 3 * MINUTE))
    with pytest.raises(NotAccepted, match=r"readings before 2024-10-04T09:28:00Z were dropped"):
        await books.ask(0, 3)
    await books.ask(0, 4)


async def test_retention_keeps_old_days_that_were_invalidated(db: asyncpg.Connection) -> None:
    books = await Books(db).begin()
    await books.store({0: 1.0})
    books.now = NOW + 10 * DAY
    await books.ask(0, 1)
    await books.work()
    row = await db.fetchrow("select day, last_received_at from late_days")
    assert row["day"] == from_micros(T).date()
    assert row["last_received_at"] == from_micros(books.now)
