"""Mosquitto is killed under load: what the server acknowledged is stored, whatever the broker lost.

"Acknowledged by the server" is what a broker and a unit can see of it: the PUBACK, which a witness
on the wire looks up in the database before it lets it pass, and the retained `receipt`. What the
broker took from a unit and lost after that is the broker's own; the test tells it by the broker's
file: whatever was acknowledged to a unit before the file was last written must not be missing.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from ingest.receipts import INTERVAL
from tests.acceptance import plants
from tests.acceptance.keepers import START, Keeper, instant_of, speaking, value_of
from tests.acceptance.server import AmsServer, until
from tests.acceptance.witness import Message, Witness

if TYPE_CHECKING:
    from tests.fixtures.brokers import Broker

KEYS = {"ams-1": "so2", "ams-2": "nox"}
UNITS = {key: unit for unit, key in KEYS.items()}
FIRST = "server too"  # what is lost then stays lost until the next receipts: none may name it
ROUNDS = ["broker"] * 2 + ["server too"] + ["database hangs"] * 2 + ["file gone"]
SETTLE = 0.3  # seconds that the last words of a killed broker may take to be read

WANTED = """
select c.channel, r.time from unnest($1::text[], $2::timestamptz[]) as w (key, time)
join channels c on c.channel = w.key join readings r on r.channel = c.id and r.time = w.time
"""
ALL = "select c.channel, r.time, r.value from readings r join channels c on c.id = r.channel"
NEWEST = f"select channel, max(time) as time from ({ALL}) as found group by channel"  # noqa: S608


def registry() -> dict[str, Any]:
    """Two units with a channel each."""
    document = plants.registry(tuple(KEYS.values()))
    document["enterprises"][0]["units"] = [
        {"id": unit, "channels": {key: f"stack-1/{key}"}} for unit, key in KEYS.items()
    ]
    return document


@dataclass
class Books:
    """What the server's database holds, over one connection that is made again after a kill."""

    server: AmsServer
    _conn: asyncpg.Connection | None = None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        async with self._one:
            if self._conn is None or self._conn.is_closed():
                self._conn = await asyncpg.connect(
                    self.server.database, server_settings={"search_path": "ams, public"}
                )
            return list(await self._conn.fetch(query, *values))

    async def close(self) -> None:
        if self._conn is not None:
            await self._conn.close()

    async def stored(self, messages: list[Message]) -> set[Message]:
        """Those of the messages whose reading is stored."""
        keys = [KEYS[unit] for unit, _ in messages]
        return set(
            map(_message, await self.fetch(WANTED, keys, [instant_of(n) for _, n in messages]))
        )

    async def all(self) -> dict[Message, float]:
        return {_message(row): row["value"] for row in await self.fetch(ALL)}

    async def newest(self) -> dict[str, int]:
        return dict(map(_message, await self.fetch(NEWEST)))


def _message(row: Any) -> Message:
    return UNITS[row["channel"]], round((row["time"] - START).total_seconds())


