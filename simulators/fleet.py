"""A fleet of simulated units: their streams of messages, merged in time and sent in time."""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

from simulators.averages import Report, averages_topic, reports
from simulators.fault_list import with_faults
from simulators.instants import SECOND
from simulators.message import Outgoing, boot_id, readings_topic, status_payload, status_topic
from simulators.publisher import Counts, Parcel, Publisher, deliver
from simulators.stack import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulators.broker import Broker
    from simulators.message import Sample
    from simulators.plants import Plant

OWN_CONNECTIONS = 200  # units that get an MQTT client each; more of them share
SHARED_CONNECTIONS = 16
LONGEST_WAY = 5 * SECOND  # from a measurement to the unit's MQTT client


@dataclass(frozen=True, slots=True)
class Course:
    """How a fleet runs: simulated times and durations in microseconds, ``end`` None for ever.

    ``speed`` is simulated time by real time. Simulated time never gets ahead of the wall clock: a
    run that has caught up goes on live. ``faults`` says how often each strikes a unit.
    ``averages``: the units report their own means too, at times by the share ``apart`` too high.
    """

    seed: int
    start: int
    end: int | None
    period: int
    speed: float
    faults: dict[str, int]
    averages: bool = False
    apart: float = 0.0


def now() -> int:
    """Return the wall clock, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def unit_messages(plant: Plant, course: Course) -> Iterator[Outgoing]:
    """Yield what a plant's unit sends, in the order of sending; equal courses, equal bytes."""
    seed, boot = _seed(plant, course), first_boot(plant, course)
    way, measured = _measured(plant, course)
    stream = (
        Outgoing(sample.time + way, boot, seq, (sample,)) for seq, sample in enumerate(measured)
    )
    return with_faults(
        stream, course.faults, seed=seed, start=course.start, period=course.period, keys=plant.keys
    )


def unit_reports(plant: Plant, course: Course) -> Iterator[Report]:
    """Yield the means that a plant's unit makes of what it measures, if it does."""
    if not course.averages:
        return
    way, measured = _measured(plant, course)
    yield from reports(
        measured,
        first_boot(plant, course),
        period=course.period,
        way=way,
        seed=_seed(plant, course),
        apart=course.apart,
    )


def _measured(plant: Plant, course: Course) -> tuple[int, Iterator[Sample]]:
    """Return how long a unit takes to send what it measured (microseconds), and its samples."""
    rng = Random(_seed(plant, course))
    way = rng.randrange(min(LONGEST_WAY, course.period))
    everything = samples(plant, rng, course.start, course.period)
    end = course.end
    return way, takewhile(lambda sample: end is None or sample.time < end, everything)


def _seed(plant: Plant, course: Course) -> str:
    return f"{course.seed}/{plant.enterprise}/{plant.unit}"


def first_boot(plant: Plant, course: Course) -> str:
    """Return the boot with which a plant's unit begins a course."""
    return boot_id(course.seed, course.start, course.period, plant.enterprise, plant.unit)


class Pace:
    """When simulated instants come: ``speed`` times as fast as real ones, never ahead of them."""

    def __init__(self, start: int, speed: float, clock: Callable[[], int] = now) -> None:
        self._start, self._speed, self._clock = start, speed, clock
        self._began = clock()

    def due(self, instant: int) -> int:
        """Return the real time (microseconds) at which a simulated instant comes."""
        return max(self._began + round((instant - self._start) / self._speed), instant)

    async def reach(self, instant: int) -> None:
        """Wait until a simulated instant has come."""
        # a wait of 0 lets the publishers work while a run catches up
        await asyncio.sleep(max(0, self.due(instant) - self._clock()) / SECOND)


async def run_fleet(  # noqa: PLR0913  what to send, where to, until when, and who is told
    plants: Sequence[Plant],
    course: Course,
    broker: Broker,
    counts: Counts,
    *,
    stop: asyncio.Event,
    at: Callable[[int], None] = lambda _: None,
) -> None:
    """Send what the plants' units send until the course ends or ``stop`` is set.

    ``at`` hears of the simulated time. Raises BrokerUnreachableError as `deliver` does.
    """
    publishers = _publishers(plants, course, broker, counts)
    boots: dict[str, str] = {}
    pace = Pace(course.start, course.speed)

    async def feed() -> None:
        for plant, message in merged(plants, course):
            await pace.reach(message.due)
            at(message.due)
            publisher = publishers[plant.enterprise]
            if isinstance(message, Report):
                topic = averages_topic(plant.enterprise, plant.unit)
                await publisher.put(Parcel(topic, message.payload()))
                continue
            if boots.setdefault(plant.enterprise, message.boot) != message.boot:
                boots[plant.enterprise] = message.boot
                await _tell_state(publisher, plant, message.boot)
            topic = readings_topic(plant.enterprise, plant.unit)
            await publisher.put(Parcel(topic, message.payload()))

    await deliver(set(publishers.values()), feed, stop)


def merged(plants: Sequence[Plant], course: Course) -> Iterator[tuple[Plant, Outgoing | Report]]:
    """Yield the messages of all plants in the order in which they are due."""

    def of(
        plant: Plant, messages: Iterator[Outgoing | Report]
    ) -> Iterator[tuple[Plant, Outgoing | Report]]:
        return ((plant, message) for message in messages)

    streams = [of(plant, unit_messages(plant, course)) for plant in plants]
    if course.averages:
        streams += [of(plant, unit_reports(plant, course)) for plant in plants]
    return heapq.merge(*streams, key=lambda pair: pair[1].due)


def _publishers(
    plants: Sequence[Plant], course: Course, broker: Broker, counts: Counts
) -> dict[str, Publisher]:
    """Return the publisher of each plant's unit, by enterprise.

    Up to OWN_CONNECTIONS units have a client of their own with a last will, as real ones do.
    """
    run = boot_id(course.seed, course.start)[:6]
    shared = [
        Publisher(broker, f"ams-sim-{run}-{place}", counts) for place in range(SHARED_CONNECTIONS)
    ]
    publishers = {}
    for place, plant in enumerate(plants):
        topic = status_topic(plant.enterprise, plant.unit)
        boot = first_boot(plant, course)
        offline = status_payload("offline", boot)
        if len(plants) > OWN_CONNECTIONS:
            publisher = shared[place % SHARED_CONNECTIONS]
        else:
            will = Parcel(topic, offline, retain=True)
            publisher = Publisher(
                broker, f"ams-sim-{plant.enterprise}-{plant.unit}", counts, will=will
            )
        publisher.states[topic] = status_payload("online", boot)
        publisher.farewell[topic] = offline
        publishers[plant.enterprise] = publisher
    return publishers


async def _tell_state(publisher: Publisher, plant: Plant, boot: str) -> None:
    topic = status_topic(plant.enterprise, plant.unit)
    publisher.states[topic] = status_payload("online", boot)
    publisher.farewell[topic] = status_payload("offline", boot)
    await publisher.put(Parcel(topic, publisher.states[topic], retain=True))
