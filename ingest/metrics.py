"""Every metric of the server, with a sentence each, on a registry that is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from alerts.core.vocabulary import SECOND, Judgement, Severity
from storage.received import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from storage.received import Committed, Received

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MESSAGE_OUTCOMES = (Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED)
ALERT_STATES = ("pending", "open")
NOTICE_OUTCOMES = ("delivered", "failed", "expired")

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0  # seconds
_COMMIT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 300_000)
_LAGS = (1, 2, 5, 10, 20, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 20 * _MINUTE, _HOUR, 6 * _HOUR,
         _DAY, 7 * _DAY, 30 * _DAY)  # fmt: skip


class BulkHistogram(Collector):
    """A histogram that takes an array of observations at once."""

    def __init__(
        self, name: str, documentation: str, buckets: Iterable[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation = name, documentation
        self._bounds = np.array(list(buckets), np.float64)
        self._counts = np.zeros(len(self._bounds) + 1, np.int64)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: NDArray[np.float64]) -> None:
        """Count each of ``values``; a bucket holds what is at most its bound."""
        if not len(values):
            return
        places = np.searchsorted(self._bounds, values)
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the histogram as it is now."""
        bounds = [f"{bound}" for bound in self._bounds.tolist()] + ["+Inf"]
        totals = np.cumsum(self._counts).astype(np.float64).tolist()
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], list(zip(bounds, totals, strict=True)), self._sum)
        return [family]


class Metrics:
    """The metrics; parts of the server set what they know, ``observe`` takes what is committed."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self._registry = registry

        def counter(name: str, sentence: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, sentence, labels, registry=registry)

        def gauge(name: str, sentence: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(name, sentence, labels, registry=registry)

        self.messages = counter("ams_messages", "Messages committed, by outcome.", ("outcome",))
        self.readings = counter("ams_readings", "Readings committed, by outcome.", ("outcome",))
        self.reported_messages = counter(
            "ams_reported_messages", "Messages of units' own means, by outcome.", ("outcome",)
        )
        self.reported_averages = counter(
            "ams_reported_averages", "Units' own means committed, by outcome.", ("outcome",)
        )
        self.careful = counter(
            "ams_careful_messages", "Messages that the fast decoder left to the careful one."
        )
        self.commit_seconds = Histogram(
            "ams_commit_seconds",
            "Duration of an attempt to commit.",
            buckets=_COMMIT,
            registry=registry,
        )
        self.commit_failures = counter(
            "ams_commit_failures", "Commits that failed and were tried again."
        )
        self.batch_readings = Histogram(
            "ams_batch_readings", "Readings in a batch.", buckets=_SIZES, registry=registry
        )
        self.unacked_messages = gauge("ams_unacked_messages", "Messages not yet acknowledged.")
        self.oldest_unacked = gauge(
            "ams_oldest_unacked_seconds", "Age of the oldest message not yet acknowledged."
        )
        self.event_lag = BulkHistogram(
            "ams_event_lag_seconds", "Receipt of a reading minus its time.", _LAGS, registry
        )
        self.evaluation_seconds = Histogram(
            "ams_evaluation_seconds",
            "Duration of judging a batch, averages and alerts.",
            buckets=_COMMIT,
            registry=registry,
        )
        self.unjudged_batches = gauge("ams_unjudged_batches", "Committed batches not yet judged.")
        self.channels = gauge("ams_channels", "Channels in the registry.")
        self.alerts = gauge("ams_alerts", "Current alerts.", ("state", "severity"))
        self.compliance_seconds = Histogram(
            "ams_compliance_seconds",
            "Duration of judging some channels by their rule sets.",
            buckets=_COMMIT,
            registry=registry,
        )
        self.compliance = gauge(
            "ams_compliance", "Running periods of rule sets' conditions, by state.", ("state",)
        )
        self.notices = counter("ams_notices", "Attempts to deliver a notice.", ("outcome",))
        self.notices_waiting = gauge("ams_notices_waiting", "Notices not yet delivered.")
        self.quarantine_items = gauge("ams_quarantine_items", "Items waiting in quarantine.")
        self.disk_free = gauge("ams_disk_free_bytes", "Free space where the database keeps data.")
        self.intake_paused = gauge("ams_intake_paused", "1 while nothing is received.")
        self.database_up = gauge("ams_database_up", "1 while the database answers.")
        self.broker_up = gauge("ams_broker_up", "1 while the subscription is live.")
        self.build_info = gauge("ams_build_info", "Version of the server; always 1.", ("version",))
        self.build_info.labels(version).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        for outcome in MESSAGE_OUTCOMES:
            self.messages.labels(label(outcome))
            self.reported_messages.labels(label(outcome))
        for outcome in Outcome:
            self.readings.labels(label(outcome))
            self.reported_averages.labels(label(outcome))
        for name in NOTICE_OUTCOMES:
            self.notices.labels(name)
        for judgement in Judgement:
            self.compliance.labels(judgement.label).set(0)
        self.set_alerts({})

    def set_alerts(self, counts: dict[tuple[str, str], int]) -> None:
        """Set how many alerts there are by (state, severity); 0 for those not named."""
        for state in ALERT_STATES:
            for severity in (Severity.WARNING.label, Severity.EXCEEDANCE.label):
                self.alerts.labels(state, severity).set(counts.get((state, severity), 0))

    def watch_link(
        self,
        *,
        connected: Callable[[], bool],
        unacked: Callable[[], int],
        oldest_unacked_at: Callable[[], int | None],
        clock: Callable[[], int],
    ) -> None:
        """Let the broker's gauges ask the link whenever they are read; times in microseconds."""

        def age() -> float:
            oldest = oldest_unacked_at()
            return 0.0 if oldest is None else max(0.0, (clock() - oldest) / SECOND)

        self.broker_up.set_function(connected)
        self.unacked_messages.set_function(unacked)
        self.oldest_unacked.set_function(age)

    def observe(self, received: Received, committed: Committed) -> None:
        """Count a committed batch."""
        messages = np.bincount(committed.messages, minlength=len(Outcome))
        readings = np.bincount(committed.readings, minlength=len(Outcome))
        readings[Outcome.QUARANTINED] += committed.values_quarantined
        readings[Outcome.DUPLICATE] += committed.values_duplicate
        for outcome in MESSAGE_OUTCOMES:
            self.messages.labels(label(outcome)).inc(int(messages[outcome]))
        for outcome in Outcome:
            self.readings.labels(label(outcome)).inc(int(readings[outcome]))
        self.batch_readings.observe(int(readings.sum()))
        self.event_lag.observe((received.received_at - received.readings.time) / SECOND)

    def observe_reported(
        self, averages: Mapping[Outcome, int], messages: Mapping[Outcome, int]
    ) -> None:
        """Count what became of units' own means and of the messages they came in."""
        for outcome in MESSAGE_OUTCOMES:
            self.reported_messages.labels(label(outcome)).inc(messages[outcome])
        for outcome in Outcome:
            self.reported_averages.labels(label(outcome)).inc(averages[outcome])

    def render(self) -> bytes:
        """Return everything in the Prometheus text format, see ``CONTENT_TYPE``."""
        return generate_latest(self._registry)


def label(outcome: Outcome) -> str:
    """Return an outcome as metrics and ledger name it."""
    return outcome.name.lower()
