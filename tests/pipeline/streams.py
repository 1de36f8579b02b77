"""Streams of messages for hypothesis: what plants measured, and how it may come to the server."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from alerts.track import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_748_736_000_000_000  # 2025-06-01T00:00:00Z
FIRST = START - 60 * DAY  # everything here is later
REGISTRY = """
enterprises:
  - id: gres1
    name: {en: GRES-1, ru: ГРЭС-1, kk: ГРЭС-1}
    region: KZ-PAV
    category: 1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        number: "0001"
        position: [51.886, 75.377]
        channels:
          - {id: so2,  parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s, max_step: 60}
          - {id: nox,  parameter: "0301", unit: mg/m3, range: [-5, 300],  period: 60s,
             missing: [-1], stuck_after: 10min}
          - {id: dust, parameter: "2908", unit: mg/m3, range: [-5, 5000], period: 20min,
             max_step: 90}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, nox: stack-1/nox, dust: stack-1/dust}}
permits:
  - number: A
    enterprise: gres1
    valid: {from: 2025-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2,  value: 100, unit: mg/m3, average: 20min}
      - {source: stack-1, channel: so2,  value: 90,  unit: mg/m3, average: 1h, coverage: 1/2,
         open_after: 3min}
      - {source: stack-1, channel: nox,  value: 100, unit: mg/m3, average: 1h, coverage: 1/4,
         open_after: 10min, clear_after: 0s}
      - {source: stack-1, channel: dust, value: 100, unit: mg/m3, average: 1d, coverage: 1/8,
         clear_after: 20min}
      - {source: stack-1, channel: dust, value: 100, unit: mg/m3, average: 1h, coverage: 1/3}
  - number: B
    enterprise: gres1
    valid: {from: 2025-01-01, until: 2025-06-02}
    limits:
      - {source: stack-1, channel: so2,  value: 80,  unit: mg/m3, average: 20min}
      - {source: stack-1, channel: nox,  value: 120, unit: mg/m3, average: 1d, coverage: 1/8}
