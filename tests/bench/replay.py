"""How fast history is judged again: ``python -m tests.bench.replay``.

First what `ams-server replay` and `registry what-if` do with readings once they are read (judging
and comparing), in readings a second of one core's time, beside the loop that one would write with
pandas, on the same data in the same minute. Then both commands end to end, on a database of its
own. ``--quick`` for less of everything.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from contextlib import contextmanager
from dataclasses import fields
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import structlog
from prometheus_client import CollectorRegistry
from rich.console import Console

from alerts.core.limits import Limits
from alerts.core.rounding import thresholds
from alerts.core.vocabulary import DAY, MINUTE
from alerts.history import Asked, earliest, judge_history, needed_from
from alerts.layout import Layout
from ingest.archive import Needed, Shelf, bulk_of, groups, limits_of, valid_of
from ingest.checkpoint import Checkpoint
from ingest.judge import start_judging
from ingest.judging import JudgingStore
from ingest.metrics import Metrics
from ingest.patience import Patience
from ingest.registry_command import apply_registry_file
from ingest.replay import replay
from ingest.replay_together import differing
from ingest.what_if import suppose, what_if
from ingest.what_if_compare import compared_alerts, compared_judgements, judgement_rows
from ingest.what_if_differences import Tally
from ingest.what_if_file import supposed_registry
from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.partitions import make_partitions
from storage.pool import open_pool
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.bench.core import machine_name
from tests.bench.running import command_line, folder, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

NOW = 1_772_323_200_000_000  # 2026-03-01T00:00:00Z
ZONE = "+05:00"
WINDOWS = {"20min": 20 * MINUTE, "1d": DAY}
LIMIT, TIGHTER = 700.0, 500.0
ROWS = np.dtype(
    [("channel", "i4"), ("time", "i8"), ("value", "f8"), ("valid", "i4"), ("status", "i2")]
)
BASELINE = 1_000_000  # readings


def readings(channels: int, minutes: int, over: int) -> NDArray[np.void]:
    """A value each minute up to NOW; one channel in ``over`` (0: none) is above at times."""
    rng = np.random.default_rng(5)
    rows = np.zeros(channels * minutes, ROWS)
    rows["channel"] = np.repeat(np.arange(1, channels + 1), minutes)
    rows["time"] = np.tile(NOW - minutes * MINUTE + np.arange(minutes) * MINUTE, channels)
    rows["value"] = rng.normal(300, 40, len(rows)).round(1)
    rows["valid"] = rng.random(len(rows)) > 0.02
    if over:
        minute = (rows["time"] - rows["time"][0]) // MINUTE
        above = minute % 60 >= 30 if minutes < 1440 else minute % 3000 < 60
        rows["value"][(rows["channel"] % over == 0) & above] += 500
    return rows


def a_layout(channels: int, limit: float) -> Layout:
    """Channels 1 … with a limit for each window."""
    number = channels * len(WINDOWS)
    of = np.repeat(np.arange(1, channels + 1, dtype=np.int32), len(WINDOWS))
    warn, clear_exceedance, clear_warning = thresholds(limit, "0.8", "0.95")
    columns: dict[str, Any] = {
        "limit": np.arange(1, number + 1), "version": 1, "channel": of,
        "window": np.tile(list(WINDOWS.values()), channels), "valid_after": 0,
        "valid_until": 2**62, "value": limit, "warn": warn, "clear_exceedance": clear_exceedance,
        "clear_warning": clear_warning, "coverage_numerator": 2, "coverage_denominator": 3,
        "open_after": 0, "clear_after": 5 * MINUTE, "legal": True,
    }  # fmt: skip
    kinds: dict[str, Any] = {"limit": np.int32, "version": np.int32, "legal": np.bool_}
    floats = dict.fromkeys(("value", "warn", "clear_exceedance", "clear_warning"), np.float64)
    kinds |= floats | {"channel": np.int32}
    arrays: list[Any] = [
        np.broadcast_to(columns[one.name], number).astype(kinds.get(one.name, np.int64))
        for one in fields(Limits)
    ]
    size = channels + 1
    return Layout.of(
        Limits(*arrays),
        active=np.arange(size) > 0,
        period=np.full(size, MINUTE),
        zone=np.zeros(size, np.int32),
        zones=(ZONE,),
    )


def judged_again(rows: NDArray[np.void], layouts: list[Layout], since: int) -> None:
    """Do what follows the reading: with one layout as the audit does, with two as what-if."""
    channels = np.arange(1, layouts[0].channels, dtype=np.int32)
    shelf = Shelf.of(channels, since - 2 * DAY, NOW, rows)
    span, tally = (since, NOW), Tally()
    for group in groups(layouts[0], channels, *span):
        own = shelf.find(group, since - 2 * DAY, NOW)
        assert own is not None
        ends = np.full(len(group), NOW)
        limits = [limits_of(layout, group) for layout in layouts]
        needed = Needed(needed_from(since, limits[0], {}), earliest(since, {}))
        bulk = bulk_of(layouts[0], group, valid_of(layouts[0], group, own, needed, ends), ends)
        asks = [Asked(group, np.full(len(group), since), ends, one, {}) for one in limits]
        found = [judge_history(bulk, ask) for ask in asks]
        tables = [
            judgement_rows(f.judgements, a.limits, *span) for f, a in zip(found, asks, strict=True)
        ]
        if len(layouts) == 1:
            stored = np.zeros(len(tables[0]), [*tables[0].dtype.descr, ("mean", "f8")])
            for name in tables[0].dtype.names or ():
                stored[name] = tables[0][name]
            stored["mean"] = tables[0]["value"]
            differing(asks[0], found[0], stored, span)
        else:
            compared_judgements(tables[0], tables[1], tally)
            compared_alerts(found[0].alerts, found[1].alerts, span, tally)


def plain_loop(rows: NDArray[np.void]) -> None:
    """Judge channel by channel as one would write it: no alerts' course, no exact rounding."""
    for channel in np.split(rows, 1 + np.flatnonzero(np.diff(rows["channel"]))):
        own = channel[channel["valid"] == 1]
        series = pd.Series(own["value"], pd.to_datetime(own["time"], unit="us", utc=True))
        for window in ("20min", "24h"):
            blocks = series.resample(window, offset="-5h").agg(["mean", "count"])
            _ = (blocks["mean"].round(9) > LIMIT) & (blocks["count"] * 3 >= 2)
        rolling = series.rolling("20min")
        _ = (rolling.mean() >= 0.8 * LIMIT) & (rolling.count() * 3 >= 2 * 20)


