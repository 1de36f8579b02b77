"""Recorded years of real plants through broker, server and audit: every number and every alert.

29,349 hours of a gas turbine and 70,080 hours of eight turbines, as `ams-simulator replay` sends
them. What they must come to is worked out in recorded.py from the files alone.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.acceptance import recorded
from tests.acceptance.api import Api, instant
from tests.acceptance.server import AmsServer, run, serving, until
from tests.oracles import HOUR, MINUTE, Limit, Reading, alert_history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.acceptance.recorded import Histories, Recorded
    from tests.fixtures.brokers import Broker
    from tests.oracles import Alert

UCI_SAMPLES, EPA_SAMPLES = 24, 168  # a message
UCI_MESSAGES = -(-recorded.UCI_ROWS // UCI_SAMPLES)
UCI_READINGS = recorded.UCI_ROWS * len(recorded.UCI_COLUMNS)
STATUSES = ("valid", "calibration", "maintenance", "malfunction", "out_of_range", "start_up",
            "shut_down", "stopped", "substituted")  # fmt: skip


def uci_words() -> list[str | Path]:
    start = ("--start", "2022-01-01T00:00:00Z", "--samples-per-message", str(UCI_SAMPLES))
    return ["replay", *recorded.uci_files(), "--speed", "max", *start]


def epa_words() -> list[str | Path]:
    samples = ("--samples-per-message", str(EPA_SAMPLES))
    return ["replay", *recorded.epa_files(), "--speed", "max", "--format", "epa-cems", *samples]


async def simulate(words: Sequence[str | Path]) -> None:
    said = await run("ams-simulator", *words)
    assert said.code == 0, said.all


@pytest.mark.timeout(900)
async def test_recorded_years_on_both_brokers(here: Path, mosquitto: Broker) -> None:
    """Stored value by value, judged as the files say, audited, and known again when sent again.

    Both at once: most of the time goes by in waiting for the clock to judge the last windows.
    """
    registry = here / "registry"
    registry.mkdir()
    await simulate([*uci_words(), "--registry-out", registry / "uci.yaml"])
    await simulate([*epa_words(), "--registry-out", registry / "epa.yaml"])
    async with asyncio.TaskGroup() as group:
        twin = group.create_task(asyncio.to_thread(recorded.histories))
        for name, options in (("embedded", {}), ("mosquitto", {"broker": mosquitto.url})):
            directory = here / name
            directory.mkdir()
            group.create_task(recorded_years(directory, registry, twin, options))


def test_the_short_way_through_hourly_limits_is_the_twins() -> None:
    """recorded.hourly_history skips evaluations that change nothing: seen on six weeks."""
    rows = recorded.uci().readings
    rows = rows[rows["channel"].str.endswith("/nox")][4000:5000]
    readings = [
        Reading(time.value // 1000, value)
        for time, value in zip(rows["time"], rows["value"], strict=True)
    ]
    end = readings[-1].time + HOUR
    limit = Limit(75.0, HOUR, HOUR, valid_until=end)
    until = end + 2 * MINUTE
    short = recorded.hourly_history(readings, limit, until)
    assert len(short) > 20
    assert short == alert_history(readings, limit, until)


async def recorded_years(
    here: Path, registry: Path, twin: asyncio.Task[Histories], broker: dict[str, str]
) -> None:
    uci, epa = recorded.uci(), recorded.epa()
    options: dict[str, str | Path] = {
        "registry": registry,
        "accept_from": "2000-01-01T00:00:00Z",
        "retention": "100000",
        **broker,
    }
    async with serving(here, **options) as server, server.api() as api:
        to_broker = ("--broker", server.mqtt)
        await simulate([*uci_words(), *to_broker])
        await committed(api, UCI_MESSAGES)
        await server.all_judged()
        first = {alert["id"]: alert for alert in await api.alerts()}
        assert first
        await simulate([*uci_words(), *to_broker])
        await simulate([*epa_words(), *to_broker])
        await committed(api, 2 * UCI_MESSAGES)
        await assert_ledger(api, epa)
        await server.all_judged()
        for one in (uci, epa):
            await assert_readings(server, one)
            await assert_alerts(api, one.enterprise, await twin)
            await assert_judgements(api, one)
        assert first.keys() <= {alert["id"] for alert in await api.alerts()}, "ids are kept"
        audit = await server.command(
            "replay", "--start", "2016-12-01T00:00:00Z", "--end", "2025-12-01T00:00:00Z"
        )
        assert audit.code == 0, audit.all[:4000]
        assert audit.all.strip() == "no difference from what is stored"


async def committed(api: Api, messages: int) -> None:
    async def counted() -> bool:
        entries = await api.items("ledger", enterprise="gas-turbine")
        return sum(int(entry["messages"]["received"]) for entry in entries) >= messages

    await until(counted, f"{messages} messages of the gas turbine")


async def assert_ledger(api: Api, epa: Recorded) -> None:
    """What was sent twice is there once; each reading that was sent is counted."""
    units = epa.readings["channel"].str.split("/").str[1].unique()

    async def all_received() -> bool:
        ledger = await api.ledger(enterprise="idaho")
        received = sum(int(entry["readings"]["received"]) for entry in ledger.values())
        return received >= len(epa.readings)

    await until(all_received, "every reading of Idaho")
    ledger = await api.ledger()
    assert ledger.keys() == {"ams-1", *units}
    messages, readings = ledger["ams-1"]["messages"], ledger["ams-1"]["readings"]
    assert messages == {
        "received": 2 * UCI_MESSAGES,
        "stored": UCI_MESSAGES,
        "duplicate": UCI_MESSAGES,
        "quarantined": 0,
    }
    assert readings == {
        "received": 2 * UCI_READINGS,
        "stored": UCI_READINGS,
        "duplicate": UCI_READINGS,
        "revised": 0,
        "quarantined": 0,
    }
    for unit in units:
        hours = epa.readings["channel"].str.startswith(f"idaho/{unit}/").sum()
        counts = ledger[unit]["readings"]
        assert (counts["stored"], counts["received"]) == (hours, hours)


async def assert_readings(server: AmsServer, one: Recorded) -> None:
    """The database holds the files' values and statuses, no more and no less."""
    async with server.sql() as conn:
        rows = await conn.fetch(
            "select c.enterprise || '/' || c.source || '/' || c.channel, r.time, r.value, r.status"
            " from current_readings r join channels c on c.id = r.channel where c.enterprise = $1",
            one.enterprise,
        )
    stored = pd.DataFrame([tuple(row) for row in rows], columns=list(one.readings.columns))
    stored["status"] = np.array(STATUSES)[stored["status"].to_numpy(int)]
    stored = stored.sort_values(["channel", "time"], ignore_index=True)
    compare(stored, one.readings)


