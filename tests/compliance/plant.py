"""A plant in the database, written as the server itself would have: channels, limits, blocks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import CollectorRegistry

from alerts.core.records import BlockRows, JudgementRows
from alerts.core.rules import Rule
from alerts.core.vocabulary import HOUR
from ingest.compliance import SETTLED, Follower
from ingest.judging import JudgingStore
from ingest.metrics import Metrics
from ingest.patience import Patience
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    import asyncpg

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FOR_EVER = datetime(2100, 1, 1, tzinfo=UTC)
DAY_MEAN = Rule(
    rules="test",
    version="1",
    condition="day",
    clause="of a test",
    verified=True,
    statistic="mean",
    average="1d",
    short_term="1h",
    limit=100.0,
    uom="mg/m3",
)
QUIET = replace(DAY_MEAN, condition="hour", average="1h")
MONTH_MEAN = replace(DAY_MEAN, condition="month", average="1month")
HOURS_A_YEAR = replace(
    DAY_MEAN,
    condition="hours",
    statistic="share",
    average="1h",
    share="95/100",
    per="1year",
    factor="2",
)
TONNES_A_MONTH = replace(
    DAY_MEAN, condition="t", statistic="total", average="1month", limit=10.0, uom="t"
)


def at(text: str) -> int:
    """Return an instant, UTC where it names no offset, in microseconds."""
    moment = datetime.fromisoformat(text)
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@dataclass
class Plant:
    """Writes what the server would; ``now`` is when all earlier blocks are stored."""

    pool: asyncpg.Pool
    now: int = at("2026-03-01T00:00")
    zone: str = "+05:00"
    _store: JudgingStore = field(init=False)
    follower: Follower = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin again with nothing but the database."""
        metrics = Metrics(CollectorRegistry(), version="test")
        self._store = JudgingStore(
            self.pool, Patience(metrics), "urn:test", [{"id": "all", "enterprises": ["*"]}]
        )
        self.follower = Follower(self._store, metrics, self.zone, lambda: self.now + SETTLED)

    async def registry(self, effective: datetime = LONG_AGO) -> int:
        """A new version of the registry."""
        number: int = await self.pool.fetchval(
            "insert into registry_versions (effective, source, digest)"
            " values ($1, 'test', '\\x00') returning id",
            effective,
        )
        return number

    async def enterprise(self, zone: str) -> None:
        """The enterprise's entry."""
        await self.pool.execute(
            "insert into entity_versions values ('enterprise', 'gres1', $1, $2, $3)",
            await self.registry(),
            LONG_AGO,
            {"id": "gres1", "reporting_zone": zone},
        )

    async def channel(
        self, name: str = "so2", basis: str = "", recipe: dict[str, Any] | None = None
    ) -> int:
        """A channel of stack-1."""
        number: int = await self.pool.fetchval(
            "insert into channels (enterprise, source, channel, basis)"
            " values ('gres1', 'stack-1', $1, $2) returning id",
            name,
            basis,
        )
        await self.pool.execute(
            "insert into channel_versions (channel, version, effective, parameter, uom, period_us,"
            " recipe) values ($1, $2, $3, '0330', 'mg/m3', 60000000, $4)",
            number,
            await self.registry(),
            LONG_AGO,
            recipe,
        )
        return number

    async def recipe(self, channel: int, recipe: dict[str, Any], since: str) -> None:
        """Another version of a channel, with another recipe."""
        effective = from_micros(at(since))
        await self.pool.execute(
            "insert into channel_versions (channel, version, effective, parameter, uom, period_us,"
            " recipe) values ($1, $2, $3, '0330', 'mg/m3', 60000000, $4)",
            channel,
            await self.registry(effective),
            effective,
            recipe,
        )

    async def limit(
        self,
        channel: int,
        rule: Rule,
        *,
        permit: str = "KZ1",
        since: datetime = LONG_AGO,
        until: datetime = FOR_EVER,
        number: int | None = None,
        effective: datetime | None = None,
        ended: bool = False,
    ) -> int:
        """A condition's row with a version; ``number``: another version of it."""
        if number is None:
            number = await self.pool.fetchval(
                "insert into limits (permit, channel, average, window_us, condition)"
                " values ($1, $2, '1d', 86400000000, $3) returning id",
                permit,
                channel,
                f"{rule.condition}@{rule.average}",
            )
        await self.pool.execute(
            'insert into limit_versions ("limit", version, effective, ended, valid_from,'
            " valid_until, value, uom, coverage, warn_at, clear_at, open_after_us, clear_after_us,"
            " rule) values ($1, $2, $3, $4, $5, $6, $7, $8, '2/3', '0.8', '0.95', 0, 0, $9)",
            number,
            await self.registry(effective or since),
            effective or since,
            ended,
            since,
            until,
            rule.limit,
            rule.uom,
            asdict(rule),
        )
        return number

    async def blocks(  # noqa: PLR0917 - read as a line of a table
        self,
        channel: int,
        first: str,
        values: Any,
        window: int = HOUR,
        count: Any = 60,
        expected: int = 60,
        total: Any = None,
    ) -> None:
        """Blocks one after the other, as the judge stores them: NaN for none."""
        mean = np.asarray(values, np.float64)
        n = len(mean)
        counts = np.where(np.isnan(mean), 0, np.broadcast_to(np.asarray(count), n))
        start = at(first) + np.arange(n) * window
        rows = BlockRows(
            channel=np.full(n, channel, np.int32),
            window=np.full(n, window, np.int64),
            start=start,
            finish=start + window,
            mean=mean,
            total=np.nan_to_num(mean * counts) if total is None else np.full(n, total, np.float64),
            samples=counts.astype(np.int32),
            count=counts.astype(np.int32),
            expected=np.full(n, expected, np.int32),
        )
        await self.follower.watch()
        await self._store.save_blocks(rows, JudgementRows.joined([]), None, compare=True)

    async def judged(self, limit: int | None = None) -> list[tuple[Any, ...]]:
        """What is current, of periods that are over: (limit, start in the zone, value, state)."""
        rows = await self.pool.fetch(
            'select "limit", start, value, judgement_name(state) as state, over'
            ' from current_compliance where over and ($1::int is null or "limit" = $1)'
            ' order by start, "limit"',
            limit,
        )
        return [(row["limit"], row["start"], row["value"], row["state"]) for row in rows]

    async def running(self, limit: int) -> Any:
        """The running period of a condition."""
        return await self.pool.fetchrow(
            'select *, judgement_name(state) as name from compliance_running where "limit" = $1',
            limit,
        )

    async def work(self, now: str | None = None) -> None:
        """Let the follower do what is due."""
        if now:
            self.now = at(now)
        await self.follower.work()


def days(rows: list[tuple[Any, ...]]) -> list[tuple[str, float | None, str]]:
    """Return (start as UTC text, value, state)."""
    return [(f"{from_micros(to_micros(s)):%m-%d %H}", value, state) for _, s, value, state in rows]
