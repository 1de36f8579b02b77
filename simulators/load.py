"""Pure load: prepared messages at a given rate, counted when the broker acknowledges them."""

from __future__ import annotations

import asyncio
import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulators.errors import BrokerUnreachableError
from simulators.puback import PublishConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.broker import Broker
    from simulators.load_messages import Messages

MOST_IN_FLIGHT = 60_000  # of 65,535 packet ids, so that a free one is near
BLOCK = 256  # messages written at once
TICK = 0.002  # seconds
DRAIN = 30.0  # seconds that the last acknowledgements may take
CONNECT_TIME = 10.0  # seconds
_EDGES = np.geomspace(1e-5, 1e3, 1601)  # seconds; 1.2 % apart


@dataclass(slots=True)
class Totals:
    """What became of a load, all connections together; latencies in seconds.

    ``sent`` counts each message once, ``resent`` those sent again on a new connection.
    """

    sent: int = 0
    resent: int = 0
    acknowledged: int = 0
    latencies: list[float] = field(default_factory=list)
    _seen: np.ndarray[tuple[int], np.dtype[np.int64]] = field(
        default_factory=lambda: np.zeros(len(_EDGES) + 1, np.int64)
    )

    def percentiles(self, *shares: float) -> list[float]:
        """Return percentiles of the latencies since the last call, NaN where there are none."""
        recent = np.asarray(self.latencies)
        self.latencies.clear()
        self._seen += np.bincount(np.searchsorted(_EDGES, recent), minlength=len(self._seen))
        return np.percentile(recent, shares).tolist() if len(recent) else [math.nan] * len(shares)

    def overall(self, share: float) -> float:
        """Return a percentile of all latencies, within 1.2 %; NaN where there are none."""
        self.percentiles()
        below = np.cumsum(self._seen)
        if not below[-1]:
            return math.nan
        return float(_EDGES[min(np.searchsorted(below, below[-1] * share / 100), len(_EDGES) - 1)])


