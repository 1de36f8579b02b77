"""Units' own means: what a message holds, and its way through the intake to the database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from alerts.core.vocabulary import DAY, HOUR, MINUTE
from ingest.averages import Averages
from ingest.careful import Context, Refused
from ingest.inbox import Delivery
from ingest.metrics import Metrics
from ingest.reports import Report, decode_report
from tests.pipeline.example import NOW, channels, registry
from tests.pipeline.plant import ByHand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

TOPIC = "ams/v1/gres1/ams-1/averages"
KNOWN = registry()
CONTEXT = Context(KNOWN.units["gres1/ams-1"], channels(), NOW, NOW - 400 * DAY)
THREE = "2026-11-22T03:00:00Z"  # the last block of 20 minutes began then


def report(
    values: dict[str, Any] | None = None,
    *,
    time: str = THREE,
    period: str = "20min",
    seq: int = 1,
    **more: Any,
) -> bytes:
    average = {"time": time, "values": {"so2": 1.5} if values is None else values, **more}
    body = {"boot": "7f3c9a", "seq": seq, "period": period, "averages": [average]}
    return json.dumps(body).encode()


def read(payload: bytes, context: Context = CONTEXT) -> Report:
    found = decode_report(payload, context, KNOWN)
    assert isinstance(found, Report), found
    return found


@pytest.mark.parametrize(
    ("period", "time", "length"),
    [
        ("20min", THREE, 20 * MINUTE),
        ("1200s", THREE, 20 * MINUTE),
        ("60min", "2026-11-22T02:00:00Z", HOUR),
        ("1h", "2026-11-22T07:00:00+05:00", HOUR),
        ("1min", "2026-11-22T03:20:00Z", MINUTE),
        ("1d", "2026-11-21T00:00:00+05:00", DAY),
        ("6h", "2026-11-21T19:00:00Z", 6 * HOUR),
        ("5h", "2026-11-21T15:00:00Z", 4 * HOUR),  # the day's last, cut short by midnight
    ],
)
def test_a_block_is_known_by_its_length_and_start(period: str, time: str, length: int) -> None:
    found = read(report(period=period, time=time))
    assert not found.asides
    assert found.finish[0] - found.start[0] == length


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"period": "90s"}, "wrong_period"),
        ({"period": "2d"}, "wrong_period"),
        ({"period": "99999d"}, "wrong_period"),
        ({"time": "2026-11-22T02:50:00Z"}, "no_such_block"),
        ({"time": "2026-11-22T03:00:00.000001Z"}, "no_such_block"),
        ({"time": "2026-11-21T00:00:00Z", "period": "1d"}, "no_such_block"),
        ({"time": "0000-01-01T00:00:00Z", "period": "1d"}, "no_such_block"),
        ({"time": "9999-12-31T23:00:00Z", "period": "1d"}, "no_such_block"),
        ({"time": "2026-11-22T03:20:00Z"}, "in_the_future"),  # began, but is not over
        ({"time": "2020-01-01T00:00:00Z"}, "too_old"),
        ({"values": {"co": 1}}, "unknown_channel"),
        ({"values": {"so2": None}}, "null_without_status"),
        ({"values": {"so2": True}}, "not_a_number"),
        ({"values": {"so2": 2e9}}, "out_of_bounds"),
        ({"status": {"so2": "broken"}}, "unknown_status"),
    ],
)
def test_a_mean_that_cannot_be_used_is_set_aside_alone(change: dict[str, Any], reason: str) -> None:
    found = read(report(**change))
    assert [aside.reason for aside in found.asides] == [reason]
    assert found.channel == []
    # Alone it is judged to be the same.
    again = decode_report(found.asides[0].payload, CONTEXT, KNOWN, fragment=True)
    assert isinstance(again, Report)
    assert again.asides == found.asides


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        report(period="0min"),
        report(period="20"),
        report(period="1month"),
        report().replace(b'"boot"', b'"boots"'),
        report().replace(b"averages", b"samples"),
        report().replace(b'"seq": 1', b'"seq": 1.0'),
        report(time="noon"),
        report({}),
    ],
)
def test_what_is_not_of_the_schema_is_set_aside_whole(payload: bytes) -> None:
    found = decode_report(payload, CONTEXT, KNOWN)
    assert isinstance(found, Refused)
    assert found.reason == "not_schema"


def test_a_value_that_means_none_is_a_malfunction() -> None:
    found = read(report({"so2": -1, "nox": 2.0, "o2": None}, status={"o2": "stopped"}))
    assert [str(value) for value in found.value] == ["nan", "2.0", "nan"]
    assert found.status == [3, 0, 7]


@given(
    st.binary(max_size=60)
    | st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=3)).map(
        lambda cut: report()[: cut[0]] + cut[1] + report()[cut[0] + 1 :]
    )
    | st.builds(
        lambda time, period: report(time=time, period=period),
        st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5]0:00Z", fullmatch=True),
        st.from_regex(r"[1-9][0-9]{0,4}(s|min|h|d)", fullmatch=True),
    )
)
def test_nothing_that_is_sent_ends_the_decoder(payload: bytes) -> None:
    decode_report(payload, CONTEXT, KNOWN)


class Intake:
    """The intake on a database, fed by hand."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.link = ByHand()
        self.prometheus = CollectorRegistry()
        self.now = NOW
        self.due: list[set[int]] = []
        self._no_connection: Any = None
        self.start()

    def start(self) -> None:
        self.averages = Averages(
            self.pool, KNOWN, Metrics(CollectorRegistry(), version="test"),
            receive=self.link.receive, acknowledge=self.link.acknowledge,
            clock=lambda: self.now, accept_from=None, on_stored=self.due.append,
        )  # fmt: skip
        self.task = asyncio.create_task(self.averages.run())

    async def stop(self) -> None:
        self.averages.stop()
        await self.task

    def send(self, *payloads: bytes, topic: str = TOPIC) -> Delivery:
        count = len(payloads)
        delivery = Delivery(
            self._no_connection, list(range(1, count + 1)), [topic] * count, list(payloads),
            self.now,
        )  # fmt: skip
        self.link.waiting.put_nowait(delivery)
        return delivery

    async def deliver(self, *payloads: bytes, topic: str = TOPIC) -> None:
        delivery = self.send(*payloads, topic=topic)
        async with asyncio.timeout(30):
            while delivery not in self.link.acknowledged:
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0.01)

    async def rows(self) -> list[tuple[Any, ...]]:
        rows = await self.pool.fetch(
            "select channel, value, status, revision from reported_averages"
            " order by start, channel, revision"
        )
        return [tuple(row) for row in rows]


