"""Faults of units, analysers and networks: each turns a stream of messages into a worse one.

They compose: each draws from a random stream of its own, so switching one on changes nothing of
what the others do. What they do was seen in real data or follows from how units fail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulators.instants import HOUR, MINUTE
from simulators.message import Outgoing, Sample, boot_id, four_digits
from simulators.schedule import Detail, Episode, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    Stream = Iterator[Outgoing]

SENTINEL = -1.0  # a dead analyser
OVERFLOW = 1e38  # a converter gone wrong
UNKNOWN_KEY = "so2_raw"  # a channel that nobody registered


@dataclass(frozen=True, slots=True)
class Chance:
    """When a fault may strike: from ``start`` on, ``every`` so long on average (microseconds).

    ``period`` is the time between two samples, ``keys`` are the unit's payload keys.
    """

    rng: Random
    start: int
    every: int
    period: int
    keys: tuple[str, ...]

    def episodes(
        self, lasts: tuple[int, int], detail: Callable[[Random], Detail]
    ) -> Schedule[Detail]:
        """Return episodes that last within ``lasts`` (microseconds)."""
        return Schedule(self.rng, self.start, self.every, lasts, detail)

    def moments(self, detail: Callable[[Random], Detail]) -> Schedule[Detail]:
        """Return episodes that hit one sample each."""
        return self.episodes((self.period, self.period), detail)

    def key_and_amount(self, low: float, high: float) -> Callable[[Random], tuple[str, float]]:
        """Return what draws one of the unit's keys and a number between ``low`` and ``high``."""
        return lambda rng: (rng.choice(self.keys), rng.uniform(low, high))


def drop_out(stream: Stream, chance: Chance) -> Stream:
    """For 3 to 30 minutes messages are lost for ever: a gap in the sequence."""
    lost = chance.episodes((3 * MINUTE, 30 * MINUTE), _nothing)
    for message in stream:
        if not lost.at(message.due):
            yield message


def stuck(stream: Stream, chance: Chance) -> Stream:
    """An analyser repeats one value for 2.5 to 5 hours."""
    held: dict[int, float] = {}
    episodes = chance.episodes((150 * MINUTE, 300 * MINUTE), chance.key_and_amount(0, 0))
    return _on_values(
        stream, episodes, lambda episode, _, value: held.setdefault(episode.begin, value)
    )


def spike(stream: Stream, chance: Chance) -> Stream:
    """One value is 3 to 8 times what it should be."""
    moments = chance.moments(chance.key_and_amount(3, 8))
    return _on_values(stream, moments, lambda moment, _, value: value * moment.detail[1])


def drift(stream: Stream, chance: Chance) -> Stream:
    """An analyser reads more and more, in the end 10 to 40 % too much, for 6 to 12 hours."""

    def drifted(episode: Episode[tuple[str, float]], time: int, value: float) -> float:
        return value * (1 + episode.detail[1] * episode.progress(time))

    episodes = chance.episodes((6 * HOUR, 12 * HOUR), chance.key_and_amount(0.1, 0.4))
    return _on_values(stream, episodes, drifted)


def minus_one(stream: Stream, chance: Chance) -> Stream:
    """A dead analyser says -1 for 10 minutes to 2 hours and calls it valid."""
    episodes = chance.episodes((10 * MINUTE, 2 * HOUR), chance.key_and_amount(0, 0))
    return _on_values(stream, episodes, lambda *_: SENTINEL)


def overflow(stream: Stream, chance: Chance) -> Stream:
    """One value is 1e38."""
    return _on_values(stream, chance.moments(chance.key_and_amount(0, 0)), lambda *_: OVERFLOW)


def unknown_channel(stream: Stream, chance: Chance) -> Stream:
    """For 10 minutes to 2 hours a channel is sent that nobody registered."""
    episodes = chance.episodes((10 * MINUTE, 2 * HOUR), chance.key_and_amount(1, 100))

    def change(sample: Sample) -> Sample:
        episode = episodes.at(sample.time)
        return _with(sample, UNKNOWN_KEY, episode.detail[1]) if episode else sample

    return _on_samples(stream, change)


