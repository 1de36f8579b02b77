"""Through the whole server: the order of arrival decides nothing but the arrival's own marks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from tests.pipeline.streams import (
    FIRST,
    REGISTRY,
    START,
    Message,
    Reading,
    Step,
    Stream,
    streams,
)
from tests.pipeline.whole import Answers, Whole, assert_equal, of_event_time, prepared, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "8"))  # each takes a second or two


@pytest_asyncio.fixture(params=["+05:30", "Asia/Kathmandu"])
async def off_hours(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path
) -> AsyncIterator[str]:
    """The same where midnight is no multiple of 20 minutes from UTC's."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY.replace('"+05:00"', f'"{request.param}"'))
    async with prepared(postgres_url, registry, FIRST) as name:
        yield name


async def deliver(server: Whole, messages: Sequence[Message]) -> None:
    server.now = max(server.now, messages[-1].arrival)
    await server.deliver(*(message.payload for message in messages))


async def follow(server: Whole, stream: Stream) -> None:
    """Give a server a stream as it arrives; end it two days after everything is received."""
    for messages, (what, pause) in stream.batches:
        server.deaf = what == "kill unjudged"
        await deliver(server, messages)
        server.now += pause
        if what == "sweep":
            await server.sweep()
        elif what:
            await server.restart(killed=what != "stop", forgetful=what == "kill forgetful")
            server.now += 2 * MINUTE  # the clock has its first say a minute after a start
            await server.sweep()
    await server.end(max(server.now, stream.end) + 2 * DAY)


async def run_in_order(server: Whole, stream: Stream, now: int) -> None:
    """Give a server the final readings as they were measured, until ``now``."""
    final = stream.final
    for number, begin in enumerate(range(0, len(final), 60)):
        some = tuple(final[begin : begin + 60])
        await deliver(server, [Message(some, number, some[-1].time + SECOND)])
        await server.sweep()
    await server.end(now)


async def assert_as_in_order(
    postgres_url: str, template: str, stream: Stream, since: int
) -> Answers:
    """Whatever the order of arrival, all is as in the sorted run; return what the API says."""
    async with (
        whole(postgres_url, template, FIRST) as server,
        whole(postgres_url, template, FIRST) as calm,
    ):
        await follow(server, stream)
        await run_in_order(calm, stream, server.now)
        found = await server.answers(since)
        assert_equal(of_event_time(found), of_event_time(await calm.answers(since)))
        assert await calm.audit(FIRST) == []
        assert await server.audit(FIRST) == []
    return found


