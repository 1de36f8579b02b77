"""Messages of a pure load: valid, never twice the same, and made from bytes that are ready.

All messages are of one length; only topic, packet id, ``seq``, time and values differ. A number in
JSON may have blanks before it, so ``seq`` is padded with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from simulators.instants import SECOND, duration_text, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulators.registry_out import Entry

UNITS_IN_ENTERPRISE = 1000
VARIANTS = 16  # different sets of values
LOWEST, HIGHEST = 100, 899  # mg/m3
RANGE_HIGH = 1000
LIMIT = {"value": RANGE_HIGH, "unit": "mg/m3", "average": "20min"}
PACKET_IDS = [number.to_bytes(2, "big") for number in range(1 << 16)]
PUBLISH_QOS1 = 0x32


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent: ``units`` with ``channels`` each, ``values`` of them in a message.

    ``channels`` is a multiple of ``values``; a unit sends its channels group by group. ``limits``
    channels of each unit have a limit in the registry. ``period`` is in microseconds.
    """

    units: int
    channels: int
    values: int
    limits: int
    period: int

    @property
    def groups(self) -> int:
        """Messages in which a unit sends all its channels once."""
        return self.channels // self.values


def unit_names(place: int) -> tuple[str, str]:
    """Return (enterprise, unit) of the unit at ``place``, names of one length for all."""
    return f"load-{place // UNITS_IN_ENTERPRISE:04d}", f"u-{place:07d}"


class Messages:
    """Packets of the units at every ``stride``-th place from ``first``, one unit after the other.

    ``clock`` gives the time of the next message (microseconds). With ``start`` time is simulated
    instead: from there on, one ``period`` further each time that all units have sent everything.
    """

    def __init__(  # noqa: PLR0913  what a message depends on
        self,
        shape: Shape,
        boot: str,
        clock: Callable[[], int],
        *,
        start: int | None = None,
        first: int = 0,
        stride: int = 1,
    ) -> None:
        self._shape, self._clock, self._start = shape, clock, start
        self._before_seq = b'{"boot":"%s","seq":' % boot.encode()
        self._before_time = b',"samples":[{"time":"'
        self._tails = [_tails(shape, group) for group in range(shape.groups)]
        self._place = self._round = self._time = 0
        self._second, self._second_text = -1, b""
        size = len(self._payload(0, 0, 0))
        self._heads = [_head(place, size) for place in range(first, shape.units, stride)]

    def next(self, packet_id: int) -> bytes:
        """Return the next PUBLISH packet (QoS 1)."""
        head = self._heads[self._place]
        payload = self._payload(self._round, self._next_time(), self._place)
        self._place += 1
        if self._place == len(self._heads):
            self._place, self._round = 0, self._round + 1
        return b"%b%b%b" % (head, PACKET_IDS[packet_id], payload)

    def _next_time(self) -> int:
        if self._start is not None:
            return self._start + self._round // self._shape.groups * self._shape.period
        self._time = max(self._clock(), self._time + 1)
        return self._time

    def _payload(self, seq: int, time: int, place: int) -> bytes:
        second, fraction = divmod(time, SECOND)
        if second != self._second:
            self._second = second
            self._second_text = rfc3339(second * SECOND)[:-1].encode()
        return b"%b%12d%b%b.%06dZ%b" % (
            self._before_seq,
            seq,
            self._before_time,
            self._second_text,
            fraction,
            self._tails[seq % self._shape.groups][(seq + place) % VARIANTS],
        )


def _tails(shape: Shape, group: int) -> list[bytes]:
    """Return the ends of messages of one group of channels, with different values."""
    rng = Random(group)
    keys = [f"c{group * shape.values + place}" for place in range(shape.values)]
    return [
        b'","values":{%s}}]}'
        % ",".join(f'"{key}":{rng.uniform(LOWEST, HIGHEST):.3f}' for key in keys).encode()
        for _ in range(VARIANTS)
    ]


def _head(place: int, payload_size: int) -> bytes:
    """Return a PUBLISH packet up to its packet id."""
    topic = "ams/v1/{}/{}/readings".format(*unit_names(place)).encode()
    body = len(topic).to_bytes(2, "big") + topic
    return bytes([PUBLISH_QOS1]) + remaining_length(len(body) + 2 + payload_size) + body


def remaining_length(length: int) -> bytes:
    """Return an MQTT packet's remaining length, seven bits a byte."""
    encoded = bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (128 if length else 0))
        if not length:
            return bytes(encoded)


def load_enterprises(shape: Shape) -> Iterator[Entry]:
    """Yield the registry's enterprises, each with up to UNITS_IN_ENTERPRISE sources and units."""
    for first in range(0, shape.units, UNITS_IN_ENTERPRISE):
        units = [unit_names(place)[1] for place in _places(shape, first)]
        yield {
            "id": unit_names(first)[0],
            "name": {"en": f"Load {first // UNITS_IN_ENTERPRISE}"},
            "sources": [{"id": unit, "channels": _channels(shape)} for unit in units],
            "units": [
                {
                    "id": unit,
                    "channels": {
                        f"c{number}": f"{unit}/c{number}" for number in range(shape.channels)
                    },
                }
                for unit in units
            ],
        }


def load_permits(shape: Shape) -> Iterator[Entry]:
    """Yield a permit for each enterprise, with limits that the load does not break."""
    for first in range(0, shape.units, UNITS_IN_ENTERPRISE):
        enterprise = unit_names(first)[0]
        yield {
            "number": f"KZ00{enterprise.upper()}",
            "enterprise": enterprise,
            "valid": {"from": "2020-01-01", "until": "2035-12-31"},
            "limits": [
                {"source": unit_names(place)[1], "channel": f"c{number}", **LIMIT}
                for place in _places(shape, first)
                for number in range(shape.limits)
            ],
        }


def _places(shape: Shape, first: int) -> range:
    return range(first, min(first + UNITS_IN_ENTERPRISE, shape.units))


def _channels(shape: Shape) -> list[Entry]:
    return [
        {
            "id": f"c{number}",
            "parameter": "0330",
            "unit": "mg/m3",
            "range": [0, RANGE_HIGH],
            "period": duration_text(shape.period),
        }
        for number in range(shape.channels)
    ]
