"""A small plant in the database, in rows that the server itself would have written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncpg import Connection

Json = dict[str, Any]


def at(text: str) -> datetime:
    """Return ``03:20`` of the day that the tests are about, or a full RFC 3339 time."""
    if "T" not in text:
        text = f"2026-11-22T{text if text.count(':') == 2 else text + ':00'}Z"
    return datetime.fromisoformat(text)


MINUTE = timedelta(minutes=1)
LONG_AGO = at("2025-12-31T19:00:00Z")
NAMES = {"en": "Ekibastuz GRES-1", "ru": "Экибастузская ГРЭС-1"}


@dataclass
class World:
    """Writes rows; every method returns what the next one needs to refer to them."""

    db: Connection
    numbers: Any = field(default_factory=lambda: count(1))

    async def registry(self, effective: datetime = LONG_AGO) -> int:
        number: int = await self.db.fetchval(
            "insert into registry_versions (effective, source, digest)"
            " values ($1, 'test', '\\x00') returning id",
            effective,
        )
        return number

    async def entity(
        self, kind: str, path: str, definition: Json | None, effective: datetime = LONG_AGO
    ) -> None:
        await self.db.execute(
            "insert into entity_versions values ($1, $2, $3, $4, $5)",
            kind,
            path,
            await self.registry(effective),
            effective,
            definition,
        )

    async def channel(self, path: str, **version: Any) -> int:
        number: int = await self.db.fetchval(
            "insert into channels (enterprise, source, channel) values ($1, $2, $3) returning id",
            *path.split("/"),
        )
        await self.channel_version(number, **version)
        return number

    async def channel_version(
        self,
        channel: int,
        *,
        effective: datetime = LONG_AGO,
        ended: bool = False,
        parameter: str = "0330",
        period: int = 60,
        stuck_after: timedelta = timedelta(hours=2),
        max_step: float = inf,
    ) -> None:
        await self.db.execute(
            "insert into channel_versions (channel, version, effective, ended, parameter, uom,"
            " range_low, range_high, period_us, missing, stuck_after_us, max_step, basis)"
            " values ($1, $2, $3, $4, $5, 'mg/m3', -5, 5000, $6, '{-1}', $7, $8, $9)",
            channel,
            await self.registry(effective),
            effective,
            ended,
            parameter,
            period * 1_000_000,
            stuck_after // timedelta(microseconds=1),
            max_step,
            {"dry": True, "o2": 6},
        )

    async def unit(self, path: str, channels: dict[str, int]) -> int:
        number: int = await self.db.fetchval(
            "insert into units (enterprise, unit) values ($1, $2) returning id", *path.split("/")
        )
        await self.db.execute(
            "insert into unit_versions values ($1, $2, $3, false, $4, $5)",
            number,
            await self.registry(),
            LONG_AGO,
            list(channels),
            list(channels.values()),
        )
        return number

    async def limit(
        self, channel: int, value: float, average: str, window: timedelta, **version: Any
    ) -> tuple[int, int]:
        number: int = await self.db.fetchval(
            "insert into limits (permit, channel, average, window_us) values"
            " ('KZ28VDD00145762', $1, $2, $3) returning id",
            channel,
            average,
            window // timedelta(microseconds=1),
        )
        return number, await self.limit_version(number, value, **version)

    async def limit_version(
        self,
        limit: int,
        value: float,
        *,
        effective: datetime = LONG_AGO,
        ended: bool = False,
        valid_from: datetime = LONG_AGO,
        valid_until: datetime = LONG_AGO + timedelta(days=1826),
    ) -> int:
        version = await self.registry(effective)
        await self.db.execute(
            "insert into limit_versions values ($1, $2, $3, $4, $5, $6, $7, 'mg/m3', '2/3',"
            " '0.8', '0.95', 0, 300000000)",
            limit,
            version,
            effective,
            ended,
            valid_from,
            valid_until,
            value,
        )
        return version

    async def batch(self, received_at: datetime, **columns: Any) -> int:
        """Write a batch; columns are lists, those of a group of the same length."""
        units = columns.get("units", [])
        counts = {
            name: columns.get(name, [0] * len(units))
            for name in (
                "messages_stored",
                "messages_duplicate",
                "messages_quarantined",
                "readings_stored",
                "readings_duplicate",
                "readings_revised",
                "readings_quarantined",
            )
        }
        rest = {
            name: columns.get(name, [])
            for name in ("boots", "seq_first", "seq_last", "channels", "newest")
        }
        number: int = next(self.numbers)
        every = {"units": units, **counts, **rest}
        marks = ", ".join(f"${n + 3}" for n in range(len(every)))
        await self.db.execute(
            # our own column names
            f"insert into batches (id, received_at, {', '.join(every)}) values ($1, $2, {marks})",  # noqa: S608
            number,
            received_at,
            *every.values(),
        )
        return number

    async def readings(
        self,
        channel: int,
        samples: Iterable[tuple[datetime, float | None]],
        *,
        received_at: datetime | None = None,
        status: int = 0,
        flags: int = 0,
    ) -> int:
        """Write first revisions in one batch, received a second after the last of them."""
        rows = list(samples)
        newest = max(time for time, _ in rows)
        batch = await self.batch(
            received_at or newest + timedelta(seconds=1), channels=[channel], newest=[newest]
        )
        await self.db.executemany(
            "insert into readings values ($1, $2, $3, $4, $5, $6)",
            [(time, value, batch, channel, status, flags) for time, value in rows],
        )
        return batch

    async def revision(
        self, channel: int, time: datetime, value: float | None, received_at: datetime, number: int
    ) -> int:
        batch = await self.batch(received_at)
        await self.db.execute(
            "insert into revisions values ($1, $2, $3, $4, 0, 64, $5)",
            time,
            value,
            batch,
            channel,
            number,
        )
        return batch

    async def block(
        self,
        channel: int,
        start: datetime,
        mean: float | None,
        length: timedelta = 20 * MINUTE,
        *,
        filled: int = 20,
        revision: int = 0,
        known_at: datetime | None = None,
    ) -> None:
        await self.db.execute(
            "insert into blocks values ($1, $2, $3, $4, $10, $5, $6, $7, $7, $8, $9)",
            start,
            start + length,
            mean,
            (mean or 0.0) * filled,
            channel,
            length // timedelta(seconds=1),
            filled,
            length // MINUTE,
            revision,
            known_at or start + length + MINUTE,
        )

    async def reported(
        self,
        channel: int,
        unit: int,
        start: datetime,
        value: float | None,
        *,
        length: timedelta = 20 * MINUTE,
        revision: int = 0,
        status: int = 0,
        known_at: datetime | None = None,
    ) -> None:
        await self.db.execute(
            "insert into reported_averages (start, finish, known_at, value, channel, window_s,"
            " unit, revision, status) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            start,
            start + length,
            known_at or start + length,
            value,
            channel,
            length // timedelta(seconds=1),
            unit,
            revision,
            status,
        )

    async def judgement(
        self, limit: tuple[int, int], start: datetime, mean: float | None, state: int, **more: Any
    ) -> None:
        length = more.get("length", 20 * MINUTE)
        filled = more.get("filled", 20)
        await self.db.execute(
            "insert into judgements values ($1, $2, $3, $10, $4, $5, $6, $7, $8, $9)",
            start,
            start + length,
            mean,
            *limit,
            filled,
            length // MINUTE,
            state,
            more.get("revision", 0),
            more.get("known_at", start + length + MINUTE),
        )

    async def alert(
        self,
        limit: tuple[int, int],
        opened_at: datetime,
        *,
        state: str = "open",
        severity: str = "exceedance",
        number: UUID | None = None,
    ) -> UUID:
        number = number or uuid4()
        await self.db.execute(
            'insert into alerts (id, "limit", limit_version, state, severity, worst, opened_at,'
            " peak, peak_at, value, changed_at)"
            " values ($1, $2, $3, $4, $5, $5, $6, 812.5, $6, 790.0, $6)",
            number,
            *limit,
            state,
            severity,
            opened_at,
        )
        return number

    async def disagreement(self, channel: int, opened_at: datetime, average: str) -> UUID:
        number = uuid4()
        await self.db.execute(
            "insert into alerts (id, kind, channel, average, state, severity, worst, opened_at,"
            " peak, peak_at, value, changed_at)"
            " values ($1, 'disagreement', $2, $3, 'open', 'warning', 'warning', $4, 30.25, $4,"
            " 21.5, $4)",
            number,
            channel,
            average,
            opened_at,
        )
        return number

    async def history(self, alert: UUID, moment: datetime, change: str) -> None:
        await self.db.execute(
            "insert into alert_history (alert, at, change, state, severity, value, evidence)"
            " values ($1, $2, $3, 'open', 'exceedance', 790.0, $4)",
            alert,
            moment,
            change,
            {"count": 20},
        )

    async def notice(self, alert: UUID, created_at: datetime, **columns: Any) -> UUID:
        number = uuid4()
        await self.db.execute(
            "insert into notices (id, alert, recipient, type, body, created_at, state, attempts,"
            " last_attempt_at, last_outcome) values"
            " ($1, $2, 'committee', 'kz.ams.alert.opened', '{}', $3, $4, $5, $6, $7)",
            number,
            alert,
            created_at,
            columns.get("state", "waiting"),
            columns.get("attempts", 0),
            columns.get("last_attempt_at"),
            columns.get("last_outcome"),
        )
        return number

    async def boot(self, unit: int, boot: str, received: str = "{}", **at: datetime) -> int:
        number: int = await self.db.fetchval(
            "insert into boots (unit, boot, first_at, last_at, received)"
            " values ($1, $2, $3, $4, $5::text::int8multirange) returning id",
            unit,
            boot,
            at["first_at"],
            at.get("last_at", at["first_at"]),
            received,
        )
        return number

    async def aside(self, moment: datetime, **columns: Any) -> int:
        number: int = await self.db.fetchval(
            "insert into quarantine (topic, enterprise, unit, unit_id, key, reason, detail, count,"
            " first_at, last_at, payload, digest, batch) values"
            " ($1, $2, $3, $4, $5, $6, 'why', $7, $8, $8, $9, $10, 1) returning id",
            columns.get("topic", "ams/v1/gres1/ams-1/readings"),
            columns.get("enterprise", "gres1"),
            columns.get("unit", "ams-1"),
            columns.get("unit_id", 0),
            columns.get("key"),
            columns.get("reason", "not JSON"),
            columns.get("count", 1),
            moment,
            columns.get("payload", b"\xff{"),
            uuid4().bytes,
        )
        return number


async def plant(world: World) -> dict[str, int]:
    """Make the enterprise gres1 with one stack, three channels and the unit that reports them."""
    await world.entity("enterprise", "gres1", {"name": NAMES, "region": "KZ-PAV", "category": 1})
    await world.entity("source", "gres1/stack-1", {"number": "0001", "position": [51.9, 75.4]})
    made = {
        key: await world.channel(f"gres1/stack-1/{key}", parameter=parameter)
        for key, parameter in (("so2", "0330"), ("nox", "0301"), ("o2", "o2"))
    }
    made["ams-1"] = await world.unit("gres1/ams-1", dict(made))
    return made