@pytest.mark.timeout(60 + 30 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes too long to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(stream=streams(), place=st.floats(0, 1))
async def test_order_of_arrival_decides_nothing(
    postgres_url: str, template: str, stream: Stream, place: float
) -> None:
    """Delayed, shuffled, repeated, revised, cut and restarted anywhere: as in the sorted run."""
    final = stream.final
    since = final[int(place * (len(final) - 1))].time
    await assert_as_in_order(postgres_url, template, stream, since)


@pytest.mark.timeout(240)
@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(stream=streams())
async def test_nor_where_midnight_is_no_multiple_of_20_minutes(
    postgres_url: str, off_hours: str, stream: Stream
) -> None:
    await assert_as_in_order(postgres_url, off_hours, stream, stream.final[0].time)


def minutes(first: int, last: int, value: float) -> tuple[Reading, ...]:
    """Readings of so2 in these minutes of the first day, the last included."""
    return tuple(
        Reading("so2", START + minute * MINUTE, value, None) for minute in range(first, last + 1)
    )


def followed(*parts: tuple[int, tuple[Reading, ...], str, int]) -> Stream:
    """Messages that arrive at these times, and what comes after each, for how long."""
    return Stream(
        [
            ([Message(some, number, arrival)], Step(what, pause))
            for number, (arrival, some, what, pause) in enumerate(parts)
        ]
    )


def arriving(*parts: tuple[int, tuple[Reading, ...]]) -> Stream:
    """Messages that arrive at these times, each a batch, with the clock's say after it."""
    return followed(*((arrival, some, "sweep", 2 * MINUTE) for arrival, some in parts))


async def test_killed_before_the_first_block_of_a_channel_is_closed(
    postgres_url: str, template: str
) -> None:
    """No block tells how far the channel was judged: half of its first is judged, half is not."""
    stream = followed(
        (START + 10 * MINUTE, minutes(0, 10, 50.0), "kill", 0),
        (START + 30 * MINUTE, minutes(20, 30, 50.0), "kill unjudged", 0),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert [item["count"] for item in found["blocks of 20 min"]][:2] == [11, 11]


async def test_down_for_days_and_a_silent_channels_day_is_closed(
    postgres_url: str, template: str
) -> None:
    """Its last 20 minutes were closed long ago, its day ended while the server was down."""
    so2 = (minutes(30 + n, 30 + n, 50.0) for n in range(2))
    stream = followed(
        (START + HOUR, (Reading("dust", START, 50.0, None),), "stop", 30 * MINUTE),
        (START + 2 * HOUR, next(so2), "stop", 0),
        (START + 2 * HOUR, next(so2), "kill forgetful", 3 * DAY),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert found["blocks of 1440 min"][0]["mean"] == 50.0


def courses(found: Answers, window: str, limit: float) -> list[tuple[object, ...]]:
    """The alerts of a limit."""
    names = ("state", "worst", "opened_at", "resolved_at", "peak", "peak_at", "late")
    return [
        tuple(item[name] for name in names)
        for item in found["alerts"]
        if (item["window"], item["limit"]) == (window, limit)
    ]


CALM = minutes(0, 9, 50.0), minutes(30, 59, 50.0)
LATER = tuple(Reading("so2", START + 30 * HOUR + n * MINUTE, 50.0, None) for n in range(60))


async def test_readings_thirty_hours_late_open_an_alert_in_the_past(
    postgres_url: str, template: str
) -> None:
    stream = arriving(
        (START + 10 * MINUTE, CALM[0]),
        (START + HOUR, CALM[1]),
        (START + 31 * HOUR, LATER),
        (START + 31 * HOUR, minutes(10, 29, 150.0)),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    # At 00:15 ten values of 50 and five of 150 make 83.3, at 00:21 nine and eleven make 105;
    # from 00:45 on it is 75 and less.
    assert courses(found, "20min", 100.0) == [
        ("resolved", "exceedance", "2025-06-01T00:15:00Z", "2025-06-01T00:50:00Z", 150.0,
         "2025-06-01T00:30:00Z", True)
    ]  # fmt: skip


async def test_a_correction_thirty_hours_late_withdraws_an_alert(
    postgres_url: str, template: str
) -> None:
    stream = arriving(
        (START + 10 * MINUTE, CALM[0]),
        (START + 30 * MINUTE, minutes(10, 29, 150.0)),
        (START + HOUR, CALM[1]),
        (START + 31 * HOUR, LATER),
        (START + 31 * HOUR, minutes(10, 29, 51.0)),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert [one[0] for one in courses(found, "20min", 100.0)] == ["withdrawn"]


async def test_readings_that_are_taken_back_leave_no_blocks_behind(
    postgres_url: str, template: str
) -> None:
    """The first and the last of three turn out to be a calibration gone wrong."""
    days = [START, START + 5 * DAY, START + 10 * DAY]
    so2 = [Reading("so2", day, 50.0, None) for day in days]
    none = [Reading("so2", day, None, "malfunction") for day in days]
    stream = arriving(*((one.time, (one,)) for one in so2), (days[2], (none[0], none[2])))
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert found["blocks of 20 min"][0]["start"] == "2025-06-06T00:00:00Z"


async def test_readings_forty_days_late_on_a_daily_limit(postgres_url: str, template: str) -> None:
    """Half a day of 290 comes between half days of 50: no more than 76 again when four are left."""

    def dust(first: int, count: int, value: float) -> tuple[Reading, ...]:
        times = (START + (first + n) * 20 * MINUTE for n in range(count))
        return tuple(Reading("dust", time, value, None) for time in times)

    day = 72  # values
    stream = arriving(
        *((START + n * DAY, dust((n - 1) * day, day // 2, 50.0)) for n in (1, 2, 3, 20, 39, 40)),
        (START + 40 * DAY, dust(day // 2, day // 2, 290.0)),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    judged = {
        item["start"]: (item["mean"], item["state"])
        for item in found["judgements"]
        if (item["channel"], item["window"]) == ("dust", "1d")
    }
    assert judged["2025-05-31T19:00:00Z"] == (138.421053, "exceeded")  # 36 of 50, 21 of 290
    assert judged["2025-06-01T19:00:00Z"] == (120.588235, "exceeded")  # 36 of 50, 15 of 290
    assert courses(found, "1d", 100.0) == [
        ("resolved", "exceedance", "2025-06-01T14:00:00Z", "2025-06-02T23:00:00Z", 170.0,
         "2025-06-02T00:00:00Z", True)
    ]  # fmt: skip


async def test_an_alert_is_audited_as_far_as_the_clock_had_judged_it(
    postgres_url: str, template: str
) -> None:
    """Silent from 00:30 on its mean still rises, up to 121 at 00:36; the server stops at 00:33."""
    readings = (*minutes(0, 19, 50.0), *minutes(20, 29, 150.0))
    async with whole(postgres_url, template, FIRST) as server:
        await deliver(server, [Message(readings, 0, START + 29 * MINUTE + SECOND)])
        await server.end(START + 34 * MINUTE)
        (course,) = courses(await server.answers(START), "20min", 100.0)
        assert course[1:] == (
            "exceedance", "2025-06-01T00:26:00Z", None, 108.823529, "2025-06-01T00:33:00Z", False
        )  # fmt: skip
        assert await server.audit(FIRST) == []
        await server.pool.execute("update alerts set peak = peak + 1")
        assert len(await server.audit(FIRST)) > 0