@pytest_asyncio.fixture
async def intake(pool: asyncpg.Pool) -> AsyncIterator[Intake]:
    await pool.execute(
        "insert into units (id, enterprise, unit) overriding system value"
        " values (1, 'gres1', 'ams-1'), (2, 'gres1', 'ams-2')"
    )
    made = Intake(pool)
    yield made
    await made.stop()


async def test_the_same_message_again_changes_nothing(intake: Intake) -> None:
    first, second = report({"so2": 5.0}, seq=1), report({"so2": 6.0}, seq=2)
    for payload in (first, first, second, first, second):
        await intake.deliver(payload)
    assert await intake.rows() == [(1, 5.0, 0, 0), (1, 6.0, 0, 1)]
    await intake.deliver(first, second, report({"so2": 5.0}, seq=3), first)
    assert await intake.rows() == [(1, 5.0, 0, 0), (1, 6.0, 0, 1), (1, 5.0, 0, 2)]
    await intake.deliver(report({"so2": 5.0}, seq=3, status={"so2": "maintenance"}))
    assert (await intake.rows())[3:] == [(1, 5.0, 2, 3)]
    assert len(intake.due) == 4  # a duplicate is no news


AWAY = """
create function away() returns trigger language plpgsql as
$$ begin raise exception 'away' using errcode = '57P03'; end $$;
create trigger away before insert on reported_averages execute function away()
"""


