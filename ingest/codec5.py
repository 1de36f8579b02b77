"""MQTT 5, the receiving half of it, on the `mqtt5` library; the one module that imports it.

References name clauses of the OASIS standard "MQTT Version 5.0".
"""

import mqtt5

from ingest.codec311 import publish_head
from ingest.packets import (
    CONNACK,
    PUBLISH,
    Arrived,
    ConnAck,
    Framer,
    Goodbye,
    Hello,
    MalformedPacket,
    SubAck,
    WrongVersion,
)

NEVER_EXPIRES = 0xFFFFFFFF  # 3.1.2.11.2
CONNACK_311 = 4  # bytes of a whole CONNACK in 3.1.1; in 5 it has properties too


class Codec5:
    """The packets of one connection in MQTT 5."""

    def __init__(self) -> None:
        self._framer = Framer()

    def connect(self, hello: Hello) -> bytes:
        """CONNECT without clean start, for a session that never expires (3.1).

        No maximum packet size is asked for: a broker drops what is larger without a word.
        """
        return mqtt5.ConnectPacket(
            hello.client_id,
            username=hello.username,
            password=hello.password,
            clean_start=False,
            keep_alive=hello.keepalive,
            session_expiry_interval=NEVER_EXPIRES,
            receive_max=hello.receive_max,
        ).write()

    def subscribe(self, packet_id: int, topic_filter: str) -> bytes:
        """SUBSCRIBE to one filter with QoS 1; retained messages only for a new subscription."""
        wanted = mqtt5.TopicFilter(
            topic_filter,
            max_qos=mqtt5.QoS.AT_LEAST_ONCE,
            retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        )
        return mqtt5.SubscribePacket(packet_id, [wanted]).write()

    def feed(self, data: bytes) -> Arrived:
        """What the chunk completes."""
        arrived = Arrived()
        framer = self._framer
        packet_ids, topics, payloads = arrived.packet_ids, arrived.topics, arrived.payloads
        read, publish = mqtt5.read, mqtt5.PublishPacket
        view: memoryview | None = None
        for start, body, stop in framer.feed(data):
            if view is None:
                view = memoryview(framer.buffer)
            try:
                packet, _ = read(view[start:stop])
            except BaseException as error:
                if not _is_refusal(error):
                    raise
                _careful(framer.buffer[start:stop], body - start, error, arrived)
                continue
            if type(packet) is not publish:
                _answer(packet, arrived)
                continue
            packet_id = packet.packet_id or 0
            if packet.duplicate:
                arrived.again.append(len(arrived.packet_ids))
            packet_ids.append(packet_id)
            topics.append(packet.topic)
            payloads.append(packet.payload)
        return arrived


def _careful(packet: bytes, body: int, error: BaseException, arrived: Arrived) -> None:
    """Read by hand a packet that the library refuses; its body starts at `body`.

    A PUBLISH whose topic or properties are not valid is let through, to be set aside further on:
    the broker would send it again for ever, ahead of everything behind it.
    """
    head = packet[0]
    if head == CONNACK and len(packet) == CONNACK_311:
        raise WrongVersion("the broker does not speak MQTT 5") from None
    if head & 0xF0 != PUBLISH:
        raise MalformedPacket(f"a packet of type {head:#04x}: {error}") from None
    topic_end, packet_id, rest = publish_head(packet, head, body, len(packet))
    payload = rest + _properties_length(packet[rest:])
    if payload > len(packet):
        raise MalformedPacket("a PUBLISH packet that ends inside its properties")
    if head & 0x08:
        arrived.again.append(len(arrived.packet_ids))
    arrived.packet_ids.append(packet_id)
    arrived.topics.append(packet[body + 2 : topic_end].decode(errors="replace"))
    arrived.payloads.append(packet[payload:])


def _is_refusal(error: BaseException) -> bool:
    """Whether the library could not read a packet.

    It panics, with a BaseException of its own, at text that is not UTF-8.
    """
    return isinstance(error, ValueError | IndexError) or type(error).__name__ == "PanicException"


def _properties_length(rest: bytes) -> int:
    """Bytes that the properties at the start of `rest` take, their length field included."""
    length = shift = 0
    for at, byte in enumerate(rest[:4]):
        length |= (byte & 0x7F) << shift
        if byte <= 0x7F:  # noqa: PLR2004 - the last byte of a length
            return at + 1 + length
        shift += 7
    raise MalformedPacket("a PUBLISH packet without a length of its properties")


def _answer(packet: mqtt5.Packet, arrived: Arrived) -> None:
    match packet:
        case mqtt5.ConnAckPacket():
            if packet.reason_code == mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION:
                raise WrongVersion("the broker does not speak MQTT 5")
            good = packet.reason_code == mqtt5.ConnAckReasonCode.SUCCESS
            refused = None if good else _said(packet.reason_code, packet.reason_str)
            arrived.answers.append(
                ConnAck(
                    packet.session_present,
                    refused,
                    packet.server_keep_alive,
                    packet.session_expiry_interval,
                    packet.max_packet_size,
                )
            )
        case mqtt5.SubAckPacket():
            code = packet.reason_codes[0]
            granted = code == mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
            arrived.answers.append(SubAck(None if granted else _said(code, packet.reason_str)))
        case mqtt5.DisconnectPacket():
            arrived.answers.append(Goodbye(_said(packet.reason_code, packet.reason_str)))
        case mqtt5.PingRespPacket():
            pass
        case _:
            raise MalformedPacket(f"a {type(packet).__name__} that nothing asked for")


def _said(
    code: mqtt5.ConnAckReasonCode | mqtt5.SubAckReasonCode | mqtt5.DisconnectReasonCode,
    text: str | None,
) -> str:
    """A reason code in words, with what the broker adds."""
    words = code.name.lower().replace("_", " ")
    return f"{words}: {text}" if text else words
