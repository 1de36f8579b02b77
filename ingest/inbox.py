"""What has arrived and is not acknowledged yet, in order and within bounds."""

from collections import deque
from dataclasses import dataclass
from itertools import chain

from ingest.connection import Connection
from ingest.packets import Arrived

DELIVERY_BYTES = 4 * 1024 * 1024  # of payload in one delivery, or one message if that has more
MAX_SPAN = 1_000_000  # microseconds of arrival in one delivery
HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Some messages of one connection in order of receipt, as parallel lists.

    `received_at` is the receipt of the first of them in µs since 1970 UTC; the others followed
    within a second and in the same UTC hour. A packet id of 0 is a message sent with QoS 0.
    """

    connection: Connection
    packet_ids: list[int]
    topics: list[str]
    payloads: list[bytes]
    received_at: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What arrived at once: messages of one connection, with the bytes of their payload."""

    connection: Connection
    messages: Arrived
    received_at: int  # microseconds since 1970 UTC
    arrived: float  # seconds on the loop's clock
    size: int

    def split(self, count: int) -> tuple["Chunk", "Chunk"]:
        """The first `count` messages, and the rest."""
        return self._part(0, count), self._part(count, len(self.messages.packet_ids))

    def _part(self, start: int, stop: int) -> "Chunk":
        part = Arrived(
            self.messages.packet_ids[start:stop],
            self.messages.topics[start:stop],
            self.messages.payloads[start:stop],
        )
        size = _size(part.payloads)
        return Chunk(self.connection, part, self.received_at, self.arrived, size)


class Inbox:
    """Messages from their arrival until their acknowledgement.

    Those of a connection that is gone stay: the broker will send them again, but until then this
    is the only copy that is sure to get anywhere. It never refuses anything; whoever fills it stops
    when it is `full`.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[Chunk] = deque()
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._handed: dict[Delivery, int] = {}  # not acknowledged yet → bytes of payload
        self._handed_messages = 0
        self._handed_bytes = 0

    def __len__(self) -> int:
        return self._waiting_messages + self._handed_messages

    @property
    def bytes(self) -> int:
        """Payload that is held, in bytes."""
        return self._waiting_bytes + self._handed_bytes

    @property
    def full(self) -> bool:
        """Whether a bound is reached."""
        return len(self) >= self._max_messages or self.bytes >= self._max_bytes

    @property
    def oldest(self) -> int | None:
        """Receipt of the oldest message, µs since 1970 UTC; None when there is none."""
        for delivery in self._handed:
            return delivery.received_at
        return self._waiting[0].received_at if self._waiting else None

    @property
    def first_arrived(self) -> float | None:
        """When the first message that nobody has taken arrived, on the loop's clock."""
        return self._waiting[0].arrived if self._waiting else None

    def has(self, messages: int) -> bool:
        """Whether so many wait to be taken, or as much payload as one delivery holds."""
        return self._waiting_messages >= messages or self._waiting_bytes >= DELIVERY_BYTES

    def add(
        self, connection: Connection, messages: Arrived, received_at: int, arrived: float
    ) -> None:
        """Put in what arrived at once; `received_at` µs since 1970 UTC, `arrived` as the loop's."""
        size = _size(messages.payloads)
        self._waiting.append(Chunk(connection, messages, received_at, arrived, size))
        self._waiting_messages += len(messages.packet_ids)
        self._waiting_bytes += size

    def take(self, max_messages: int) -> Delivery:
        """The next delivery; there must be something to take."""
        first = self._waiting[0]
        taken: list[Chunk] = []
        messages = size = 0
        while self._waiting and messages < max_messages and _together(first, self._waiting[0]):
            chunk = self._waiting[0]
            room = _fitting(chunk, max_messages - messages, DELIVERY_BYTES - size)
            if not room and taken:
                break
            self._waiting.popleft()
            if room < len(chunk.messages.packet_ids):
                chunk, rest = chunk.split(max(room, 1))
                if rest.messages.packet_ids:
                    self._waiting.appendleft(rest)
            taken.append(chunk)
            messages += len(chunk.messages.packet_ids)
            size += chunk.size
        self._waiting_messages -= messages
        self._waiting_bytes -= size
        return self._hand(first, taken, messages, size)

    def _hand(self, first: Chunk, taken: list[Chunk], messages: int, size: int) -> Delivery:
        parts = [chunk.messages for chunk in taken]
        delivery = Delivery(
            first.connection,
            list(chain.from_iterable(part.packet_ids for part in parts)),
            list(chain.from_iterable(part.topics for part in parts)),
            list(chain.from_iterable(part.payloads for part in parts)),
            first.received_at,
        )
        self._handed[delivery] = size
        self._handed_messages += messages
        self._handed_bytes += size
        return delivery

    def remove(self, delivery: Delivery) -> bool:
        """Forget a delivery; False when it was forgotten before."""
        size = self._handed.pop(delivery, None)
        if size is None:
            return False
        self._handed_messages -= len(delivery.packet_ids)
        self._handed_bytes -= size
        return True


def _together(first: Chunk, other: Chunk) -> bool:
    """Whether both may be in one delivery."""
    return (
        other.connection is first.connection
        and abs(other.received_at - first.received_at) <= MAX_SPAN
        and other.received_at // HOUR == first.received_at // HOUR
    )


def _fitting(chunk: Chunk, messages: int, size: int) -> int:
    """How many of the chunk's first messages fit into so many messages and bytes."""
    if chunk.size <= size:
        return min(messages, len(chunk.messages.packet_ids))
    fitting = 0
    for payload in chunk.messages.payloads[:messages]:
        size -= len(payload)
        if size < 0:
            break
        fitting += 1
    return fitting


def _size(payloads: list[bytes]) -> int:
    return sum(map(len, payloads))
