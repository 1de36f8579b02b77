"""Replays of recorded data as AMS units: exactly the file's numbers, at any speed."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.fleet import Pace
from simulators.instants import DAY, duration_text, offset_text, to_datetime
from simulators.message import Outgoing, boot_id, readings_topic, status_payload, status_topic
from simulators.publisher import Counts, Parcel, Publisher, deliver
from simulators.recording import Column, RecordedUnit, Recording, read_bytes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from simulators.broker import Broker
    from simulators.registry_out import Entry


@dataclass(frozen=True, slots=True)
class Replay:
    """A recording that is played as an enterprise.

    ``samples_per_message`` are sent together; ``identity`` makes the boots: the same arguments
    give the same boots and sequence numbers, so that a second run is recognised.
    """

    recording: Recording
    enterprise: str
    samples_per_message: int
    identity: str

    def boot(self, unit: RecordedUnit) -> str:
        """Return the boot of one of the recording's units."""
        return boot_id("replay", self.identity, self.enterprise, unit.unit)

    def messages(self, unit: RecordedUnit) -> Iterator[Outgoing]:
        """Yield a unit's messages in order; one is due when its last sample is measured."""
        size, boot = self.samples_per_message, self.boot(unit)
        for seq, first in enumerate(range(0, len(unit.samples), size)):
            samples = tuple(unit.samples[first : first + size])
            yield Outgoing(samples[-1].time, boot, seq, samples, unit.zone)

    def total(self) -> int:
        """Return how many messages there are."""
        return sum(-(-len(unit.samples) // self.samples_per_message) for unit in self._units())

    def merged(self) -> Iterator[tuple[RecordedUnit, Outgoing]]:
        """Yield the messages of all units in order of time."""

        def of(unit: RecordedUnit) -> Iterator[tuple[RecordedUnit, Outgoing]]:
            return ((unit, message) for message in self.messages(unit))

        return heapq.merge(*map(of, self._units()), key=lambda pair: pair[1].due)

    def _units(self) -> Sequence[RecordedUnit]:
        return self.recording.units


def digest(files: Sequence[str]) -> str:
    """Return what identifies the content of files."""
    content = hashlib.sha256()
    for file in files:
        content.update(read_bytes(file))
    return content.hexdigest()


async def run_replay(
    replay: Replay, speed: float, broker: Broker, counts: Counts, stop: asyncio.Event
) -> None:
    """Send a replay, ``speed`` times as fast as it was measured, until its end or ``stop``.

    Raises BrokerUnreachableError as `deliver` does.
    """
    publishers = {
        unit.unit: _publisher(replay, unit, broker, counts) for unit in replay.recording.units
    }
    pace = Pace(replay.recording.first, speed)

    async def feed() -> None:
        for unit, message in replay.merged():
            await pace.reach(message.due)
            topic = readings_topic(replay.enterprise, unit.unit)
            await publishers[unit.unit].put(Parcel(topic, message.payload()))

    await deliver(publishers.values(), feed, stop)


def _publisher(replay: Replay, unit: RecordedUnit, broker: Broker, counts: Counts) -> Publisher:
    boot, topic = replay.boot(unit), status_topic(replay.enterprise, unit.unit)
    offline = status_payload("offline", boot)
    return Publisher(
        broker,
        f"ams-replay-{replay.enterprise}-{unit.unit}",
        counts,
        states={topic: status_payload("online", boot)},
        farewell={topic: offline},
        will=Parcel(topic, offline, retain=True),
    )


def replay_enterprise(replay: Replay) -> Entry:
    """Return the registry entry of a replay's enterprise."""
    recording = replay.recording
    entry: Entry = {
        "id": replay.enterprise,
        "name": dict(recording.name),
    }
    if recording.reporting_zone is not None:
        entry["reporting_zone"] = offset_text(recording.reporting_zone)
    entry["sources"] = [_source(unit, recording.period) for unit in recording.units]
    entry["units"] = [
        {
            "id": unit.unit,
            "channels": {column.key: f"{unit.source}/{column.key}" for column in unit.columns},
        }
        for unit in recording.units
    ]
    return entry


def replay_permit(replay: Replay) -> Entry:
    """Return the permit of a replay, valid for all of its time in any zone."""
    recording = replay.recording
    uoms = {column.key: column.uom for unit in recording.units for column in unit.columns}
    return {
        "number": f"KZ00SIM-{replay.enterprise}",
        "enterprise": replay.enterprise,
        "valid": {
            "from": to_datetime(recording.first - DAY).date().isoformat(),
            "until": to_datetime(recording.last + DAY).date().isoformat(),
        },
        "limits": [
            {
                "source": unit.source,
                "channel": limit.key,
                "value": limit.value,
                "unit": uoms[limit.key],
                "average": limit.average,
            }
            for unit in recording.units
            for limit in recording.limits
        ],
    }


def _source(unit: RecordedUnit, period: int) -> Entry:
    source: Entry = {"id": unit.source, "number": unit.source}
    if unit.position is not None:
        source["position"] = list(unit.position)
    source["channels"] = [_channel(unit, column, period) for column in unit.columns]
    return source


def _channel(unit: RecordedUnit, column: Column, period: int) -> Entry:
    values = [sample.values.get(column.key) for sample in unit.samples]
    shown = [value for value in values if value is not None]
    return {
        "id": column.key,
        "parameter": column.parameter,
        "unit": column.uom,
        "range": [min([column.low, *shown]), max([column.high, *shown])],
        "period": duration_text(period),
    }
