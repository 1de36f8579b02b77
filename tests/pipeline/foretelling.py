"""What another registry would make of a history, beside what it makes of it when it is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.track import iso
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.patience import Patience
from ingest.registry_command import apply_registry_file
from ingest.what_if import suppose, what_if
from ingest.what_if_file import supposed_registry
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.pipeline.whole import ZONE, Whole

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.what_if_differences import Difference, Tally

_TABLES = """
select schemaname || '.' || tablename as name from pg_tables
where schemaname not in ('pg_catalog', 'information_schema') order by 1
"""
_SEQUENCES = "select schemaname, sequencename, last_value from pg_sequences order by 1, 2"
_JUDGEMENTS = """
select "limit", start, state, mean from current_judgements
where start >= $1 and start < $2 and count > 0
"""
_ALERTS = """
select "limit", opened_at, resolved_at, worst, peak, peak_at from alerts
where kind = 'limit' and state in ('open', 'resolved')
  and opened_at < $2 and (resolved_at is null or resolved_at >= $1)
"""
_VERDICTS = """
select "limit", finish, state, value from current_compliance
where finish > $1 and start < $2 and over
"""


async def everything(server: Whole) -> dict[str, Any]:
    """All rows of all tables, and where the sequences stand."""
    async with server.pool.acquire() as conn:
        names = [row["name"] for row in await conn.fetch(_TABLES)]
        found: dict[str, Any] = {
            name: sorted(map(repr, await conn.fetch(f"select * from {name}")))  # noqa: S608
            for name in names
        }
        found["sequences"] = list(map(repr, await conn.fetch(_SEQUENCES)))
        return found


async def foretold(
    server: Whole, file: Path, start: int, end: int, registry: Path | None = None
) -> tuple[list[Difference], Tally]:
    """What would differ; all that is stored stays as it was."""
    before = await everything(server)
    async with server.pool.acquire() as conn:
        document, now = supposed_registry(file, registry), server.now + SETTLED
        supposed = await suppose(conn, document, since=start, now=now, default_zone=ZONE)
        asked = await what_if(conn, supposed, (start, end), now=now)
        found = [one async for some in asked.differences() for one in some]
    assert await everything(server) == before
    return found, asked.tally


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def apply(server: Whole, file: Path, effective: int) -> None:
    """Apply a registry to a running server, and let it judge what that changes."""
    async with server.pool.acquire() as conn:
        since = from_micros(effective)
        await apply_registry_file(conn, file, default_zone=ZONE, effective=since)
        known = await load_registry(conn, server.now, ZONE)
    await server.judge.follow(known)
    await server.sweep()  # a limit that ended otherwise lapses by the clock
    await server.sweep()
    await server.judge.finish()
    await compliance(server)


async def compliance(server: Whole) -> None:
    """Let the follower do what is due."""
    store = JudgingStore(server.pool, Patience(server.metrics), "urn:test")
    await Follower(store, server.metrics, ZONE, lambda: server.now + SETTLED).work()


async def stored(server: Whole, start: int, end: int) -> dict[str, dict[Any, Any]]:
    """What is current of a span: judgements, alerts and verdicts of periods that are over."""
    span = from_micros(start), from_micros(end)
    judgements = await server.pool.fetch(_JUDGEMENTS, *span)
    alerts = await server.pool.fetch(_ALERTS, *span)
    verdicts = await server.pool.fetch(_VERDICTS, *span)
    return {
        "judgement": {(row[0], _time(row[1])): (_STATES[row[2]], row[3]) for row in judgements},
        "alert": {
            (row[0], _time(row[1])): (row[3], _time(row[2]), row[4], _time(row[5]))
            for row in alerts
        },
        "verdict": {(row[0], _time(row[1])): (_STATES[row[2]], row[3]) for row in verdicts},
    }


_STATES = ("compliant", "exceeded", "not_assessable")


def _time(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def after(now: dict[str, dict[Any, Any]], found: list[Difference]) -> dict[str, dict[Any, Any]]:
    """What is stored now, with the differences that were foretold."""
    then = {kind: dict(some) for kind, some in now.items()}
    for one in found:
        if one.before is not None and one.before.get("over", True):
            key, value = _entry(one, one.before)
            assert then[one.kind].pop(key) == value, one
    for one in found:
        if one.after is not None and one.after.get("over", True):
            key, value = _entry(one, one.after)
            then[one.kind][key] = value
    return then


def _entry(one: Difference, side: dict[str, Any]) -> tuple[Any, Any]:
    if one.kind == "alert":
        key = (one.limit, side["opened_at"])
        return key, (side["severity"], side["resolved_at"], side["peak"], side["peak_at"])
    if one.kind == "verdict":
        assert one.end is not None
        return (one.limit, iso(one.end)), (side["state"], side["value"])
    return (one.limit, iso(one.start)), (side["state"], side["mean"])


def assert_equal(then: dict[str, dict[Any, Any]], expected: dict[str, dict[Any, Any]]) -> None:
    """Name the first differences of each kind."""
    for kind, some in expected.items():
        more = sorted(then[kind].items() - some.items(), key=repr)
        lacking = sorted(some.items() - then[kind].items(), key=repr)
        assert more + lacking == [], f"{kind}: stored {more[:4]}, foretold {lacking[:4]}"
