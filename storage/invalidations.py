"""Invalidations as they are asked for: stretches of channels found to be wrong afterwards.

A failed check makes suspect what a channel measured back to its last good one (40 CFR 60 App. F
proc. 1). Whoever asks writes rows here; the server does them (``storage.invalidating``) when it
runs, as it does with retries of what is in quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.pool import unavailable
from storage.quarantine import text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

# What is measured: channels derived from it follow by themselves.
_CHANNELS = """
select w.path, c.id from unnest($1::text[]) with ordinality as w (path, n)
left join channels c on c.basis = ''
     and c.enterprise || '/' || c.source || '/' || c.channel = w.path
order by w.n
"""
_KEPT_FROM = "select readings_from from installation"
# No reading is later than 5 min after its receipt.
_AHEAD = "select $1::timestamptz > clock_timestamp() + interval '5 min'"
_COUNT = """
select count(*) from current_readings
where channel = $1 and time >= $2 and time < $3 and status = 0
"""
_REQUEST = """
insert into invalidations (channel, start, finish, status, reason, by, done_until)
values ($1, $2, $3, $4, $5, $6, $2) returning id
"""
_RESTORE = """
update invalidations
set state = 'restoring', done_until = start,
    restore = jsonb_build_object('by', $2::text, 'reason', $3::text,
                                 'at', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
where id = $1 and state in ('waiting', 'done') returning id
"""
_PROGRESS = """
select id, state, readings, restored, start, finish, done_until,
       coalesce(batch, 0) <= (select batch from progress where follower = 'alerts') as judged
from invalidations where id = any($1::bigint[]) order by id
"""

# Block means and alerts of the channels' sources, derived ones too, that became others since the
# first of the batches: of blocks within the span, of alerts that can rest on readings of it.
_EFFECTS = """
with asked as (
    select i.start, i.finish, c.enterprise, c.source, greatest(
               i.requested_at, (i.restore->>'at')::timestamptz) as since
    from invalidations i join channels c on c.id = i.channel where i.id = any($1::bigint[])
), touched as (
    select distinct o.id, a.start, a.finish, a.since
    from asked a join channels o on o.enterprise = a.enterprise and o.source = a.source
)
select (select count(*) from (
            select distinct b.channel, b.window_s, b.start
            from touched t join blocks b on b.channel = t.id and b.start < t.finish
                 and b.start > t.start - interval '1 day' and b.finish > t.start
            where b.revision > 0 and b.known_at >= t.since) changed) as blocks,
       (select count(distinct h.alert)
        from alert_history h join alerts a on a.id = h.alert
        left join limits l on l.id = a."limit"
        join touched t on t.id = coalesce(l.channel, a.channel)
        where h.recorded_at >= t.since and h.change <> 'acknowledged'
          and a.opened_at < t.finish + interval '1 day'
          and coalesce(a.resolved_at, 'infinity') >= t.start) as alerts
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for: readings of ``channels`` with start <= time < end are not valid.

    ``channels`` are paths (enterprise/source/channel), ``status`` a number of the vocabulary.
    """

    channels: Sequence[str]
    start: datetime
    end: datetime
    status: int
    reason: str
    by: str


class NotAccepted(Exception):  # noqa: N818 - the message says what is wrong with the request
    """The request cannot be done as it is: the message says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one has come: ``share`` of its span, 0 … 1; readings revised by its present work.

    ``settled``: nothing is left to do, and the judging has followed.
    """

    id: int
    state: str
    share: float
    readings: int
    settled: bool


async def channel_numbers(conn: asyncpg.Connection, paths: Sequence[str]) -> list[int]:
    """Return the measured channels of these paths, each once. Raises NotAccepted."""
    rows = await conn.fetch(_CHANNELS, [text(path) for path in dict.fromkeys(paths)])
    unknown = [row["path"] for row in rows if row["id"] is None]
    if unknown:
        raise NotAccepted(
            f"there is no channel {', '.join(unknown)}; a path such as gres1/stack-1/so2 expected"
        )
    return [row["id"] for row in rows]


async def readings_from(conn: asyncpg.Connection) -> datetime | None:
    """Return the time before which readings were dropped and nothing can be invalidated."""
    moment: datetime | None = await conn.fetchval(_KEPT_FROM)
    return moment


async def request(conn: asyncpg.Connection, asked: Request) -> list[int]:
    """Note what is asked for, a row for each channel; return their numbers.

    Raises NotAccepted: unknown channel, nothing kept of the span, an end that is still to come;
    nothing was noted then.
    """
    async with unavailable("ask for an invalidation"), conn.transaction():
        numbers = await _checked(conn, asked)
        reason, by = text(asked.reason), text(asked.by)
        return [
            await conn.fetchval(_REQUEST, number, asked.start, asked.end, asked.status, reason, by)
            for number in numbers
        ]


async def count_affected(conn: asyncpg.Connection, asked: Request) -> list[tuple[str, int]]:
    """Return by path how many readings the request would change now. Raises NotAccepted."""
    async with unavailable("count what would be invalidated"), conn.transaction(readonly=True):
        numbers = await _checked(conn, asked)
        return [
            (path, await conn.fetchval(_COUNT, number, asked.start, asked.end))
            for path, number in zip(dict.fromkeys(asked.channels), numbers, strict=True)
        ]


async def _checked(conn: asyncpg.Connection, asked: Request) -> list[int]:
    if await conn.fetchval(_AHEAD, asked.end):
        raise NotAccepted(
            f"the end, {asked.end:%Y-%m-%dT%H:%M:%SZ}, is still to come: what is received from now"
            " on would not be invalidated"
        )
    kept = await readings_from(conn)
    if kept is not None and asked.end <= kept:
        raise NotAccepted(
            f"readings before {kept:%Y-%m-%dT%H:%M:%SZ} were dropped by retention: only those"
            " from then on can be invalidated"
        )
    return await channel_numbers(conn, asked.channels)


async def request_restore(conn: asyncpg.Connection, number: int, by: str, reason: str) -> None:
    """Note that one is to be taken back.

    Raises NotAccepted: there is no such, or somebody took it back before.
    """
    async with unavailable("ask for a restore"):
        if await conn.fetchval(_RESTORE, number, text(by), text(reason)) is not None:
            return
        row = await conn.fetchrow("select restore from invalidations where id = $1", number)
    if row is None:
        raise NotAccepted(f"there is no invalidation {number}")
    first = row["restore"]
    raise NotAccepted(
        f"invalidation {number} was taken back at {first['at']}, by {first['by']}; to undo that,"
        " invalidate the span again"
    )


async def read_progress(conn: asyncpg.Connection, ids: Sequence[int]) -> list[Progress]:
    """Return how far these have come, by number. Raises Unavailable."""
    async with unavailable("look at the invalidations"):
        return [_progress(row) for row in await conn.fetch(_PROGRESS, list(ids))]


def _progress(row: Any) -> Progress:  # noqa: ANN401 - a row of the database
    span = (row["finish"] - row["start"]).total_seconds()
    back = row["state"] in {"restoring", "restored"}
    return Progress(
        row["id"],
        row["state"],
        (row["done_until"] - row["start"]).total_seconds() / span,
        row["restored"] if back else row["readings"],
        row["state"] in {"done", "restored"} and row["judged"],
    )


async def count_effects(conn: asyncpg.Connection, ids: Sequence[int]) -> tuple[int, int]:
    """Return how many block means and alerts of the sources are others since these were asked for.

    Late readings of the same span and time would be counted with them. Raises Unavailable.
    """
    async with unavailable("count what was changed"):
        row: Any = await conn.fetchrow(_EFFECTS, list(ids))
    return row["blocks"], row["alerts"]