async def assert_judgements(api: Api, one: Recorded) -> None:
    expected = recorded.judgements(one)
    span = {
        "start": f"{expected['start'].min():%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{expected['start'].max() + pd.Timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
    }
    wanted = expected["window"].value_counts()
    items: list[dict[str, Any]] = []

    async def the_clock_closed_the_last() -> bool:
        items.clear()
        for window in ("1d", "1h"):
            found = await api.items("judgements", enterprise=one.enterprise, window=window, **span)
            items.extend(found)
            if len(found) < wanted[window]:
                return False
        return True

    await until(the_clock_closed_the_last, f"the last blocks of {one.enterprise}")
    shown = pd.DataFrame(
        {
            "channel": [path(item) for item in items],
            "window": [item["window"] for item in items],
            "start": pd.to_datetime([item["start"] for item in items], utc=True),
            "mean": np.array([item["mean"] for item in items], float),
            "count": [item["count"] for item in items],
            "state": [item["state"] for item in items],
        }
    ).sort_values(["channel", "window", "start"], ignore_index=True)
    # plants to the west end an hour later: until then the others are not assessable
    last = expected.groupby(["channel", "window"])["start"].max().rename("last").reset_index()
    beyond = shown.merge(last)["start"] > shown.merge(last)["last"]
    assert set(shown["state"][beyond]) <= {"not_assessable"}
    compare(shown[~beyond].reset_index(drop=True), expected)


def compare(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(found) == len(expected)
    for name in expected.columns:
        mine, theirs = found[name], expected[name]
        different = ~((mine == theirs) | (mine.isna() & theirs.isna()))
        assert not different.any(), f"{name}\n{found[different]}\n{expected[different]}"


async def assert_alerts(api: Api, enterprise: str, histories: Histories) -> None:
    """The alerts are the slow twin's, the last ones once the clock has judged their ends."""
    expected = {limit: a for limit, a in histories.items() if limit[0].startswith(enterprise)}
    assert any(expected.values())

    async def alerts() -> dict[tuple[str, str], list[tuple[Any, ...]]]:
        found: dict[tuple[str, str], list[tuple[Any, ...]]] = {limit: [] for limit in expected}
        for item in await api.alerts(enterprise=enterprise):
            assert item["state"] in {"open", "resolved"}, item
            found[path(item), item["window"]].append(shown_course(item))
        return found

    wanted = {limit: [course(alert) for alert in known] for limit, known in expected.items()}

    async def ended() -> bool:
        found = await alerts()
        return all(found[limit][-1:] == wanted[limit][-1:] for limit in wanted)

    await until(ended, f"the last alerts of {enterprise} to end")
    found = await alerts()
    for limit, courses in wanted.items():
        assert found[limit] == courses, limit


def path(item: dict[str, Any]) -> str:
    return "/".join(item[name] for name in ("enterprise", "source", "channel"))


def course(alert: Alert) -> tuple[Any, ...]:
    times = [moment(alert.opened_at), moment(alert.resolved_at), moment(alert.peak_at)]
    return (*times, alert.state, alert.severity, alert.worst, float(alert.peak))


def shown_course(item: dict[str, Any]) -> tuple[Any, ...]:
    times = [
        None if item[name] is None else instant(item[name])
        for name in ("opened_at", "resolved_at", "peak_at")
    ]
    return (*times, item["state"], item["severity"], item["worst"], item["peak"])


def moment(microseconds: int | None) -> datetime | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
