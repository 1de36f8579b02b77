"""Contract 6: delivery to real recipients on loopback from the real outbox."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from alerts.delivery import Delivery
from storage.notices import record_attempt
from tests.alerts.outbox import (
    FAST,
    SECOND,
    Clock,
    Counts,
    Hook,
    Post,
    accept,
    answering,
    delivering,
    make_alert,
    notice,
    now,
    outbox_of,
    put,
    row,
    to,
)

if TYPE_CHECKING:
    import asyncpg


pytestmark = pytest.mark.usefixtures("nothing_blocks_the_loop")


async def test_a_notice_is_one_signed_cloudevent_and_its_delivery_is_recorded(
    pool: asyncpg.Pool,
) -> None:
    made = notice(await make_alert(pool), change="opened")
    [sent] = await put(pool, made)
    counts = Counts()
    async with (
        Hook().listening() as hook,
        delivering(outbox_of(pool), to(hook, secret=b"s3cret"), counts=counts),
    ):
        [post] = await hook.take(1)
        await counts.reach("delivered", 1)
    assert post.body == made.body
    assert post.headers["Content-Type"] == "application/cloudevents+json"
    expected = hmac.new(b"s3cret", post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-AMS-Signature"] == f"sha256={expected}"
    stored = await row(pool, sent)
    assert (stored["state"], stored["attempts"]) == ("delivered", 1)
    assert stored["last_outcome"] == "HTTP 204"


async def test_new_notices_go_out_when_delivery_is_woken(pool: asyncpg.Pool) -> None:
    alert = await make_alert(pool)
    async with Hook().listening() as hook, delivering(outbox_of(pool), to(hook)) as delivery:
        for change in ("opened", "updated", "resolved"):
            [sent] = await put(pool, notice(alert, change=change))
            delivery.wake()
            assert [post.id for post in await hook.take(1)] == [sent]


async def test_a_failing_notice_holds_its_alerts_later_ones_and_nobody_elses(
    pool: asyncpg.Pool,
) -> None:
    troubled, other = await make_alert(pool), await make_alert(pool)
    first, second = await put(pool, notice(troubled), notice(troubled))
    beside = await put(pool, *(notice(other) for _ in range(3)))
    refusals = 3

    async def behave(post: Post) -> int:
        nonlocal refusals
        if post.id == first and refusals:
            refusals -= 1
            return 500
        return 200

    async with Hook(behave).listening() as hook, delivering(outbox_of(pool), to(hook)):
        posts = await hook.take(4 + 1 + 3)
    assert [p.id for p in posts if p.alert == str(troubled)] == [first] * 4 + [second]
    assert [p.id for p in posts if p.alert == str(other)] == beside


@pytest.mark.parametrize("status", [300, 307, 400, 404, 410, 429, 500, 503])
async def test_anything_but_2xx_is_tried_again(pool: asyncpg.Pool, status: int) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    async with (
        Hook(answering(status, 202)).listening() as hook,
        delivering(outbox_of(pool), to(hook), counts=counts),
    ):
        assert [p.id for p in await hook.take(2)] == [sent, sent]
        await counts.reach("delivered", 1)
    assert counts.of == {"failed": 1, "delivered": 1}
    assert (await row(pool, sent))["attempts"] == 2


async def test_no_answer_in_time_is_a_failure(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()

    async def hang(_: Post) -> int:
        await asyncio.sleep(60)
        return 200

    async with (
        Hook(hang).listening() as hook,
        delivering(outbox_of(pool), to(hook), counts=counts),
    ):
        await counts.reach("failed", 1)
        assert (await row(pool, sent))["last_outcome"] == "no answer within 0.5 s"


async def test_an_endless_answer_is_not_read(pool: asyncpg.Pool) -> None:
    await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)
            sent += 65_536

    app = web.Application()
    app.router.add_post("/hook", flood)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = Hook(port=runner.addresses[0][1])
    async with delivering(outbox_of(pool), to(hook), counts=counts):
        await counts.reach("delivered", 1)
    await runner.cleanup()
    assert sent < 16 * 2**20


async def test_a_refused_connection_is_tried_again_until_the_recipient_is_back(
    pool: asyncpg.Pool,
) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hook = Hook(port=taken.getsockname()[1])
    counts = Counts()
    async with delivering(outbox_of(pool), to(hook), counts=counts):
        await counts.reach("failed", 2)
        assert (await row(pool, sent))["last_outcome"] == "no connection: Connection refused"
        async with hook.listening():
            assert [p.id for p in await hook.take(1)] == [sent]
            await counts.reach("delivered", 1)


async def test_an_answer_that_is_not_http_is_a_failure(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    counts = Counts()
    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    hook = Hook(port=server.sockets[0].getsockname()[1])
    async with server, delivering(outbox_of(pool), to(hook), counts=counts):
        await counts.reach("failed", 1)
    assert (await row(pool, sent))["state"] == "waiting"


async def test_redirects_are_not_followed(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    async with Hook().listening() as elsewhere:

        async def send_away(_: Post) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(elsewhere.url)

        async with (
            Hook(send_away).listening() as hook,
            delivering(outbox_of(pool), to(hook), counts=counts),
        ):
            await counts.reach("failed", 1)
        assert (await row(pool, sent))["last_outcome"] == "HTTP 307, redirects are not followed"
        assert elsewhere.posts.empty()


async def test_a_recipient_that_hangs_delays_no_other(pool: asyncpg.Pool) -> None:
    alerts = [await make_alert(pool) for _ in range(20)]
    await put(pool, *(notice(alert, "slow") for alert in alerts))
    wanted = await put(pool, *(notice(alert, "quick") for alert in alerts for _ in range(5)))
    for_ever = asyncio.Event()

    async def hang(_: Post) -> int:
        await for_ever.wait()
        return 200

    counts = Counts()
    patient = replace(FAST, answer_within=30)
    async with Hook(hang).listening() as slow, Hook().listening() as quick:
        both = to(slow, "slow") | to(quick, "quick")
        async with delivering(outbox_of(pool), both, policy=patient, counts=counts):
            await slow.take(FAST.side_by_side)
            arrived = [post.id for post in await quick.take(100)]
            await counts.reach("delivered", 100)
            assert counts.of == {"delivered": 100}  # not one of the slow recipient's is over
            for_ever.set()
    assert sorted(arrived) == sorted(wanted)
    for alert in alerts:
        mine = await ids_of(pool, alert, "quick")
        assert [one for one in arrived if one in mine] == [one for one in wanted if one in mine]


async def ids_of(pool: asyncpg.Pool, alert: object, recipient: str) -> set[str]:
    rows = await pool.fetch(
        "select id from notices where alert = $1 and recipient = $2", alert, recipient
    )
    return {str(r["id"]) for r in rows}


async def test_different_alerts_go_side_by_side_up_to_the_bound(pool: asyncpg.Pool) -> None:
    policy = replace(FAST, side_by_side=3, page=4, answer_within=20)
    await put(pool, *[notice(await make_alert(pool)) for _ in range(12)])
    reached = asyncio.Event()
    hook = Hook()

    async def wait_for_three(_: Post) -> int:
        if hook.at_once == policy.side_by_side:
            reached.set()
        await reached.wait()
        return 200

    hook.behave = wait_for_three
    counts = Counts()
    async with (
        hook.listening(),
        delivering(outbox_of(pool), to(hook), policy=policy, counts=counts),
    ):
        await counts.reach("delivered", 12)
    assert hook.most_at_once == policy.side_by_side


async def test_a_recipient_that_takes_nothing_is_asked_less_and_less_until_it_does(
    pool: asyncpg.Pool,
) -> None:
    ids = await put(pool, *[notice(await make_alert(pool)) for _ in range(40)])
    eager = replace(FAST, delays=(0.001,), side_by_side=2, breath=0.3)
    counts, hook = Counts(), Hook(answering(500))
    started = time.monotonic()
    async with hook.listening(), delivering(outbox_of(pool), to(hook), policy=eager, counts=counts):
        await counts.reach("failed", 8)
        assert time.monotonic() - started > 0.15 + 0.225 + 0.3
        hook.behave = accept
        await counts.reach("delivered", 40)
    assert {(await row(pool, sent))["state"] for sent in ids} == {"delivered"}


async def test_many_more_notices_than_a_page_holds_arrive_oldest_first_for_each_alert(
    pool: asyncpg.Pool,
) -> None:
    alerts = [await make_alert(pool) for _ in range(30)]
    ids = await put(pool, *(notice(alert) for _ in range(4) for alert in alerts))
    async with (
        Hook().listening() as hook,
        delivering(outbox_of(pool), to(hook), policy=replace(FAST, page=7)),
    ):
        posts = await hook.take(len(ids))
    for alert in alerts:
        mine = [p.id for p in posts if p.alert == str(alert)]
        assert mine == ids[alerts.index(alert) :: len(alerts)]


async def test_a_restart_amid_retries_keeps_count_order_and_time_of_the_next_attempt(
    pool: asyncpg.Pool,
) -> None:
    alert = await make_alert(pool)
    first, second = await put(pool, notice(alert), notice(alert))
    hour_long = replace(FAST, delays=(3600,))
    clock, counts = Clock(), Counts()
    async with Hook(answering(503, 200)).listening() as hook:
        outbox = outbox_of(pool)
        async with delivering(outbox, to(hook), policy=hour_long, clock=clock, counts=counts):
            await counts.reach("failed", 1)
        before = await row(pool, first)
        assert (before["attempts"], before["last_outcome"]) == (1, "HTTP 503")
        await hook.take(1)

        [third] = await put(pool, notice(await make_alert(pool)))
        async with delivering(outbox, to(hook), policy=hour_long, clock=clock, counts=counts):
            await counts.reach("delivered", 1)
        assert [p.id for p in await hook.take(1)] == [third]  # the first is not due yet
        assert hook.posts.empty()

        clock.ahead = 3600 * SECOND
        async with delivering(outbox, to(hook), policy=hour_long, clock=clock, counts=counts):
            assert [p.id for p in await hook.take(2)] == [first, second]
            await counts.reach("delivered", 3)
    assert (await row(pool, first))["attempts"] == 2


async def test_killed_between_answer_and_record_the_same_id_goes_out_again(
    pool: asyncpg.Pool,
) -> None:
    alert = await make_alert(pool)
    first, second = await put(pool, notice(alert), notice(alert))
    answered = asyncio.Event()

    async def never(*_: object, delivered: bool) -> None:
        assert delivered
        answered.set()
        await asyncio.Event().wait()

    async with Hook().listening() as hook:
        doomed = asyncio.create_task(
            Delivery(
                outbox_of(pool, record=never), to(hook), clock=now, count=Counts(), policy=FAST
            ).run()
        )
        await answered.wait()
        doomed.cancel()
        await asyncio.wait([doomed])
        async with delivering(outbox_of(pool), to(hook)):
            assert [p.id for p in await hook.take(3)] == [first, first, second]


async def test_a_lost_database_is_waited_for_and_the_answer_recorded_without_a_second_post(
    pool: asyncpg.Pool, db: asyncpg.Connection
) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    lost = 0

    async def record(number: int, at: int, outcome: str, *, delivered: bool) -> None:
        nonlocal lost
        if lost < 3:  # the backend dies with the statement
            lost += 1
            await db.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        await record_attempt(pool, number, at, outcome, delivered=delivered)

    async with (
        Hook().listening() as hook,
        delivering(outbox_of(pool, record=record), to(hook), counts=counts),
    ):
        await counts.reach("delivered", 1)
        assert hook.posts.qsize() == 1
    assert (await row(pool, sent))["attempts"] == 1


async def test_a_stop_lets_what_is_under_way_finish(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    go_on = asyncio.Event()

    async def wait(_: Post) -> int:
        await go_on.wait()
        return 200

    patient = replace(FAST, answer_within=20)
    async with Hook(wait).listening() as hook:
        delivery = Delivery(outbox_of(pool), to(hook), clock=now, count=Counts(), policy=patient)
        running = asyncio.create_task(delivery.run())
        await hook.take(1)
        delivery.stop()
        go_on.set()
        await running
    assert (await row(pool, sent))["state"] == "delivered"
