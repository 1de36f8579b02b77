"""The running server: its parts made and wired, and worked until they are told to stop.

Stopping loses nothing: intake ends, what was received is committed and acknowledged, the last
judgements and notices are written; then broker and database are left.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from alerts.delivery import Delivery, Outbox, Policy
from alerts.recipients import recipient
from console.app import Health, build_app
from ingest.broker_url import parse_broker_url
from ingest.checkpoint import Checkpoint
from ingest.compliance import Follower
from ingest.control import Control
from ingest.embedded_broker import EmbeddedBroker
from ingest.housekeeping import Housekeeping
from ingest.judge import start_judging
from ingest.judging import JudgingStore
from ingest.link import Link, wall_clock
from ingest.metrics import CONTENT_TYPE, Metrics
from ingest.patience import Patience
from ingest.pipeline import Pipeline, Ports
from ingest.ready_file import Urls, write_ready_file
from ingest.reporting import Reporting
from ingest.restore import DatabasePorts, restore
from ingest.units import UnitStates
from ingest.watch import Watcher
from storage import notices
from storage.errors import Unavailable
from storage.pool import unavailable
from storage.times import to_micros
from storage.watch import installation

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable
    from pathlib import Path

    import asyncpg
    from aiohttp import web

    from alerts.recipients import Recipient
    from ingest.broker_url import BrokerUrl
    from ingest.settings import Settings
    from storage.embedded import EmbeddedPostgres
    from storage.lock import ServerLock
    from storage.registry import Registry

_log = structlog.get_logger(__name__)

DAY = 86_400  # seconds
DRAIN = 45.0  # seconds that a stop waits for a database that hangs


class Server:
    """The running parts; ``start`` makes them, ``run`` works until told to stop."""

    http: str

    def __init__(  # noqa: PLR0913, PLR0917 - what was opened before it
        self,
        settings: Settings,
        url: str,
        pool: asyncpg.Pool,
        metrics: Metrics,
        postgres: EmbeddedPostgres | None,
        lock: ServerLock,
    ) -> None:
        self.settings = settings
        self.url = url
        self.pool = pool
        self.metrics = metrics
        self.postgres = postgres
        self.lock = lock
        self.broker: EmbeddedBroker | None = None
        self.starting = True

    async def start(
        self,
        registry: Registry,
        recipients: list[dict[str, Any]],
        directories: list[Path],
        stack: contextlib.AsyncExitStack,
    ) -> None:
        """Restore what the database knows, then connect to the broker."""
        settings = self.settings
        name = await installation(self.pool)
        accept_from = settings.accept_from
        patience = Patience(self.metrics)
        self.store = JudgingStore(self.pool, patience, f"urn:uuid:{name}", recipients)
        self.compliance = Follower(
            self.store, self.metrics, settings.reporting_zone, self._settled_until
        )
        await self.compliance.watch()
        checkpoint = Checkpoint.of(settings.data_dir, name)
        self.judge = await start_judging(self.store, registry, wall_clock, checkpoint)
        self.judging_patience = patience
        async with unavailable("restore the intake"), self.pool.acquire() as conn:
            self.preparer, next_batch, receipts = await restore(
                conn,
                registry,
                accept_from=None if accept_from is None else to_micros(accept_from),
                since=wall_clock() - 30 * DAY * 1_000_000,
            )
        self.units = UnitStates(self.pool, registry)
        broker = await self._broker(stack)
        client_id = f"ams-{name}"
        self.link = Link(broker, client_id, mqtt5=self.broker is None)
        self.control = Control(broker, client_id, self.units.note)
        for one in receipts:
            self.control.receipt(one.enterprise, one.unit, one.boot, one.seq, wall_clock())
        self.pipeline = Pipeline(self._ports(), self.preparer, self.metrics, next_batch=next_batch)
        self.reporting = Reporting(
            broker,
            client_id,
            self.store,
            registry,
            self.metrics,
            mqtt5=self.broker is None,
            accept_from=None if accept_from is None else to_micros(accept_from),
            paused=lambda: self.pipeline.paused,
        )
        self.delivery = self._delivery(recipients)
        self.store.wake = self.delivery.wake
        self.judge.waiting_since = self._waiting_since
        self.housekeeping = Housekeeping(
            self.pool,
            self.pipeline,
            self.preparer,
            self.judge,
            self.metrics,
            settings.retention,
            directories,
            wall_clock,
        )
        self.watcher = Watcher(
            self.pool,
            registry,
            settings.reporting_zone,
            wall_clock,
            use=self._use,
            retry=self._retry_marked,
            revise=self.pipeline.revise,
        )
        self.metrics.watch_link(
            connected=lambda: self.link.connected and self.reporting.link.connected,
            unacked=lambda: self.link.unacked + self.reporting.link.unacked,
            oldest_unacked_at=self._oldest_unacked_at,
            clock=wall_clock,
        )
        await stack.enter_async_context(self.link)
        await stack.enter_async_context(self.reporting)
        await stack.enter_async_context(self.control)

    async def _broker(self, stack: contextlib.AsyncExitStack) -> BrokerUrl:
        settings = self.settings
        if settings.broker:
            return parse_broker_url(
                settings.broker,
                ca_file=settings.broker_ca,
                cert_file=settings.broker_certificate,
                key_file=settings.broker_key,
            )
        self.broker = EmbeddedBroker(
            settings.data_dir / "broker", settings.mqtt_host, settings.mqtt_port
        )
        await stack.enter_async_context(self.broker)
        return parse_broker_url(self.broker.url)

    def _ports(self) -> Ports:
        database = DatabasePorts(self.pool, wall_clock)
        return Ports(
            receive=self.link.receive,
            acknowledge=self.link.acknowledge,
            commit=database.commit,
            look_up_boots=database.look_up_boots,
            take_retries=database.take_retries,
            settle=database.settle,
            revise=database.revise,
            receipt=self.control.receipt,
            judge=self.judge.judge,
            follow=self.judge.follow,
            clock=wall_clock,
        )

    def _delivery(self, recipients: list[dict[str, Any]]) -> Delivery:
        outbox = Outbox(
            heads=partial(notices.waiting_heads, self.pool),
            record=partial(notices.record_attempt, self.pool),
            expire=partial(notices.expire, self.pool),
            unavailable=Unavailable,
        )
        return Delivery(
            outbox,
            _by_id(recipients),
            clock=wall_clock,
            count=lambda outcome, n: self.metrics.notices.labels(outcome).inc(n),
            policy=Policy(keep=self.settings.notice_expiry * float(DAY)),
        )

    async def _use(self, registry: Registry, recipients: list[dict[str, Any]]) -> None:
        """Go over to a registry that was applied, or that has come into force."""
        self.store.recipients = recipients
        self.delivery.use(_by_id(recipients))
        self.units.use(registry)
        self.pipeline.use(registry)
        self.reporting.use(registry)
        await self.judge.follow(registry)

    def _oldest_unacked_at(self) -> int | None:
        both = (self.link.oldest_unacked_at, self.reporting.link.oldest_unacked_at)
        return min((one for one in both if one is not None), default=None)

    def _waiting_since(self) -> int | None:
        """Return when the oldest message was received that is not judged, None where all are."""
        waiting = (self.link.oldest_unacked_at, self.pipeline.oldest_unjudged_at)
        return min((one for one in waiting if one is not None), default=None)

    def _settled_until(self) -> int:
        """Return up to when nothing waits to be judged: what compliance is judged as of."""
        now, waiting = wall_clock(), self._waiting_since()
        return now if waiting is None else min(now, waiting)

    def health(self) -> Health:
        """Return why the server is not ready, if it is not."""
        if self.starting:
            return Health(("the server is starting",))
        reasons = []
        away = self.watcher.error or self.pipeline.patience.error or self.judging_patience.error
        if away:
            reasons.append(f"the database is away: {away}")
        if not self.link.connected:
            reasons.append(f"the broker is away: {self.link.last_error}")
        elif self.reporting.away and not away:
            reasons.append(self.reporting.away)
        if self.pipeline.paused:
            reasons.append(f"nothing is received: {self.pipeline.paused}")
        return Health(tuple(reasons))

    def http_app(self) -> web.Application:
        """Return API, console and metrics of this server."""
        return build_app(
            self.pool,
            health=self.health,
            render_metrics=lambda: (self.metrics.render(), CONTENT_TYPE),
            retry=self._retry,
            reporting_zone=self.settings.reporting_zone,
        )

    async def _retry(self, _items: list[int]) -> None:
        self._retry_marked()

    def _retry_marked(self) -> None:
        self.pipeline.retry()
        self.reporting.retry()

    async def run(
        self, stop: asyncio.Event, ready_file: Path | None, ready: Callable[[Urls], None]
    ) -> None:
        """Work until ``stop`` is set; then finish what was received."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(work, name=name)
                for name, work in (
                    ("lock", self.lock.keep()),
                    ("judge", self.judge.run()),
                    ("housekeeping", self.housekeeping.run()),
                    ("compliance", self.compliance.run()),
                    ("watcher", self.watcher.run()),
                    ("units", self.units.run()),
                    ("reporting", self.reporting.run()),
                    *((("postgres", self.postgres.supervise()),) if self.postgres else ()),
                    *((("broker", self.broker.supervise()),) if self.broker else ()),
                )
            ]
            delivering = tasks.create_task(self.delivery.run(), name="delivery")
            receiving = tasks.create_task(self.pipeline.run(), name="pipeline")
            self.starting = False
            await self._connected(stop)
            if not stop.is_set():
                urls = Urls(self.http, self._mqtt(), self.url)
                if ready_file:
                    write_ready_file(ready_file, urls)
                ready(urls)
            await stop.wait()
            _log.info("stopping")
            # Whatever still waits for the database then fails, and is done after the next start.
            asyncio.get_running_loop().call_later(DRAIN, self.pool.terminate)
            self.judging_patience.give_up()
            self.pipeline.stop()
            self.reporting.stop()
            await receiving
            await self.judge.finish()
            await self.reporting.finish()
            self.delivery.stop()
            await delivering
            for task in background:
                task.cancel()
        _log.info("stopped")

    async def _connected(self, stop: asyncio.Event) -> None:
        """Wait until the subscription is live; a broker that is away is waited for."""
        told = time.monotonic()
        while not ((self.link.connected and self.reporting.link.connected) or stop.is_set()):
            await asyncio.sleep(0.02)
            if time.monotonic() - told > 5:  # noqa: PLR2004 - seconds between two words of it
                told = time.monotonic()
                error = self.link.last_error or self.reporting.link.last_error
                _log.warning("waiting for the broker", error=error)

    def _mqtt(self) -> str:
        return self.broker.url if self.broker else str(self.settings.broker)


def _by_id(entries: list[dict[str, Any]]) -> dict[str, Recipient]:
    return {str(entry["id"]): recipient(entry, os.environ) for entry in entries}
