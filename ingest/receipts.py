"""Which receipt is to be sent to which unit, and when."""

import heapq
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

INTERVAL = 5.0  # seconds between two receipts of a unit
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Unit = tuple[str, str]  # enterprise and unit, as in the topic


@dataclass(frozen=True, slots=True)
class Receipt:
    """Every message of `boot` up to `seq` is committed; `time` in µs since 1970 UTC."""

    boot: str
    seq: int
    time: int

    def payload(self) -> bytes:
        """As the unit reads it."""
        time = (EPOCH + timedelta(microseconds=self.time)).isoformat().replace("+00:00", "Z")
        return json.dumps({"boot": self.boot, "seq": self.seq, "time": time}).encode()


class Receipts:
    """The newest receipt of each unit: one entry a unit, however long nobody sends them.

    `now` is any clock in seconds that only goes forward.
    """

    def __init__(self) -> None:
        self._newest: dict[Unit, Receipt] = {}
        self._sent: dict[Unit, tuple[str, int]] = {}
        self._handed_at: dict[Unit, float] = {}
        self._due: list[tuple[float, Unit]] = []  # a heap; a unit is in it once at most
        self._planned: set[Unit] = set()

    def put(self, unit: Unit, receipt: Receipt, now: float) -> None:
        """Take note of a receipt; without effect when the unit has one for this boot and seq."""
        self._newest[unit] = receipt
        if unit not in self._planned and self._sent.get(unit) != (receipt.boot, receipt.seq):
            self._plan(unit, now)

    def next(self, now: float) -> tuple[Unit, Receipt] | None:
        """One that is due, None when there is none; it counts as sent when `sent` says so."""
        while self._due and self._due[0][0] <= now:
            unit = heapq.heappop(self._due)[1]
            self._planned.discard(unit)
            receipt = self._newest[unit]
            if self._sent.get(unit) != (receipt.boot, receipt.seq):
                self._handed_at[unit] = now
                return unit, receipt
        return None

    def next_at(self) -> float | None:
        """When the next one is due; None: not before `put`."""
        return self._due[0][0] if self._due else None

    def sent(self, unit: Unit, receipt: Receipt, now: float) -> None:
        """The broker has taken this one."""
        self._sent[unit] = (receipt.boot, receipt.seq)
        if unit not in self._planned and self._newest[unit] != receipt:
            self._plan(unit, now)

    def all_again(self, now: float) -> None:
        """The broker may have lost what it retained: all are due, each still after its interval."""
        self._sent.clear()
        for unit in self._newest.keys() - self._planned:
            self._plan(unit, now)

    def _plan(self, unit: Unit, now: float) -> None:
        at = max(now, self._handed_at.get(unit, now - INTERVAL) + INTERVAL)
        heapq.heappush(self._due, (at, unit))
        self._planned.add(unit)
