"""Recipients that change, are given up, or lack what their entry asks for."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
import structlog

from alerts.recipients import Recipient, recipient
from storage.notices import count_waiting
from tests.alerts.outbox import (
    DAY,
    SECOND,
    Clock,
    Counts,
    Hook,
    answering,
    delivering,
    make_alert,
    notice,
    outbox_of,
    put,
    row,
    to,
)

if TYPE_CHECKING:
    import asyncpg


pytestmark = pytest.mark.usefixtures("nothing_blocks_the_loop")


async def test_a_notice_undeliverable_for_seven_days_expires_and_the_next_goes_out(
    pool: asyncpg.Pool,
) -> None:
    alert = await make_alert(pool)
    old, young = await put(
        pool, notice(alert, age=7 * DAY + SECOND), notice(alert, age=7 * DAY - 60 * SECOND)
    )
    counts, clock = Counts(), Clock()
    async with (
        Hook(answering(500)).listening() as hook,
        delivering(outbox_of(pool), to(hook), counts=counts, clock=clock),
    ):
        assert {p.id for p in await hook.take(2)} == {young}
        assert (await row(pool, old))["state"] == "expired"
        assert (await row(pool, old))["last_outcome"] == "never attempted"
        clock.ahead = 120 * SECOND
        await counts.reach("expired", 2)
    expired = await row(pool, young)
    assert (expired["state"], expired["last_outcome"]) == ("expired", "HTTP 500")
    assert expired["attempts"] >= 2


async def test_notices_of_a_removed_recipient_wait_until_it_is_back(pool: asyncpg.Pool) -> None:
    alert = await make_alert(pool)
    counts = Counts()
    await put(pool, notice(alert))
    async with (
        Hook().listening() as hook,
        delivering(outbox_of(pool), to(hook), counts=counts) as delivery,
    ):
        await hook.take(1)
        await counts.reach("delivered", 1)
        delivery.use({})
        [sent] = await put(pool, notice(alert))
        delivery.wake()
        assert await count_waiting(pool) == 1
        assert (await row(pool, sent))["state"] == "waiting"
        delivery.use(to(hook))
        assert [p.id for p in await hook.take(1)] == [sent]


async def test_a_new_url_is_used_from_the_next_attempt_on(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    async with (
        Hook(answering(500)).listening() as old,
        Hook().listening() as new,
        delivering(outbox_of(pool), to(old), counts=counts) as delivery,
    ):
        await counts.reach("failed", 1)
        delivery.use(to(new))
        assert [p.id for p in await new.take(1)] == [sent]


async def test_without_its_secret_a_notice_is_never_sent_unsigned(pool: asyncpg.Pool) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    async with Hook().listening() as hook:
        entry = {"id": "committee", "url": hook.url, "secret": {"env": "AMS_HOOK_SECRET"}}
        lacking = {"committee": recipient(entry, {})}
        async with delivering(outbox_of(pool), lacking, counts=counts) as delivery:
            await counts.reach("failed", 2)
            stored = await row(pool, sent)
            assert stored["state"] == "waiting"
            assert stored["last_outcome"] == "environment variable AMS_HOOK_SECRET is not set"
            assert hook.posts.empty()
            delivery.use({"committee": recipient(entry, {"AMS_HOOK_SECRET": "s"})})
            [post] = await hook.take(1)
            assert "X-AMS-Signature" in post.headers


async def test_a_recipient_that_asks_for_no_signature_gets_none(pool: asyncpg.Pool) -> None:
    await put(pool, notice(await make_alert(pool)))
    async with Hook().listening() as hook, delivering(outbox_of(pool), to(hook)):
        [post] = await hook.take(1)
    assert "X-AMS-Signature" not in post.headers


@pytest.mark.parametrize(
    "url",
    [
        "http://ams:pa55word@127.0.0.1:{port}/hook",
        "http://ams:pa55word@127.0.0.1:{port}/tok3n",
        "http://ams:pa55word@127.0.0.1:1/tok3n",
        "http://ams:pa55word@no-such-host.invalid/tok3n",
        "http://ams:pa55word@:99999/tok3n",
        "ftp://ams:pa55word@127.0.0.1/tok3n",
        "pa55word tok3n",
    ],
)
async def test_credentials_of_a_url_are_used_and_never_written_down(
    pool: asyncpg.Pool, url: str
) -> None:
    [sent] = await put(pool, notice(await make_alert(pool)))
    counts = Counts()
    with structlog.testing.capture_logs() as logs:
        async with Hook(answering(500)).listening() as hook:
            whole = {"committee": Recipient("committee", url.format(port=hook.port), b"s3cret")}
            async with delivering(outbox_of(pool), whole, counts=counts):
                await counts.reach("failed", 1)
            if not hook.posts.empty():
                [post] = await hook.take(1)
                expected = base64.b64encode(b"ams:pa55word").decode()
                assert post.headers["Authorization"] == f"Basic {expected}"
    written = f"{logs} {await row(pool, sent)}"
    assert logs
    for secret in ("pa55word", "tok3n", "s3cret"):
        assert secret not in written


async def test_a_recipient_by_name_is_found(pool: asyncpg.Pool) -> None:
    await put(pool, notice(await make_alert(pool)))
    async with Hook().listening() as hook:
        by_name = {"committee": Recipient("committee", hook.url.replace("127.0.0.1", "localhost"))}
        async with delivering(outbox_of(pool), by_name):
            await hook.take(1)
