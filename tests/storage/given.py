"""Batches for tests, written as rows that one can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from storage.received import AsideMessage, AsideValue, Columns, Outcome, Received

if TYPE_CHECKING:
    import asyncpg

    from storage.received import Committed

NOW = 20_000 * DAY + 10 * HOUR + 25 * MINUTE  # 2024-10-04 10:25 UTC
UNIT, OTHER_UNIT = 1, 2
SO2, NOX = 11, 12
NAN = float("nan")


@dataclass
class Message:
    """One message: ``readings`` are (channel, time, value) or (channel, time, value, status)."""

    readings: list[tuple[float, ...]] = field(default_factory=list)
    unit: int = UNIT
    boot: int = 0
    seq: int = -1
    seen: bool = False
    fresh: bool = True
    whole: bytes | None = None  # set aside whole: its bytes
    topic: str = "ams/v1/gres1/ams-1/readings"
    values: list[tuple[str, bytes]] = field(default_factory=list)  # set aside: (key, payload)


def batch(number: int, *messages: Message, at: int = NOW) -> Received:
    """Return the messages as the pipeline would hand them over."""
    rows = [(i, m, r) for i, m in enumerate(messages) for r in m.readings]
    columns = Columns(
        message=np.array([i for i, _, _ in rows], np.int32),
        channel=np.array([r[0] for _, _, r in rows], np.int32),
        time=np.array([r[1] for _, _, r in rows], np.int64),
        value=np.array([r[2] for _, _, r in rows], np.float64),
        status=np.array([r[3] if len(r) > 3 else 0 for _, _, r in rows], np.int16),
        flags=np.zeros(len(rows), np.int16),
    )
    return Received(
        batch=number,
        received_at=at,
        unit=np.array([m.unit for m in messages], np.int32),
        boot=np.array([m.boot for m in messages], np.int32),
        seq=np.array([m.seq for m in messages], np.int64),
        seen=np.array([m.seen for m in messages], np.bool_),
        readings=columns,
        fresh=np.array([m.fresh for _, m, _ in rows], np.bool_),
        aside_messages=[
            AsideMessage(i, m.topic, m.whole, "gres1", "ams-1", "not_json", "line 1, column 1")
            for i, m in enumerate(messages)
            if m.whole is not None
        ],
        aside_values=[
            AsideValue(
                *(i, m.topic, "gres1", "ams-1", m.unit, key),
                *("unknown_channel", f"no channel {key}", payload),
            )
            for i, m in enumerate(messages)
            for key, payload in m.values
        ],
    )


def late(*readings: tuple[float, ...], **more: object) -> Message:
    """Return a message whose readings are not strictly newer than all that is known."""
    return Message(list(readings), fresh=False, **more)  # type: ignore[arg-type]  # of a test


def outcomes(committed: Committed) -> tuple[list[str], list[str]]:
    """Return the names of the outcomes of readings and of messages."""
    return (
        [Outcome(code).name.lower() for code in committed.readings.tolist()],
        [Outcome(code).name.lower() for code in committed.messages.tolist()],
    )


async def make_units(conn: asyncpg.Connection) -> None:
    """Make the units that the batches name."""
    for unit in (UNIT, OTHER_UNIT):
        await conn.execute(
            "insert into units (id, enterprise, unit) overriding system value"
            " values ($1, 'gres1', $2)",
            unit,
            f"ams-{unit}",
        )


async def booked(conn: asyncpg.Connection) -> dict[str, int]:
    """Return the sums that the rows in ``batches`` count."""
    names = [
        *(f"messages_{name}" for name in ("stored", "duplicate", "quarantined")),
        *(f"readings_{name}" for name in ("stored", "duplicate", "revised", "quarantined")),
    ]
    sums = ", ".join(
        f"coalesce((select sum(n) from batches, unnest({name}) n), 0)::int as {name}"  # noqa: S608 - our names
        for name in names
    )
    row = await conn.fetchrow(f"select {sums}")
    return {name: count for name, count in row.items() if count}


__all__ = ["DAY", "HOUR", "MINUTE", "SECOND"]
