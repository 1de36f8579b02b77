"""The whole server but for broker and HTTP: from the bytes of messages to the API's queries."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from rich.console import Console

from alerts.core.vocabulary import DAY, HOUR, MINUTE
from ingest.checkpoint import Checkpoint
from ingest.judge import start_judging
from ingest.judging import JudgingStore
from ingest.patience import Patience
from ingest.registry_command import apply_registry_file
from ingest.replay import replay
from storage.pool import connect, open_pool
from storage.queries.alerts import BEFORE_ALL as ALERTS_BEGIN
from storage.queries.alerts import alerts
from storage.queries.averages import averages
from storage.queries.blocks import BEFORE_ALL as BLOCKS_BEGIN
from storage.queries.extents import Calendar
from storage.queries.judgements import judgements
from storage.queries.page import Page, Part, Span
from storage.queries.readings import BEFORE_ALL as READINGS_BEGIN
from storage.queries.readings import readings
from storage.queries.rolling import BEFORE_ALL as ROLLING_BEGINS
from storage.queries.rolling import rolling_averages
from storage.queries.session import Sessions
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.fixtures.database import in_database
from tests.pipeline.plant import Plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from storage.queries.page import Item, Key
    from storage.received import Committed, Received

ZONE = "+05:00"
WINDOWS = (20 * MINUTE, HOUR, DAY)
_ARRIVAL = {"late", "revised", "gap_before"}  # flags that tell of it
_NUMBERS = count(1)

_DERIVED = """
select c.channel, c.basis, b.window_s, b.start, b.finish, b.mean, b.count, b.samples, b.expected
from current_blocks b join channels c on c.id = b.channel
where c.basis <> '' and b.samples > 0
"""

Answers = dict[str, list["Item"]]


class Whole(Plant):
    """A server on ``pool`` whose clock is ``now``; it is started, stopped and killed by hand.

    ``deaf``: what is committed is not judged, as if the server were killed just then.
    """

    checkpoint: Checkpoint

    async def begin(self) -> None:
        """Start as the server starts: judge what is left, then receive."""
        async with self.pool.acquire() as conn:
            known = await load_registry(conn, self.now, ZONE)
        store = JudgingStore(self.pool, Patience(self.metrics), "urn:test")
        self.judge = await start_judging(store, known, lambda: self.now, self.checkpoint)
        self.deaf = False
        await self.start(known)

    async def restart(self, *, killed: bool = False, forgetful: bool = False) -> None:
        """Stop in good order, or as if killed: what was judged and not written is forgotten.

        ``forgetful``: the checkpoint is lost as well, all is read back from the database.
        """
        await self.stop()
        if not killed:
            await self.judge.finish()
        if forgetful:
            self.checkpoint.path.unlink(missing_ok=True)
        await self.begin()

    async def sweep(self) -> None:
        """Let the clock judge."""
        await self.judge.engine.sweep(self.now)

    async def end(self, now: int) -> None:
        """Let the clock judge whatever it can, at ``now``, and stop."""
        self.now = now
        await self.sweep()
        await self.sweep()  # what lapses is seen when all else is judged
        await self.stop()
        await self.judge.finish()

    async def _judge(self, received: Received, committed: Committed) -> None:
        if not self.deaf:
            await self.judge.judge(received, committed)
        await super()._judge(received, committed)

    async def answers(self, since: int) -> Answers:
        """What the API says of all time; rolling means of up to an hour for six hours."""
        now = from_micros(self.now)
        calendar = Calendar(now, ZONE)
        everything, some = Span(), Span(from_micros(since), from_micros(since + 6 * HOUR))
        async with Sessions(self.pool).reading() as conn:
            found = {
                "readings": await _all(READINGS_BEGIN, partial(readings, conn, None, everything)),
                "judgements": await _all(
                    BLOCKS_BEGIN,
                    partial(judgements, conn, None, None, everything, calendar=calendar),
                ),
                "alerts": await _all(ALERTS_BEGIN, partial(alerts, conn, None, everything)),
            }
            for window in WINDOWS:
                name, span = f"{window // MINUTE} min", everything if window == DAY else some
                of_blocks = partial(averages, conn, None, window, everything, calendar=calendar)
                found[f"blocks of {name}"] = await _all(BLOCKS_BEGIN, of_blocks)
                rolling = partial(rolling_averages, conn, None, window, span, calendar=calendar)
                found[f"rolling means of {name}"] = await _all(ROLLING_BEGINS, rolling)
            rows = await conn.fetch(_DERIVED)
            found["blocks of derived channels"] = [dict(row) for row in rows]
        return found

    async def audit(self, since: int) -> list[str]:
        """What `ams-server replay` says of everything after ``since``."""
        async with self.pool.acquire() as conn:
            console = Console(file=io.StringIO())
            span = from_micros(since), from_micros(self.now)
            return await replay(conn, *span, ZONE, console)


async def _all(first: Key, ask: Callable[..., Awaitable[Page]]) -> list[Item]:
    items: list[Item] = []
    after: Key | None = first
    while after is not None:
        page = await ask(part=Part(after, 10_000))
        items += page.items
        after = page.next
    return items


def of_event_time(found: Answers) -> Answers:
    """Leave out what tells of arrival, and alerts that were withdrawn."""
    settled = {
        "readings": [
            {
                **_without(item, "revision", "received_at"),
                "flags": [flag for flag in item["flags"] if flag not in _ARRIVAL],
            }
            for item in found["readings"]
        ],
        "alerts": [
            _without(item, "id", "late", "acknowledged", "replaced_by")
            for item in found["alerts"]
            if item["state"] != "withdrawn"
        ],
    }
    settled["alerts"].sort(key=repr)  # those of one instant come by their id
    for kind in (*(kind for kind in found if "block" in kind), "judgements"):
        settled[kind] = [_without(item, "revision", "known_at") for item in found[kind]]
    return {**found, **settled}


def _without(item: Item, *names: str) -> Item:
    return {name: value for name, value in item.items() if name not in names}


def assert_equal(ours: Answers, theirs: Answers) -> None:
    """Name the first differences of each kind."""
    for kind, expected in theirs.items():
        found = Counter(map(repr, ours[kind]))
        wanted = Counter(map(repr, expected))
        more, lacking = list(found - wanted), list(wanted - found)
        said = [f"{kind}: {len(more)} more", *more[:3], f"{len(lacking)} lacking", *lacking[:3]]
        assert found == wanted, "\n".join(said)


@contextlib.asynccontextmanager
async def prepared(postgres_url: str, registry: Path, at: int) -> AsyncIterator[str]:
    """A database that has this registry since ``at``: its name, for ``whole``."""
    name = f"registry_{next(_NUMBERS)}"
    await _create(postgres_url, name, "migrated")
    conn = await connect(in_database(postgres_url, name))
    await apply_registry_file(conn, registry, default_zone=ZONE, effective=from_micros(at))
    await conn.close()
    yield name
    await _drop(postgres_url, name)


@contextlib.asynccontextmanager
async def whole(postgres_url: str, template: str, now: int) -> AsyncIterator[Whole]:
    """A server that has begun at ``now``, on a fresh copy of a database."""
    name = f"whole_{next(_NUMBERS)}"
    await _create(postgres_url, name, template)
    pool = await open_pool(in_database(postgres_url, name), size=4)
    server = Whole(pool)
    server.now = now
    folder = tempfile.TemporaryDirectory(prefix="ams-")
    server.checkpoint = Checkpoint.of(Path(folder.name), name)
    try:
        await server.begin()
        yield server
    finally:
        if hasattr(server, "task") and not server.task.done():
            await server.stop()
        pool.terminate()
        folder.cleanup()
        await _drop(postgres_url, name)


async def _create(url: str, name: str, template: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute(f"create database {name} template {template}")
    await conn.close()


async def _drop(url: str, name: str) -> None:
    conn: Any = await asyncpg.connect(url)
    await conn.execute(f"drop database {name} with (force)")
    await conn.close()