def rate(work: Callable[[], object], number: int, rounds: int = 3) -> float:
    """Return readings a second of one core's time, the best of some rounds."""
    times = []
    for _ in range(rounds):
        began = process_time()
        work()
        times.append(process_time() - began)
    return number / min(times)


def once_read(quick: bool) -> None:  # noqa: FBT001 - the option
    scale = 10 if quick else 1
    cases = (
        ("90 days of minutes, calm", 40 // scale, 90 * 1440, 0),
        ("  one in ten above at times", 40 // scale, 90 * 1440, 10),
        ("  all above at times", 40 // scale, 90 * 1440, 1),
        ("2 hours of minutes, calm", 20_000 // scale, 120, 0),
        ("  one in ten above at times", 20_000 // scale, 120, 10),
        ("  all above at times", 20_000 // scale, 120, 1),
    )
    print("once read, readings a second of one core's time (best of 3); limits over 20min and 1d")
    for name, channels, minutes, over in cases:
        rows = readings(channels, minutes, over)
        since, n = NOW - minutes * MINUTE, len(rows)
        layouts = [a_layout(channels, value) for value in (LIMIT, TIGHTER)]
        audit = rate(lambda r=rows, s=since, x=layouts: judged_again(r, x[:1], s), n)  # type: ignore[misc]
        both = rate(lambda r=rows, s=since, x=layouts: judged_again(r, x, s), n)  # type: ignore[misc]
        few = max(1, (BASELINE // 4) // minutes)
        some = rows[: min(few, 200) * minutes]
        plain = rate(lambda r=some: plain_loop(r), len(some), 1)  # type: ignore[misc]
        print(
            f"  {name:32} {channels:>6,} channels  replay {audit / 1e6:5.1f} M  what-if "
            f"{both / 1e6:5.1f} M  pandas loop {plain / 1e6:5.2f} M  ({audit / plain:,.0f} x)"
        )


# ---------------------------------------------------------------- end to end

_READINGS = """
insert into readings (time, value, batch, channel, status, flags)
select $1::timestamptz - n * interval '1 minute',
       round((300 + 40 * sin(n * 0.7 + c)
              + (c % 10 = 0 and (n / 60) % 50 = 7)::int * 500)::numeric, 1), 1, c, 0, 0
from generate_series(1, $2::int) n, generate_series(1, $3::int) c
"""
_BATCH = """
insert into batches (id, received_at, oldest, units, messages_stored, messages_duplicate,
    messages_quarantined, readings_stored, readings_duplicate, readings_revised,
    readings_quarantined, boots, seq_first, seq_last, channels, newest)
select 1, $1::timestamptz, $1::timestamptz - $2::int * interval '1 minute', '{}', '{}', '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', array_agg(c), array_agg($1 - interval '1 minute')
from generate_series(1, $3::int) c
"""


def registry(channels: int, limit: float) -> str:
    """A plant with that many channels on one stack, as JSON."""
    names = [f"c{n}" for n in range(1, channels + 1)]
    entries = [{"id": n, "parameter": "0330", "unit": "mg/m3", "period": "60s"} for n in names]
    plant = {"id": "gres1", "name": {"en": "GRES-1"}, "reporting_zone": ZONE}
    source = {"id": "stack-1", "channels": entries}
    limits = [
        {"source": "stack-1", "channel": n, "value": limit, "unit": "mg/m3", "average": average}
        for n in names
        for average in WINDOWS
    ]
    valid = {"from": "2025-01-01", "until": "2030-12-31"}
    permit = {"number": "KZ1", "enterprise": "gres1", "valid": valid, "limits": limits}
    return json.dumps({"enterprises": [{**plant, "sources": [source]}], "permits": [permit]})


@contextmanager
def told(name: str, number: int) -> Iterator[None]:
    """Print how long the body takes for that many readings."""
    tell(name)
    began, used = perf_counter(), process_time()
    yield
    took, used = perf_counter() - began, process_time() - used
    print(
        f"  {name:8} {number / took / 1e6:5.2f} M readings/s, {took:5.1f} s, of them {used:5.1f} s "
        "here, the rest in PostgreSQL"
    )


async def end_to_end(place: Path, channels: int, days: int) -> None:
    known, tighter = place / "known.json", place / "tighter.json"
    known.write_text(registry(channels, LIMIT))
    tighter.write_text(registry(channels, TIGHTER))
    minutes, span = days * 1440, (NOW - days * DAY, NOW)
    n = channels * minutes
    async with EmbeddedPostgres(place / "database") as url:
        pool = await open_pool(url, size=4)
        async with pool.acquire() as conn:
            await migrate(conn)
            await make_partitions(conn, NOW)
            await apply_registry_file(
                conn, known, default_zone=ZONE, effective=from_micros(span[0])
            )
            tell(f"storing {n:,} readings")
            for statement in (_READINGS, _BATCH):
                await conn.execute(statement, from_micros(NOW), minutes, channels, timeout=3600)
            await conn.execute("analyze")
            found = await load_registry(conn, NOW, ZONE)
        tell("judging them for the first time")
        store = JudgingStore(pool, Patience(Metrics(CollectorRegistry(), version="bench")), "urn:b")
        judge = await start_judging(store, found, lambda: NOW, Checkpoint.of(place, "bench"))
        await judge.finish()
        moments = [from_micros(one) for one in span]
        async with pool.acquire() as conn:
            with told("replay", n):
                lines = await replay(
                    conn, moments[0], moments[1], ZONE, Console(file=io.StringIO())
                )
            with told("what-if", n):
                document = supposed_registry(tighter, None)
                supposed = await suppose(conn, document, since=span[0], now=NOW, default_zone=ZONE)
                asked = await what_if(conn, supposed, span, now=NOW)
                number = sum([len(some) async for some in asked.differences()])
        print(f"  {len(lines)} differences from what is stored; under the tighter limit {number}")
        await pool.close()


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    quick = parser.parse_args().quick
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    print(machine_name())
    once_read(quick)
    for channels, days in ((4, 90), (500, 1)) if quick else ((40, 90), (5_000, 1)):
        print(f"end to end: {channels:,} channels, {days} days of minutes")
        with folder() as place:
            asyncio.run(end_to_end(place, channels, days))


if __name__ == "__main__":
    main()