@dataclass
class World:
    """A broker, the server behind a witness, and units; ``losses``: when the broker may have lost.

    Each is a span of wall time, in seconds since 1970.
    """

    broker: Broker
    server: AmsServer
    keepers: list[Keeper]
    books: Books
    witness: Witness
    losses: list[tuple[float, float]] = field(default_factory=list)
    lost: set[Message] = field(default_factory=set)

    @property
    def file(self) -> Path:
        return self.broker.log.parent / "mosquitto.db"

    def saved(self) -> float:
        """When the broker last wrote its state: it does nothing else meanwhile."""
        return self.file.stat().st_mtime if self.file.exists() else -math.inf

    async def restart(self) -> None:
        """Kill the broker and start it again; what it took since its last save it may lose."""
        await asyncio.to_thread(self.broker.kill)
        await asyncio.sleep(SETTLE)
        self.losses.append((self.saved(), time.time()))
        await asyncio.to_thread(self.broker.start)

    async def round(self, kind: str) -> None:
        match kind:
            case "broker":
                await self.restart()
            case "server too":  # so that the broker alone has what units send meanwhile
                await self.server.kill()
                await until(self._unsaved, "the broker to take what it has not saved")
                await self.restart()
                await self.server.start()
            case "database hangs":  # so that what is committed then came on a connection now gone
                await self.new_save()
                hanging = await asyncio.to_thread(self._hang)
                try:
                    await self._restart_meanwhile()
                finally:
                    for process in hanging:
                        os.kill(process, signal.SIGCONT)
            case "file gone":  # a new disk: no session, no subscription, until the server is back
                await asyncio.to_thread(self.broker.kill)
                await asyncio.to_thread(os.unlink, self.file)
                await asyncio.to_thread(self.broker.start)
        await self.goes_on()
        if kind == "file gone":
            self.losses.append((-math.inf, time.time()))
            await self.new_save()

    async def new_save(self) -> None:
        """Wait for a save.

        It holds the server's session, which a broker killed earlier would not know. And a broker
        that falls back to it soon uses the same packet ids again.
        """
        now = time.time()

        async def newer() -> bool:
            return self.saved() > now

        await until(newer, "the broker to save its state")

    async def _restart_meanwhile(self) -> None:
        await until(self._unsaved, "the broker to take what it has not saved")
        await self.restart()
        marks = {keeper.unit: keeper.next for keeper in self.keepers}

        async def heard() -> bool:
            waiting = (each for talk in self.witness.talks for each in talk.ids.values())
            return any(seq >= marks[unit] for unit, seq in waiting)

        await until(heard, "the server to hear what is new")

    def _hang(self) -> list[int]:
        """Stop each process that works for the database; `SIGCONT` lets it go on."""
        file = self.server.data_dir / "database" / "cluster" / "postmaster.pid"
        head = int(file.read_text().split()[0])
        children = Path(f"/proc/{head}/task/{head}/children").read_text().split()
        for process in map(int, children):
            os.kill(process, signal.SIGSTOP)
        return list(map(int, children))

    async def _unsaved(self) -> bool:
        newest = min(max(keeper.taken.items())[1][-1] for keeper in self.keepers)
        return newest > self.saved() + 0.1

    async def goes_on(self) -> None:
        """Wait until something of each unit is stored that was published only now.

        A broker keeps a session's order: all that it took before and did not lose is stored, too.
        """
        marks = {keeper.unit: keeper.next for keeper in self.keepers}

        async def beyond() -> bool:
            newest = await self.books.newest()
            return all(newest.get(unit, -1) >= mark for unit, mark in marks.items())

        await until(beyond, f"the server to receive again; its log:\n{self.server.log[-2000:]}")

    async def account(self) -> None:
        """What the server acknowledged is stored; what is missing is the broker's own loss."""
        acknowledged = set(self.witness.acknowledged)
        receipts = {keeper.unit: keeper.receipt for keeper in self.keepers}
        stored = (await self.books.all()).keys()
        assert not self.witness.premature, "acknowledged before it was stored"
        assert acknowledged <= stored, sorted(acknowledged - stored)
        named = {(unit, seq) for unit, last in receipts.items() for seq in range(last + 1)}
        assert named <= stored, sorted(named - stored)
        until_when = self.losses[-1][1]
        for keeper in self.keepers:
            for seq, times in keeper.taken.items():
                if (keeper.unit, seq) not in stored and times[-1] <= until_when:
                    self.lost.add((keeper.unit, seq))
                    assert all(map(self._excused, times)), (keeper.unit, seq, times, self.losses)

    def _excused(self, moment: float) -> bool:
        return any(begin <= moment <= end for begin, end in self.losses)


async def all_named(keepers: list[Keeper]) -> None:
    async def named() -> bool:
        return all(keeper.receipt == keeper.next - 1 for keeper in keepers)

    await until(named, f"receipts for everything: {[(k.receipt, k.next) for k in keepers]}")


async def ledger_counts_each_once(world: World) -> None:
    async with world.server.api() as api:
        ledger = await api.ledger()
        units = {item["unit"]: item for item in await api.items("units")}
    for keeper in world.keepers:
        for kind in ("messages", "readings"):
            counts = ledger[keeper.unit][kind]
            assert counts["stored"] == keeper.next, counts
            assert counts["quarantined"] == counts.get("revised", 0) == 0, counts
        assert units[keeper.unit]["seq"] == keeper.next - 1
        assert units[keeper.unit]["gaps"] == []


@pytest.mark.timeout(400)
async def test_mosquitto_killed_loses_nothing_that_the_server_acknowledged(
    here: Path, mosquitto: Broker
) -> None:
    """And a unit that keeps its readings until a receipt names them misses nothing in the end."""
    dice = random.Random(3)
    server = AmsServer(here, {"--registry": plants.write(here, registry())})
    books = Books(server)
    keepers = [Keeper(unit, key, mosquitto.url) for unit, key in KEYS.items()]
    async with Witness(mosquitto, books.stored) as witness:
        server.options["--broker"] = witness.url
        world = World(mosquitto, server, keepers, books, witness)
        try:
            await server.start()
            async with speaking(keepers):
                await world.goes_on()
                await world.new_save()
                for number, kind in enumerate([FIRST, *dice.sample(ROUNDS, len(ROUNDS))]):
                    await asyncio.sleep(dice.uniform(0.1, 1.2))
                    await world.round(kind)
                    await asyncio.sleep(0 if number else INTERVAL + 1)
                    await world.account()
                    await asyncio.gather(*(keeper.repeat() for keeper in keepers))
                for keeper in keepers:
                    keeper.speaking = False
                await all_named(keepers)
                await world.account()
            stored = await books.all()
            assert stored == {(k.unit, n): value_of(n) for k in keepers for n in range(k.next)}
            await ledger_counts_each_once(world)
            assert world.lost, "the broker lost nothing: the test shows nothing"
            assert witness.asked, "no acknowledgement was looked up"
            assert "it had forgotten our session" in server.log
            await books.close()
            await server.stop()
        finally:
            if server.process is not None:
                await server.kill()