async def test_nothing_is_acknowledged_before_it_is_committed(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away the messages wait, and then they are there in their order."""
    monkeypatch.setattr("ingest.patience.MAX_DELAY", 0.05)
    await intake.pool.execute(AWAY)
    waiting = intake.send(report({"so2": 5.0}, seq=1), report({"so2": 6.0}, seq=2))
    await asyncio.sleep(0.5)
    assert waiting not in intake.link.acknowledged
    assert intake.averages.patience.error
    await intake.pool.execute("drop trigger away on reported_averages")
    await intake.deliver(report({"so2": 7.0}, seq=3))
    assert intake.link.acknowledged[0] is waiting
    assert [value for _, value, _, _ in await intake.rows()] == [5.0, 6.0, 7.0]


async def test_what_came_too_early_is_too_early_when_it_comes_again(intake: Intake) -> None:
    """A redelivery is judged as the first delivery was, after a restart too."""
    early = report(time="2026-11-22T04:00:00Z")
    await intake.deliver(early)
    intake.now += 2 * HOUR
    await intake.deliver(early)
    await intake.stop()
    intake.start()
    await intake.deliver(early)
    assert await intake.rows() == []
    [(count, reason)] = await intake.pool.fetch("select count, reason from quarantine")
    assert (count, reason) == (1, "in_the_future")
    await intake.deliver(report(time="2026-11-22T04:00:00Z", seq=2))  # said anew, in time
    assert len(await intake.rows()) == 1


async def test_what_the_database_refuses_is_set_aside_and_the_rest_stored(intake: Intake) -> None:
    await intake.pool.execute(
        "alter table reported_averages add constraint odd check (value <> 13)"
    )
    await intake.deliver(
        report({"so2": 1.0}, seq=1), report({"so2": 13.0}, seq=2), report({"nox": 2.0}, seq=3)
    )
    assert await intake.rows() == [(1, 1.0, 0, 0), (2, 2.0, 0, 0)]
    [(reason, payload)] = await intake.pool.fetch("select reason, payload from quarantine")
    assert reason == "refused_by_database"
    assert payload == report({"so2": 13.0}, seq=2)


MARKED = "select count(*) from quarantine where state = 'retrying'"


async def test_a_retry_stores_what_the_registry_knows_now(intake: Intake) -> None:
    """Values one by one, whole messages, and of both what is still not known stays."""
    await intake.deliver(report({"so2": 1.0, "co": 2.0, "hg": 3.0}, seq=1))
    await intake.deliver(report({"x": 4.0}, seq=1), topic="ams/v1/gres1/ams-7/averages")
    units = dict(KNOWN.units)
    units["gres1/ams-1"] = replace(units["gres1/ams-1"], channels={"so2": 1, "co": 4})
    units["gres1/ams-7"] = replace(units["gres1/ams-2"], unit="ams-7", channels={"y": 5})
    intake.averages.use(registry(units, version=2))
    await intake.pool.execute("update quarantine set state = 'retrying'")
    intake.averages.retry()
    async with asyncio.timeout(30):
        while await intake.pool.fetchval(MARKED):  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.02)
    assert await intake.rows() == [(1, 1.0, 0, 0), (4, 2.0, 0, 0)]
    found = await intake.pool.fetch("select key, reason, state, kind from quarantine order by id")
    assert [tuple(row) for row in found] == [
        ("co", "unknown_channel", "stored", "averages"),
        ("hg", "unknown_channel", "waiting", "averages"),
        (None, "unknown_unit", "stored", "averages"),
        ("x", "unknown_channel", "waiting", "averages"),
    ]


async def test_stopping_while_the_database_is_away_acknowledges_nothing(intake: Intake) -> None:
    await intake.pool.execute(AWAY)
    waiting = intake.send(report())
    await asyncio.sleep(0.3)
    async with asyncio.timeout(10):
        await intake.stop()
    assert waiting not in intake.link.acknowledged
    intake.start()  # for the fixture


async def test_a_registry_applied_amid_a_delivery_judges_the_next_one(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that it lacks is not lost between being decoded and being stored."""
    seen = intake.averages._seen

    async def applied_meanwhile(*arguments: Any) -> list[bool]:
        intake.averages.use(registry({}, version=2))
        return await seen(*arguments)

    monkeypatch.setattr(intake.averages, "_seen", applied_meanwhile)
    await intake.deliver(report())
    assert await intake.rows() == [(1, 1.5, 0, 0)]
    await intake.deliver(report(seq=2))
    assert await intake.pool.fetchval("select reason from quarantine") == "unknown_enterprise"
