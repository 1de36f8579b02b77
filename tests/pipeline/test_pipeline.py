"""Order of commit, acknowledgement and judging; what is refused, what fails, what changes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alerts.core.vocabulary import MINUTE
from storage.embedded import EmbeddedPostgres
from storage.errors import DataError, Unavailable
from storage.migrate import migrate
from storage.pool import connect, open_pool
from storage.registry import Unit
from storage.retries import mark_for_retry
from tests.pipeline.example import KEYS, message, registry
from tests.pipeline.plant import Plant, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from storage.received import Committed, Received


def numbered(seq: int, value: float = 1.0) -> bytes:
    """A message whose reading is of its own minute."""
    hour, minute = divmod(seq, 60)
    return message({"so2": value}, time=f"2026-11-22T{hour:02}:{minute:02}:00Z", seq=seq)


async def test_deliveries_are_committed_acknowledged_and_judged_in_order(server: Plant) -> None:
    sent = [server.send(numbered(seq)) for seq in range(20)]
    await server.until(lambda: len(server.judged) == 20)
    assert server.link.acknowledged == sent
    assert [received.batch for received, _ in server.judged] == list(range(1, 21))
    assert server.pipeline.last_batch == 20


async def test_the_next_delivery_is_decoded_while_one_is_committed(pool: asyncpg.Pool) -> None:
    async with plant(pool) as server:
        gate = asyncio.Event()
        commit = server.ports().commit

        async def slow(received: Received) -> Committed:
            await gate.wait()
            return await commit(received)

        await server.start(commit=slow)
        for seq in range(9):
            server.send(numbered(seq))
        # One is being committed, one waits for that, one is on its way: no more are taken.
        try:
            await server.until(lambda: server.link.received == 3)
            await asyncio.sleep(0.05)
            assert server.link.received == 3
            assert not server.link.acknowledged
        finally:
            gate.set()  # whatever was seen: the pipeline stops only when all is committed
        await server.until(lambda: len(server.link.acknowledged) == 9)


async def test_commits_wait_for_a_judging_that_lags(pool: asyncpg.Pool) -> None:
    async with plant(pool) as server:
        gate = asyncio.Event()

        async def slow(_received: Received, _committed: Committed) -> None:
            await gate.wait()

        await server.start(judge=slow)
        for seq in range(20):
            server.send(numbered(seq))
        try:
            await server.until(lambda: server.metrics.unjudged_batches._value.get() >= 4)
            await asyncio.sleep(0.05)
            assert len(server.link.acknowledged) == 6  # one judged, four waiting, one let in last
            assert server.pipeline.oldest_unjudged_at == server.now
        finally:
            gate.set()
        await server.until(lambda: len(server.link.acknowledged) == 20)
        await server.until(lambda: server.pipeline.oldest_unjudged_at is None)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short and open enough for a PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="ams-") as name:
        yield Path(name)


async def test_nothing_is_acknowledged_while_the_database_is_away(directory: Path) -> None:
    async with EmbeddedPostgres(directory) as url:
        conn = await connect(url)
        await migrate(conn)
        await conn.close()
        pool = await open_pool(url, size=4)
        server = Plant(pool)
        await server.make_units()
        await server.start()
        await server.deliver(numbered(1))
    for seq in range(2, 8):
        server.send(numbered(seq), message({"so2": 2.0}, boot="new", seq=seq))
    await server.until(lambda: server.pipeline.patience.error)
    assert server.metrics.database_up._value.get() == 0
    assert len(server.link.acknowledged) == 1
    async with EmbeddedPostgres(directory):
        await server.until(lambda: len(server.link.acknowledged) == 7)
        assert not server.pipeline.patience.error
        assert server.metrics.database_up._value.get() == 1
        assert len(await server.readings()) == 8
        await server.stop()
        pool.terminate()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_killed_backend_loses_and_doubles_nothing(pool: asyncpg.Pool, moment: str) -> None:
    """The connection dies before the commit, or after it with the answer on its way."""
    async with plant(pool) as server:
        commit = server.ports().commit
        killed = 0

        async def dying(received: Received) -> Committed:
            nonlocal killed
            if received.batch == 2 and not killed:
                killed = 1
                if moment == "after":
                    await commit(received)
                raise Unavailable("the connection is gone")
            return await commit(received)

        await server.start(commit=dying)
        for seq in range(1, 5):
            server.send(numbered(seq), numbered(seq, 2.0))
        await server.until(lambda: len(server.link.acknowledged) == 4)
        assert killed
        assert len(await server.readings()) == 4
        assert await server.counts() == {
            "messages_stored": 8,
            "readings_stored": 4,
            "readings_revised": 4,
        }


async def test_backends_that_are_terminated_under_way_lose_and_double_nothing(
    server: Plant, db: asyncpg.Connection
) -> None:
    for seq in range(200):
        server.send(numbered(seq))
        if seq % 50 == 30:
            await db.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.05)
    await server.until(lambda: len(server.link.acknowledged) == 200)
    assert (await db.fetchval("select count(*) from readings")) == 200
    assert await db.fetchval("select sum(n) from batches, unnest(messages_stored) n") == 200


async def test_a_row_that_the_database_refuses_is_quarantined_and_the_rest_goes_on(
    server: Plant, db: asyncpg.Connection
) -> None:
    await db.execute("alter table readings add check (value <> 13)")
    outcomes = await server.deliver(
        message({"so2": 1.0}, seq=1),
        message({"nox": 13, "o2": 2.0}, seq=2),
        message({"temp": 13}, seq=3, time="2026-11-22T03:19:00Z", status={"temp": "calibration"}),
        message({"o2": 3.0}, seq=4, time="2026-11-22T03:19:00Z"),
    )
    assert outcomes == ["stored", "stored", "quarantined", "stored"]
    assert [row[:2] for row in await server.readings()] == [(3, 3.0), (1, 1.0), (3, 2.0)]
    assert await server.quarantine() == [
        ("ams-1", "nox", "refused_by_database", 1),
        ("ams-1", "temp", "refused_by_database", 1),
    ]
    assert await server.deliver(numbered(5)) == ["stored"]


async def test_a_batch_refused_without_a_culprit_is_halved_until_it_is_found(
    pool: asyncpg.Pool,
) -> None:
    async with plant(pool) as server:
        commit = server.ports().commit

        async def vague(received: Received) -> Committed:
            bad = received.readings.value == 13
            if bad.any():
                raise DataError("one of them", list(range(len(bad))))
            return await commit(received)

        await server.start(commit=vague)
        server.send(*(numbered(seq, 13.0 if seq == 11 else 1.0) for seq in range(16)))
        await server.until(lambda: sum(len(r.unit) for r, _ in server.judged) == 16)
        assert len(server.link.acknowledged) == 1
        assert len(await server.readings()) == 15
        assert await server.quarantine() == [("ams-1", "so2", "refused_by_database", 1)]
        assert server.receipts == [("gres1", "ams-1", "7f3c9a", 15)]


async def test_a_poison_message_among_good_ones_stops_nothing(server: Plant) -> None:
    poison = [b"\x00" * 100, b"[" * 100_000, b'"' * 1000, b'{"a":' * 50_000, b"\xef\xbb\xbf{}"]
    outcomes = await server.deliver(numbered(1), *poison, numbered(2))
    assert outcomes == ["stored", *["quarantined"] * 5, "stored"]


async def test_receipts_follow_the_commit_and_stop_before_a_gap(server: Plant) -> None:
    for numbers in ((5, 6), (8,), (9, 10), (7,)):
        await server.deliver(*(numbered(seq) for seq in numbers))
    await server.deliver(message({"so2": 1.0}, boot="other", seq=0, time="2026-11-22T01:00:00Z"))
    assert [receipt[2:] for receipt in server.receipts] == [
        ("7f3c9a", 6),
        ("7f3c9a", 6),
        ("7f3c9a", 6),
        ("7f3c9a", 10),
        ("other", 0),
    ]


async def test_a_message_set_aside_whole_leaves_no_gap_when_its_seq_is_right(
    server: Plant,
) -> None:
    broken = message({"so2": 1.0}, seq=2, time="yesterday")
    await server.deliver(numbered(1), broken, numbered(3))
    assert server.receipts[-1] == ("gres1", "ams-1", "7f3c9a", 3)
    assert all(row[3] == [] for row in await server.readings())


async def test_what_was_received_is_known_after_a_restart(server: Plant) -> None:
    await server.deliver(numbered(10), numbered(11), numbered(13))
    await server.stop()
    await server.start()
    await server.deliver(numbered(11, 2.0), numbered(11, 1.0))
    await server.deliver(numbered(12, 3.0))
    assert server.receipts[-1] == ("gres1", "ams-1", "7f3c9a", 13)
    assert [row[1:] for row in await server.readings()] == [
        (1.0, "valid", [], 0),
        (2.0, "valid", ["revised"], 1),
        (3.0, "valid", ["late"], 0),
        (1.0, "valid", ["gap_before"], 0),
    ]


async def test_a_new_registry_holds_from_the_next_delivery(server: Plant) -> None:
    assert await server.deliver(message({"so3": 1.0})) == ["quarantined"]
    units = {"gres1/ams-1": Unit(1, "gres1", "ams-1", {**KEYS, "so3": 5})}
    server.pipeline.use(registry(units, version=2))
    assert await server.deliver(message({"so3": 2.0})) == ["stored"]
    assert server.registries == [2]


async def test_a_retry_judges_values_by_the_registry_as_it_is_now(server: Plant) -> None:
    await server.deliver(message({"so3": 1.0, "x": 2.0}))
    units = {"gres1/ams-1": Unit(1, "gres1", "ams-1", {**KEYS, "so3": 5})}
    server.pipeline.use(registry(units, version=2))
    await _retry(server)
    assert await server.readings() == [(5, 1.0, "valid", [], 0)]
    states = await server.rows("select key, state from quarantine order by key")
    assert states == [("so3", "stored"), ("x", "waiting")]


async def test_a_retry_judges_times_by_the_first_receipt(server: Plant) -> None:
    await server.deliver(message({"so2": 1.0}, time="2026-11-22T03:25:31Z"))
    server.now += 60 * MINUTE
    await _retry(server)
    assert await server.readings() == []
    assert await server.rows("select reason, state from quarantine") == [
        ("in_the_future", "waiting")
    ]


async def test_a_retry_of_a_whole_message_takes_its_place_in_the_sequence(server: Plant) -> None:
    topic = "ams/v1/gres1/ams-3/readings"
    assert await server.deliver(numbered(1), topic=topic) == ["quarantined"]
    known = registry()
    known.units["gres1/ams-3"] = Unit(3, "gres1", "ams-3", {"so2": 4})
    server.pipeline.use(registry(known.units, version=2))
    await _retry(server)
    assert [row[:2] for row in await server.readings()] == [(4, 1.0)]
    assert server.receipts[-1] == ("gres1", "ams-3", "7f3c9a", 1)
    assert await server.deliver(numbered(1), topic=topic) == ["duplicate"]


async def _retry(server: Plant) -> None:
    async with server.pool.acquire() as conn:
        await mark_for_retry(conn, None)
    before = len(server.judged)
    server.pipeline.retry()
    await server.until(lambda: len(server.judged) > before)


async def test_what_was_marked_for_a_retry_while_no_server_ran_is_processed_at_its_start(
    server: Plant,
) -> None:
    await server.deliver(message({"so3": 1.0}))
    await server.stop()
    async with server.pool.acquire() as conn:
        await mark_for_retry(conn, None)
    units = {"gres1/ams-1": Unit(1, "gres1", "ams-1", {**KEYS, "so3": 5})}
    await server.start(registry(units))
    await server.until(lambda: len(server.judged) == 2)
    assert await server.readings() == [(5, 1.0, "valid", [], 0)]


async def test_while_paused_nothing_is_received(server: Plant) -> None:
    await server.deliver(numbered(1))
    server.pipeline.pause("disk nearly full")
    await asyncio.sleep(0.05)
    server.send(numbered(2))
    await asyncio.sleep(0.05)
    assert server.link.received == 1
    assert server.pipeline.paused == "disk nearly full"
    server.pipeline.resume()
    await server.until(lambda: len(server.link.acknowledged) == 2)


async def test_stop_commits_and_acknowledges_what_was_received(pool: asyncpg.Pool) -> None:
    async with plant(pool) as server:
        gate, entered = asyncio.Event(), asyncio.Event()
        commit = server.ports().commit

        async def slow(received: Received) -> Committed:
            entered.set()
            await gate.wait()
            return await commit(received)

        await server.start(commit=slow)
        for seq in range(9):
            server.send(numbered(seq))
        await entered.wait()
        await server.until(lambda: server.link.received == 3)
        server.pipeline.stop()
        gate.set()
        await server.task
        assert len(server.link.acknowledged) == len(server.judged) == server.link.received == 3


async def test_stop_while_the_database_is_away_acknowledges_nothing(pool: asyncpg.Pool) -> None:
    async with plant(pool) as server:

        async def away(_received: Received) -> Committed:
            raise Unavailable("connection refused")

        await server.start(commit=away)
        for seq in range(5):
            server.send(numbered(seq))
        await server.until(lambda: server.pipeline.patience.error)
        assert server.metrics.database_up._value.get() == 0
        server.pipeline.stop()
        await asyncio.wait_for(server.task, 5)
        assert not server.link.acknowledged


async def test_a_fault_of_our_own_ends_the_pipeline(pool: asyncpg.Pool) -> None:
    async with plant(pool) as server:

        async def faulty(_received: Received) -> Committed:
            raise ZeroDivisionError

        await server.start(commit=faulty)
        for seq in range(5):
            server.send(numbered(seq))
        with pytest.raises(ExceptionGroup):
            await server.task
        assert not server.link.acknowledged
        server.task = asyncio.create_task(asyncio.sleep(0))