"""
PERIODS = {"so2": MINUTE, "nox": MINUTE, "dust": 20 * MINUTE}
LEVELS = (0.0, 50.0, 79.9, 80.0, 81.5, 95.0, 99.0, 100.0, 100.1, 130.0, 290.0, 400.0, -1.0)
STATUSES = (None, None, None, None, None, "calibration", "malfunction")
PAUSES = (0, 0, 0, MINUTE, 9 * MINUTE, 3 * HOUR, 30 * HOUR)
DELAYS = (0, 0, SECOND, 5 * MINUTE, 70 * MINUTE, 5 * HOUR, 28 * HOUR, 60 * HOUR)
STEPS = ("", "sweep", "stop", "kill", "kill unjudged", "kill forgetful")
WAITS = (0, MINUTE, 30 * MINUTE, 6 * DAY)


class Reading(NamedTuple):
    """A value of a channel, None with a status where there is none."""

    key: str
    time: int
    value: float | None
    status: str | None


@dataclass(frozen=True)
class Message:
    """Readings that a unit sends together, and when the server receives them."""

    readings: tuple[Reading, ...]
    seq: int
    arrival: int

    @property
    def payload(self) -> bytes:
        """What is published: a sample for each reading."""
        samples: list[dict[str, Any]] = []
        for one in self.readings:
            sample: dict[str, Any] = {"time": iso(one.time), "values": {one.key: one.value}}
            if one.status:
                sample["status"] = {one.key: one.status}
            samples.append(sample)
        return json.dumps({"boot": "b1", "seq": self.seq, "samples": samples}).encode()


class Step(NamedTuple):
    """What comes after a batch: ``pause`` until the clock judges, or a start (see ``STEPS``)."""

    what: str
    pause: int


@dataclass(frozen=True)
class Stream:
    """Messages in order of receipt, in batches with a step after each."""

    batches: Sequence[tuple[Sequence[Message], Step]]

    @property
    def messages(self) -> list[Message]:
        """All of them."""
        return [message for batch, _ in self.batches for message in batch]

    @property
    def final(self) -> list[Reading]:
        """The last received of each channel and time, in order of time.

        What comes again under its old number is a repeat, whatever was said since.
        """
        last: dict[tuple[int, str], Reading] = {}
        first = {message.seq: message for message in reversed(self.messages)}
        for message in sorted(first.values(), key=self.messages.index):
            last |= {(one.time, one.key): one for one in message.readings}
        return [last[key] for key in sorted(last)]

    @property
    def end(self) -> int:
        """When everything is measured and received."""
        return max(message.arrival for message in self.messages)


@st.composite
def measured(draw: st.DrawFn) -> list[Reading]:
    """What three channels measure within some days, in order of time: plateaus and pauses."""
    found: list[Reading] = []
    for key, period in PERIODS.items():
        time = START + draw(st.integers(0, 60)) * HOUR // 2
        plateau = st.tuples(
            st.sampled_from(LEVELS),
            st.integers(1, 45),
            st.sampled_from(PAUSES),
            st.sampled_from(STATUSES),
        )
        for level, length, pause, status in draw(st.lists(plateau, min_size=1, max_size=4)):
            for slot in range(length):
                odd = status if slot % 7 == 3 else None
                wave = 0 if key == "nox" else slot % 3 / 10
                value = None if odd == "malfunction" else level + wave
                found.append(Reading(key, time, value, odd))
                time += period
            time += pause
    return sorted(found, key=lambda one: (one.time, one.key))


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """A stream delayed, shuffled, with repeats and revisions; what shares a time keeps its order.

    Messages with a reading of the same channel and time arrive in the order in which they were
    sent; a message that comes again with its number comes after the first time.
    """
    readings = draw(measured())
    dice = Random(draw(st.integers(0, 2**32)))
    delays = draw(st.lists(st.sampled_from(DELAYS), min_size=1, max_size=6))
    rate = draw(st.sampled_from([0.0, 0.05, 0.3]))  # of revisions, and of repeats
    sent: list[tuple[Reading, ...]] = []
    while readings:
        size = dice.choice([1, 3, 20, 40])
        some, readings = readings[:size], readings[size:]
        dice.shuffle(some)
        sent.append(tuple(some))
        if dice.random() < rate:
            sent.append(_revised(dice, some))
        if dice.random() < rate:
            sent.append(dice.choice(sent))  # the same content under another number
    messages = [
        Message(some, seq, max(one.time for one in some) + dice.choice(delays) + dice.randrange(9))
        for seq, some in enumerate(sent)
    ]
    messages = _in_order_of_sending(messages)
    again = [
        replace(one, arrival=one.arrival + dice.choice(DELAYS))
        for one in messages
        if dice.random() < rate
    ]
    messages = sorted([*messages, *again], key=lambda one: one.arrival)
    places = draw(st.lists(st.integers(1, len(messages)), max_size=8))
    cuts = sorted({0, len(messages), *places})
    steps = st.builds(Step, st.sampled_from(STEPS), st.sampled_from(WAITS))
    return Stream([(messages[begin:end], draw(steps)) for begin, end in pairwise(cuts)])


def _revised(dice: Random, some: list[Reading]) -> tuple[Reading, ...]:
    """Correct a few readings: to another value, or to none."""
    chosen = dice.sample(some, dice.randint(1, min(9, len(some))))
    return tuple(
        Reading(one.key, one.time, None, "malfunction")
        if dice.random() < 0.2
        else Reading(one.key, one.time, dice.choice(LEVELS) + 1.5, None)
        for one in chosen
    )


def _in_order_of_sending(messages: list[Message]) -> list[Message]:
    """Delay messages until those before them that share a channel and time have come."""
    came: dict[tuple[str, int], int] = {}
    ordered = []
    for message in messages:
        places = [(one.key, one.time) for one in message.readings]
        arrival = max(message.arrival, *(came.get(place, 0) for place in places))
        came |= dict.fromkeys(places, arrival)
        ordered.append(replace(message, arrival=arrival))
    return ordered
