"""The metrics that the contract promises, as Prometheus reads them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics import BulkHistogram, Metrics
from tests.fixtures.brokers import missing
from tests.pipeline.example import message

if TYPE_CHECKING:
    from tests.pipeline.plant import Plant

PROMISED: dict[str, list[dict[str, str]]] = {
    "ams_messages_total": [{"outcome": o} for o in ("stored", "duplicate", "quarantined")],
    "ams_readings_total": [
        {"outcome": o} for o in ("stored", "duplicate", "revised", "quarantined")
    ],
    "ams_commit_seconds_count": [{}],
    "ams_batch_readings_count": [{}],
    "ams_unacked_messages": [{}],
    "ams_oldest_unacked_seconds": [{}],
    "ams_event_lag_seconds_count": [{}],
    "ams_evaluation_seconds_count": [{}],
    "ams_channels": [{}],
    "ams_alerts": [
        {"state": state, "severity": severity}
        for state in ("pending", "open")
        for severity in ("warning", "exceedance")
    ],
    "ams_notices_total": [{"outcome": o} for o in ("delivered", "failed", "expired")],
    "ams_notices_waiting": [{}],
    "ams_quarantine_items": [{}],
    "ams_disk_free_bytes": [{}],
    "ams_database_up": [{}],
    "ams_broker_up": [{}],
    "ams_build_info": [{"version": "1.2"}],
}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_every_promised_metric_is_there_from_the_start() -> None:
    found = samples(Metrics(CollectorRegistry(), version="1.2"))
    for name, labels in PROMISED.items():
        for each in labels:
            value = found[name, tuple(sorted(each.items()))]
            assert value == (name == "ams_build_info")


def test_promtool_finds_no_fault() -> None:
    program = shutil.which("promtool")
    if program is None:
        missing("promtool")
    done = subprocess.run(
        [str(program), "check", "metrics"],
        input=Metrics(CollectorRegistry(), version="1.2").render(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = (Metrics(CollectorRegistry(), version="1.2") for _ in range(2))
    one.messages.labels("stored").inc()
    assert samples(one)["ams_messages_total", (("outcome", "stored"),)] == 1
    assert samples(other)["ams_messages_total", (("outcome", "stored"),)] == 0


def test_a_bulk_histogram_counts_like_one_observation_after_another() -> None:
    registry = CollectorRegistry()
    histogram = BulkHistogram("lag_seconds", "Lag.", (1.0, 10.0), registry)
    histogram.observe(np.array([-3.0, 1.0, 1.5]))
    histogram.observe(np.array([10.0, 11.0]))
    histogram.observe(np.array([]))
    counts = [
        registry.get_sample_value("lag_seconds_bucket", {"le": le})
        for le in ("1.0", "10.0", "+Inf")
    ]
    assert counts == [2, 4, 5]
    assert registry.get_sample_value("lag_seconds_sum") == 20.5


def test_the_link_is_asked_when_metrics_are_read() -> None:
    metrics = Metrics(CollectorRegistry(), version="1.2")
    oldest: list[int | None] = [2_000_000]
    metrics.watch_link(
        connected=lambda: True,
        unacked=lambda: 7,
        oldest_unacked_at=lambda: oldest[0],
        clock=lambda: 5_000_000,
    )
    found = samples(metrics)
    assert found["ams_broker_up", ()] == 1
    assert found["ams_unacked_messages", ()] == 7
    assert found["ams_oldest_unacked_seconds", ()] == 3
    oldest[0] = None
    assert samples(metrics)["ams_oldest_unacked_seconds", ()] == 0


async def test_counters_say_what_the_ledger_says(server: Plant) -> None:
    good = message({"so2": 1.0, "x": 1, "nox": None})
    await server.deliver(good, good, b"x", message({"so2": 2.0}, seq=2))
    found = samples(server.metrics)
    counted = {
        f"{kind}_{labels[0][1]}": value
        for kind in ("messages", "readings")
        for (name, labels), value in found.items()
        if name == f"ams_{kind}_total" and value
    }
    assert counted == await server.counts()
    assert found["ams_batch_readings_sum", ()] == 7
    assert found["ams_commit_seconds_count", ()] == 1
    assert found["ams_evaluation_seconds_count", ()] == 1
    assert found["ams_careful_messages_total", ()] == 3
