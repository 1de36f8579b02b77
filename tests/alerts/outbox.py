"""Recipients on loopback, alerts in the database, and a delivery between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from aiohttp import web

from alerts.delivery import Delivery, Outbox, Policy
from alerts.notice import event, event_type
from alerts.recipients import Recipient
from storage.errors import Unavailable
from storage.notices import NewNotice, expire, insert_notices, record_attempt, waiting_heads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    import asyncpg

SECOND = 1_000_000
DAY = 86_400 * SECOND
FAST = Policy(answer_within=0.5, delays=(0.05, 0.1), expire_every=0.05, database_delays=(0.05,))
_NUMBERS = count(1)


def now() -> int:
    return time.time_ns() // 1000


class Clock:
    """The wall clock, put forward by ``ahead`` microseconds."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now() + self.ahead


@dataclass(frozen=True)
class Post:
    """A request as a recipient got it."""

    id: str
    alert: str
    headers: Mapping[str, str]
    body: bytes


async def accept(post: Post) -> int:
    del post
    return 204


@dataclass
class Hook:
    """A recipient: ``behave`` answers each post with a status; ``posts`` are in order."""

    behave: Callable[[Post], Awaitable[int | web.StreamResponse]] = accept
    posts: asyncio.Queue[Post] = field(default_factory=asyncio.Queue)
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        said = json.loads(body)
        post = Post(said["id"], said["subject"], request.headers, body)
        self.posts.put_nowait(post)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            said_back = await self.behave(post)
        finally:
            self.at_once -= 1
        return web.Response(status=said_back) if isinstance(said_back, int) else said_back

    async def take(self, number: int) -> list[Post]:
        async with asyncio.timeout(20):
            return [await self.posts.get() for _ in range(number)]

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Hook]:
        app = web.Application()
        app.router.add_post("/hook", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


class Counts:
    """What delivery counted, and a way to wait for it."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self._changed = asyncio.Event()

    def __call__(self, outcome: str, number: int) -> None:
        self.of[outcome] = self.of.get(outcome, 0) + number
        self._changed.set()

    async def reach(self, outcome: str, number: int) -> None:
        async with asyncio.timeout(20):
            while self.of.get(outcome, 0) < number:
                self._changed.clear()
                await self._changed.wait()


async def make_alert(conn: asyncpg.Connection | asyncpg.Pool) -> UUID:
    """Store an alert, of a limit of its own."""
    return UUID(
        str(
            await conn.fetchval(
                """
                with channel as (insert into channels (enterprise, source, channel)
                                 values ('gres1', 'stack-1', $2) returning id),
                made as (insert into limits (permit, channel, average, window_us)
                         select 'KZ1', id, '20min', 1200000000 from channel returning id)
                insert into alerts (id, "limit", limit_version, state, severity, worst, opened_at,
                                    peak, peak_at, value, changed_at)
                select $1, id, 1, 'open', 'warning', 'warning', now(), 1, now(), 1, now() from made
                returning id
                """,
                uuid4(),
                f"c{next(_NUMBERS)}",
            )
        )
    )


def notice(
    alert: UUID, recipient: str = "committee", change: str = "updated", age: int = 0
) -> NewNotice:
    """A notice of ``alert``, made ``age`` microseconds ago."""
    number, at = uuid4(), now() - age
    body = event(
        id=number,
        source="urn:uuid:0",
        change=change,
        time=at,
        alert={"id": str(alert)},
        evidence=None,
    )
    return NewNotice(number, alert, recipient, event_type(change), body, at)


async def put(pool: asyncpg.Pool, *notices: NewNotice) -> list[str]:
    """Put notices into the outbox; return their ids as recipients see them."""
    async with pool.acquire() as conn:
        await insert_notices(conn, notices)
    return [str(n.id) for n in notices]


def outbox_of(pool: asyncpg.Pool, **changed: Any) -> Outbox:
    return Outbox(
        **{
            "heads": partial(waiting_heads, pool),
            "record": partial(record_attempt, pool),
            "expire": partial(expire, pool),
            "unavailable": Unavailable,
            **changed,
        }
    )


def to(hook: Hook, name: str = "committee", **more: Any) -> dict[str, Recipient]:
    return {name: Recipient(name, hook.url, **more)}


@contextlib.asynccontextmanager
async def delivering(
    outbox: Outbox,
    recipients: Mapping[str, Recipient],
    *,
    policy: Policy = FAST,
    clock: Callable[[], int] = now,
    counts: Counts | None = None,
) -> AsyncIterator[Delivery]:
    """Deliver inside the block, and stop in order at its end."""
    delivery = Delivery(outbox, recipients, clock=clock, count=counts or Counts(), policy=policy)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        try:
            yield delivery
        finally:
            delivery.stop()


async def row(pool: asyncpg.Pool, notice_id: str) -> asyncpg.Record:
    return await pool.fetchrow(
        "select state, attempts, last_outcome, last_attempt_at from notices where id = $1",
        UUID(notice_id),
    )


def answering(*statuses: int) -> Callable[[Post], Awaitable[int]]:
    """Answer with these in turn, the last one for ever."""
    left = list(statuses)

    async def behave(post: Post) -> int:
        del post
        return left.pop(0) if len(left) > 1 else left[0]

    return behave