def clock_skew(stream: Stream, chance: Chance) -> Stream:
    """For 10 minutes to 1 hour the unit's clock is 2 to 20 minutes slow or 6 to 20 fast."""
    episodes = chance.episodes(
        (10 * MINUTE, HOUR),
        lambda rng: rng.choice([-rng.randint(2, 20), rng.randint(6, 20)]) * MINUTE,
    )

    def change(sample: Sample) -> Sample:
        episode = episodes.at(sample.time)
        return replace(sample, time=sample.time + episode.detail) if episode else sample

    return _on_samples(stream, change)


def restart(stream: Stream, chance: Chance) -> Stream:
    """The unit restarts: a new boot, sequence numbers from 0."""
    moments, boot, first = chance.moments(_nothing), None, 0
    for message in stream:
        if moments.at(message.due):
            boot, first = boot_id(message.boot, message.seq), message.seq
        yield replace(message, boot=boot or message.boot, seq=message.seq - first)


def repeat_seq(stream: Stream, chance: Chance) -> Stream:
    """The unit restarts and forgets to change its boot: the same sequence numbers once more."""
    moments, first, boot = chance.moments(_nothing), 0, None
    for message in stream:
        if message.boot != boot:
            boot, first = message.boot, 0
        if moments.at(message.due):
            first = message.seq
        yield replace(message, seq=message.seq - first)


def backlog(stream: Stream, chance: Chance) -> Stream:
    """The link is down for 10 minutes to 2 hours; then all comes at once, oldest first."""
    outages = chance.episodes((10 * MINUTE, 2 * HOUR), _nothing)
    kept: list[Outgoing] = []
    for message in stream:
        if outages.at(message.due):
            kept.append(message)
            continue
        yield from (replace(late, due=message.due) for late in kept)
        kept.clear()
        yield message
    yield from kept


def reordered(stream: Stream, chance: Chance) -> Stream:
    """A message is overtaken by the next 1 to 5."""
    moments = chance.moments(lambda rng: rng.randint(1, 5))
    held: Outgoing | None = None
    overtaking = 0
    for message in stream:
        moment = moments.at(message.due)
        if held is None and moment:
            held, overtaking = message, moment.detail
            continue
        yield message
        overtaking -= 1
        if held is not None and overtaking == 0:
            yield replace(held, due=message.due)
            held = None
    if held is not None:
        yield held


def duplicate(stream: Stream, chance: Chance) -> Stream:
    """A message is sent twice."""
    moments = chance.moments(_nothing)
    for message in stream:
        yield message
        if moments.at(message.due):
            yield message


def malformed(stream: Stream, chance: Chance) -> Stream:
    """Before a message a garbled copy of it is sent, which no server can use."""
    moments = chance.moments(lambda rng: rng.choice(GARBLERS))
    for message in stream:
        moment = moments.at(message.due)
        if moment:
            yield replace(message, raw=moment.detail(message.payload()))
        yield message


def _cut_off(payload: bytes) -> bytes:
    return payload[: len(payload) // 2]


def _not_utf8(payload: bytes) -> bytes:
    return b"\xff\xfe" + payload


def _repeated_key(payload: bytes) -> bytes:
    return b'{"boot":"other",' + payload[1:]


def _wrong_type(payload: bytes) -> bytes:
    body = json.loads(payload)
    return json.dumps(body | {"seq": str(body["seq"])}).encode()


def _other_schema(payload: bytes) -> bytes:
    body = json.loads(payload)
    return json.dumps({"unit": body["boot"], "data": body["samples"]}).encode()


def _empty(_: bytes) -> bytes:
    return b""


GARBLERS = (_cut_off, _not_utf8, _repeated_key, _wrong_type, _other_schema, _empty)


def _nothing(_: Random) -> None:
    return None


def _on_samples(stream: Stream, change: Callable[[Sample], Sample]) -> Stream:
    for message in stream:
        yield replace(message, samples=tuple(change(sample) for sample in message.samples))


def _on_values(
    stream: Stream,
    episodes: Schedule[tuple[str, float]],
    change: Callable[[Episode[tuple[str, float]], int, float], float],
) -> Stream:
    """Change the value of an episode's key where one was measured and is valid."""

    def on_sample(sample: Sample) -> Sample:
        episode = episodes.at(sample.time)
        if episode is None:
            return sample
        key = episode.detail[0]
        value = sample.values.get(key)
        if value is None or key in sample.status:
            return sample
        return _with(sample, key, change(episode, sample.time, value))

    return _on_samples(stream, on_sample)


def _with(sample: Sample, key: str, value: float) -> Sample:
    return replace(sample, values=sample.values | {key: four_digits(value)})