class Sender:
    """Sends messages on one connection, up to ``window`` unacknowledged, ``rate`` a second.

    Each message is kept until it is acknowledged; what a lost connection leaves is sent again,
    in order, on the next one.
    """

    def __init__(  # noqa: PLR0913  each is a part of what to send, where and how fast
        self,
        broker: Broker,
        client_id: str,
        messages: Messages,
        totals: Totals,
        *,
        window: int,
        rate: float,
    ) -> None:
        self._broker, self._client_id, self._messages = broker, client_id, messages
        self._totals, self._window, self._rate = totals, min(window, MOST_IN_FLIGHT), rate
        self._kept: list[bytes | None] = [None] * (1 << 16)
        self._sent_at = [0.0] * (1 << 16)
        self._packet_id = self._in_flight = self._sent = 0
        self._began = 0.0
        self._closing = self._connected = False
        self._done = asyncio.get_running_loop().create_future()
        self._connection: PublishConnection | None = None

    def close(self) -> None:
        """Send nothing new; `run` ends when all is acknowledged."""
        self._closing = True
        self._check_done()

    async def run(self) -> None:
        """Send until closed and all is acknowledged, reconnecting for ever.

        Raises BrokerUnreachableError when the broker refuses the client, or when the first
        connection does not succeed in time.
        """
        self._began = time.perf_counter()
        while not self._done.done():
            try:
                await self._one_connection()
            except OSError as error:
                self._judge(error)
            if not self._done.done():
                await asyncio.sleep(random.uniform(0.1, 0.3))

    def _judge(self, error: OSError) -> None:
        """Raise unless another attempt makes sense."""
        out_of_time = time.perf_counter() - self._began > self._broker.patience
        if not self._connected and (out_of_time or isinstance(error, PermissionError)):
            reason = str(error) or f"no answer within {CONNECT_TIME:g} s"
            raise BrokerUnreachableError(f"{self._broker}: {reason}") from None

    async def _one_connection(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIME):
            _, connection = await loop.create_connection(
                lambda: PublishConnection(self._broker, self._client_id, self._settle, self._pump),
                self._broker.host,
                self._broker.port,
                ssl=self._broker.tls,
            )
            await connection.ready
        if not self._connected:
            self._connected, self._began = True, time.perf_counter()
        self._connection = connection
        try:
            self._resend(connection)
            while not connection.lost.done() and not self._done.done():
                self._pump()
                await asyncio.wait({connection.lost, self._done}, timeout=TICK)
        finally:
            self._connection = None
            assert connection.transport is not None  # noqa: S101  it was ready
            connection.transport.close()

    def _resend(self, connection: PublishConnection) -> None:
        # packet ids are given in turn: from the next one around is the order of sending
        turn = [*self._kept[self._packet_id + 1 :], *self._kept[: self._packet_id + 1]]
        packets = [packet for packet in turn if packet is not None]
        self._totals.resent += len(packets)
        assert connection.transport is not None  # noqa: S101  it is ready
        connection.transport.write(b"".join(packets))

    def _pump(self) -> None:
        """Send what window and rate allow now."""
        connection = self._connection
        if connection is None or connection.transport is None or self._closing:
            return
        while (count := self._allowed()) > 0 and connection.writable:
            connection.transport.write(b"".join([self._next() for _ in range(count)]))
            self._sent += count
            self._in_flight += count
            self._totals.sent += count

    def _allowed(self) -> int:
        free = min(BLOCK, self._window - self._in_flight)
        if self._rate == math.inf:
            return free
        due = int((time.perf_counter() - self._began) * self._rate) - self._sent
        return min(free, due)

    def _next(self) -> bytes:
        packet_id = self._packet_id
        while True:
            packet_id = packet_id % 0xFFFF + 1
            if self._kept[packet_id] is None:
                break
        packet = self._messages.next(packet_id)
        self._packet_id, self._kept[packet_id] = packet_id, packet
        self._sent_at[packet_id] = time.perf_counter()
        return packet

    def _settle(self, packet_ids: Sequence[int]) -> None:
        """Forget what is acknowledged; an id that is not in flight counts for nothing."""
        now, kept, sent_at = time.perf_counter(), self._kept, self._sent_at
        known = [number for number in packet_ids if kept[number] is not None]
        for number in known:
            kept[number] = None
        self._totals.latencies.extend([now - sent_at[number] for number in known])
        self._totals.acknowledged += len(known)
        self._in_flight -= len(known)
        self._check_done()
        self._pump()

    def _check_done(self) -> None:
        if self._closing and not self._in_flight and not self._done.done():
            self._done.set_result(None)


async def run_load(
    senders: Sequence[Sender],
    totals: Totals,
    duration: float,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> float:
    """Run a load for ``duration`` seconds (or until ``stop``) and until all is acknowledged.

    ``say`` gets a line every second. Returns the seconds it took. Raises BrokerUnreachableError
    when there is no broker to begin with.
    """
    began = time.perf_counter()
    running = [asyncio.ensure_future(sender.run()) for sender in senders]
    reporting = asyncio.ensure_future(_report(totals, say))
    stopped = asyncio.ensure_future(_event(stop))
    try:
        await asyncio.wait(
            [*running, stopped], timeout=duration, return_when=asyncio.FIRST_COMPLETED
        )
        for sender in senders:
            sender.close()
        done, _ = await asyncio.wait(running, timeout=DRAIN)
        for task in done:
            task.result()
    finally:
        for task in (*running, reporting, stopped):
            task.cancel()
        await asyncio.gather(*running, reporting, stopped, return_exceptions=True)
    return time.perf_counter() - began


async def _event(event: asyncio.Event) -> None:
    await event.wait()


async def _report(totals: Totals, say: Callable[[str], None]) -> None:
    began = before = time.perf_counter()
    sent = acknowledged = 0
    while True:
        await asyncio.sleep(1)
        now = time.perf_counter()
        half, most = totals.percentiles(50, 99)
        latency = f"  latency {half * 1000:.1f} ms, 99 % within {most * 1000:.1f} ms"
        say(
            f"{now - began:5.0f} s  sent {(totals.sent - sent) / (now - before):9,.0f}/s  "
            f"acknowledged {(totals.acknowledged - acknowledged) / (now - before):9,.0f}/s  "
            f"waiting {totals.sent - totals.acknowledged:7,}{'' if math.isnan(half) else latency}"
        )
        sent, acknowledged, before = totals.sent, totals.acknowledged, now
