"""How long an alert takes: from the PUBLISH that completes its minute to the recipient's webhook.

Each of some units sends twenty minutes of readings whose last makes the 20-minute mean exceed its
limit, and a second or two later, at no particular moment, the reading that completes that minute.
Timed is that PUBLISH to the arrival of the signed notice, one clock for both, beside other traffic
of 1,000 messages of 10 values a second.

  python -m tests.bench.latency --alerts 200 --rate 1000
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiomqtt
import numpy as np
from aiohttp import web

from alerts.notice import SIGNATURE_HEADER, signature
from storage.pool import connect
from tests.bench.core import machine_name
from tests.bench.probing import SECRET, SECRET_NAME, add_probes
from tests.bench.running import (
    Scrape,
    command_line,
    folder,
    load,
    load_registry_file,
    mosquitto,
    server,
    tell,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

QUIET, HIGH, LIMIT = 50.0, 2000.0, 120.0  # mg/m3; the mean of 19 quiet ones and a high is 147
A_SECOND = 10  # alerts
PATIENCE = 60.0  # seconds for the last notice
MINUTE = timedelta(minutes=1)
STAGES = """
select c.source, extract(epoch from a.created_at)::float8 as judged
from alerts a join limits l on l.id = a."limit" join channels c on c.id = l.channel
where c.enterprise = 'probes'
"""


@dataclass
class Probes:
    """Clock of each unit's PUBLISH and of its notice's arrival, in seconds; wall clock too."""

    number: int
    sent: dict[str, float] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    told_at: dict[str, float] = field(default_factory=dict)
    all_told: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        """Take a notice."""
        body = await request.read()
        now, wall = time.monotonic(), time.time()
        assert request.headers[SIGNATURE_HEADER] == signature(SECRET.encode(), body)
        event = json.loads(body)
        if event["type"] == "kz.ams.alert.opened":
            self.told.setdefault(event["data"]["source"], now)
            self.told_at.setdefault(event["data"]["source"], wall)
            if len(self.told) == self.number:
                self.all_told.set()
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def receiving(probes: Probes) -> AsyncIterator[str]:
    """Run the webhook and give its URL."""
    app = web.Application()
    app.router.add_post("/hook", probes.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def probe(client: aiomqtt.Client, name: str, wait: float, probes: Probes) -> None:
    """Send one unit's twenty minutes, and ``wait`` seconds later what completes the last."""
    end = datetime.now(UTC).replace(second=0, microsecond=0)

    async def send(seq: int, values: dict[datetime, float]) -> None:
        samples = [
            {"time": instant.isoformat(), "values": {"so2": value}}
            for instant, value in values.items()
        ]
        body = json.dumps({"boot": "b", "seq": seq, "samples": samples})
        await client.publish(f"ams/v1/probes/{name}/readings", body, qos=1)

    before = {end - minute * MINUTE: QUIET for minute in range(20, 1, -1)}
    await send(0, {**before, end - MINUTE: HIGH})
    await asyncio.sleep(wait)
    probes.sent[name], probes.sent_at[name] = time.monotonic(), time.time()
    await send(1, {end: QUIET})


async def all_probes(broker: str, probes: Probes) -> None:
    """Send for every unit, some of them a second, and wait for the notices."""
    chance, number = random.Random(3), probes.number
    address = urlsplit(broker)
    async with (
        aiomqtt.Client(address.hostname or "", address.port or 1883) as client,
        asyncio.TaskGroup() as tasks,
    ):
        client.pending_calls_threshold = number
        for place in range(number):
            wait = chance.uniform(1, 2)
            tasks.create_task(probe(client, f"p{place}", wait, probes))
            await asyncio.sleep(chance.uniform(0.5, 1.5) / A_SECOND)
            if place and place % (5 * A_SECOND) == 0:
                tell(f"{place} of {number} alerts on their way, {len(probes.told)} notices")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(probes.all_told.wait(), PATIENCE)


async def stages(database: str, probes: Probes) -> dict[str, list[float]]:
    """Return the seconds before and after the instant that an alert's transaction began."""
    conn = await connect(database)
    rows = await conn.fetch(STAGES)
    await conn.close()
    found: dict[str, list[float]] = {"received, stored, judged": [], "noted, delivered": []}
    for row in rows:
        name = row["source"]
        if name in probes.told_at:
            points = [probes.sent_at[name], row["judged"], probes.told_at[name]]
            for stage, first, last in zip(found, points, points[1:], strict=False):
                found[stage].append(last - first)
    return found


def figures(seconds: list[float]) -> str:
    """Return the middle, the 99th percentile and the greatest, in milliseconds."""
    half, most = np.percentile(seconds, (50, 99)) * 1000
    return f"p50 {half:5.0f} ms   p99 {most:5.0f} ms   max {max(seconds) * 1000:5.0f} ms"


async def measure(options: argparse.Namespace) -> None:
    """Run server and load, send the probes and print."""
    shape = ["--units", "1000", "--values", "10"]
    probes = Probes(options.alerts)
    with folder() as place, contextlib.ExitStack() as stack:
        async with receiving(probes) as hook:
            registry = load_registry_file(place, shape)
            add_probes(registry, options.alerts, LIMIT, hook)
            broker = None if options.nats else mosquitto(place / "broker", stack).url
            env = {SECRET_NAME: SECRET}
            running = stack.enter_context(server(place, broker, registry, env=env))
            sender = load(running.mqtt, [*shape, "--rate", str(options.rate), "--duration", "1h"])
            stack.callback(sender.wait)
            stack.callback(sender.terminate)
            await asyncio.sleep(3)  # until the load is in its stride
            before = Scrape(running.http)
            await all_probes(running.mqtt, probes)
            after = Scrape(running.http)
            parts = await stages(running.database, probes)
    traffic = (after["ams_messages_total"] - before["ams_messages_total"]) / (after.at - before.at)
    took = [probes.told[name] - probes.sent[name] for name in probes.told]
    print(
        f"alert latency, {len(took)} of {options.alerts} alerts noticed, {traffic:,.0f} other"
        f" messages/s of 10 values, {'NATS' if options.nats else 'Mosquitto'}; {machine_name()}"
    )
    print(f"  PUBLISH to webhook         {figures(took)}")
    for stage, seconds in parts.items():
        print(f"    {stage:<25}{figures(seconds)}")
    if len(took) < options.alerts:
        raise SystemExit("not every alert was noticed")


def main() -> None:
    """Measure and print."""
    parser = command_line(__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="other messages a second")
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--nats", action="store_true", help="on the embedded broker")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
