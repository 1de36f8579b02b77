"""Both codecs read any stream, however it is chopped; what they write is what the standards say."""

import contextlib
from collections.abc import Callable
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.codec5 import Codec5
from ingest.codec311 import Codec311
from ingest.packets import (
    Arrived,
    Codec,
    ConnAck,
    Goodbye,
    Hello,
    MalformedPacket,
    SubAck,
    WrongVersion,
    pubacks,
)
from tests.link.publisher import publish_packet
from tests.link.scripted import CONNACK_5, CONNACK_311, SUBACK_5, SUBACK_311

Message = tuple[str, int, bytes, bool]  # topic, packet id (0: QoS 0), payload, sent before

topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1)
messages = st.tuples(topics, st.integers(0, 65_535), st.binary(max_size=300), st.booleans())
streams = st.lists(messages, max_size=20)
PINGRESP = b"\xd0\x00"


def write_311(message: Message) -> bytes:
    topic, packet_id, payload, again = message
    first = 0x32 | again << 3 if packet_id else 0x30
    return publish_packet(topic.encode(), payload, packet_id, first=first)


def write_5(message: Message) -> bytes:
    topic, packet_id, payload, again = message
    return mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE if packet_id else mqtt5.QoS.AT_MOST_ONCE,
        packet_id=packet_id or None,
        duplicate=again and packet_id > 0,
        content_type="application/json" if again else None,
        user_properties=[("ключ", "мән")] * (len(payload) % 3),
    ).write()


def chopped(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:stop] for start, stop in pairwise(at)]


def read(codec: Codec, chunks: list[bytes]) -> tuple[list[Message], Arrived]:
    got: list[Message] = []
    everything = Arrived()
    for chunk in chunks:
        arrived = codec.feed(chunk)
        everything.answers += arrived.answers
        got += [
            (topic, packet_id, payload, position in arrived.again)
            for position, (topic, packet_id, payload) in enumerate(
                zip(arrived.topics, arrived.packet_ids, arrived.payloads, strict=True)
            )
        ]
    return got, everything


both = pytest.mark.parametrize(
    ("codec", "write", "welcome"),
    [
        (Codec311, write_311, CONNACK_311 + SUBACK_311),
        (Codec5, write_5, CONNACK_5 + SUBACK_5),
    ],
    ids=["3.1.1", "5"],
)


@both
@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_any_chopping_gives_the_same_messages(
    codec: type[Codec],
    write: Callable[[Message], bytes],
    welcome: bytes,
    stream: list[Message],
    cuts: list[int],
) -> None:
    written = welcome + b"".join(write(message) + PINGRESP for message in stream)
    got, everything = read(codec(), chopped(written, cuts))
    expected = [(topic, at, payload, again and at > 0) for topic, at, payload, again in stream]
    assert got == expected
    assert everything.answers == [ConnAck(session_present=False), SubAck()]


@both
def test_byte_by_byte_and_a_packet_of_four_mib(
    codec: type[Codec], write: Callable[[Message], bytes], welcome: bytes
) -> None:
    large = ("t", 7, bytes(4 * 1024 * 1024), False)
    small = ("ams/v1/gres1/ams-1/readings", 8, b"{}", True)
    stream = write(small)
    got, _ = read(codec(), [welcome, *(stream[i : i + 1] for i in range(len(stream)))])
    assert got == [small]
    stream = write(large) + write(small)
    got, _ = read(codec(), [stream[i : i + 65_536] for i in range(0, len(stream), 65_536)])
    assert got == [large, small]


either = pytest.mark.parametrize("codec", [Codec311, Codec5], ids=["3.1.1", "5"])


@either
@given(junk=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_junk_is_malformed_or_incomplete_and_nothing_worse(
    codec: type[Codec], junk: bytes, cuts: list[int]
) -> None:
    with contextlib.suppress(MalformedPacket, WrongVersion):
        read(codec(), chopped(junk, cuts))


@either
@pytest.mark.parametrize(
    "packet",
    [
        b"\x32\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x32\x01\x00",  # no room for a topic
        b"\x32\x04\x00\x09ab",  # a topic beyond the packet
        b"\x32\x04\x00\x02ab",  # no room for a packet id
        b"\x32\x05\x00\x01a\x00\x00",  # packet id 0
        b"\x34\x05\x00\x01a\x00\x01",  # QoS 2
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x00\x00",
        b"\xf0\x00",
        b"\x10\x00",  # a CONNECT from a broker
        b"\x20\x01\x00",
        b"\x90\x02\x00\x01",
    ],
)
def test_malformed_packets_are_told_of(codec: type[Codec], packet: bytes) -> None:
    with pytest.raises(MalformedPacket):
        codec().feed(PINGRESP + packet)


@pytest.mark.filterwarnings("ignore")
def test_topics_and_properties_that_are_no_utf8_are_let_through() -> None:
    topic = b"ams/\xff"
    got, _ = read(Codec311(), [publish_packet(topic, b"x", 1)])
    assert got == [("ams/�", 1, b"x", False)]
    head = len(topic).to_bytes(2, "big") + topic + b"\x00\x01"
    content_type = b"\x03\x00\x01\xff"
    for rest in (b"\x00", b"\x04" + content_type):
        packet = b"\x3a" + bytes([len(head + rest) + 1]) + head + rest + b"x"
        assert read(Codec5(), [packet])[0] == [("ams/�", 1, b"x", True)]


def test_what_a_broker_of_the_other_version_answers() -> None:
    with pytest.raises(WrongVersion, match="does not speak MQTT 5"):
        Codec5().feed(b"\x20\x02\x00\x01")  # NATS, mosquitto 1.x
    with pytest.raises(WrongVersion, match="does not speak MQTT 5"):
        Codec5().feed(b"\x20\x03\x00\x84\x00")
    with pytest.raises(WrongVersion, match=r"does not speak MQTT 3\.1\.1"):
        Codec311().feed(b"\x20\x02\x00\x01")


@pytest.mark.parametrize(
    ("codec", "packet", "answer"),
    [
        (Codec311(), b"\x20\x02\x01\x00", ConnAck(session_present=True)),
        (
            Codec311(),
            b"\x20\x02\x00\x04",
            ConnAck(session_present=False, refused="bad user name or password"),
        ),
        (Codec311(), b"\x20\x02\x00\x63", ConnAck(session_present=False, refused="return code 99")),
        (Codec311(), b"\x90\x03\x00\x01\x80", SubAck("return code 0x80")),
        (Codec311(), b"\x90\x03\x00\x01\x00", SubAck("return code 0x00")),
        (
            Codec5(),
            b"\x20\x06\x01\x00\x03\x13\x00\x0a",
            ConnAck(session_present=True, keepalive=10),
        ),
        (
            Codec5(),
            b"\x20\x03\x00\x87\x00",
            ConnAck(session_present=False, refused="not authorized"),
        ),
        (Codec5(), b"\x90\x04\x00\x01\x00\x87", SubAck("not authorized")),
        (Codec5(), b"\x90\x09\x00\x01\x05\x1f\x00\x02no\x8f", SubAck("topic filter invalid: no")),
        (Codec5(), b"\xe0\x02\x8e\x00", Goodbye("session taken over")),
    ],
)
def test_answers_of_the_broker(codec: Codec, packet: bytes, answer: object) -> None:
    assert codec.feed(packet).answers == [answer]


hellos = st.builds(
    Hello,
    client_id=st.text(st.characters(codec="ascii", min_codepoint=33), max_size=200),
    username=st.none() | st.text(st.characters(codec="ascii", min_codepoint=33), max_size=200),
    password=st.none(),
    keepalive=st.integers(0, 65_535),
    receive_max=st.integers(1, 65_535),
)


@given(hello=hellos, password=st.binary(max_size=100))
def test_connect_keeps_the_session_and_the_library_agrees(hello: Hello, password: bytes) -> None:
    if hello.username is not None:
        hello = Hello(hello.client_id, hello.username, password, hello.keepalive, hello.receive_max)
    packet, _ = mqtt5.read(memoryview(Codec5().connect(hello)))
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.username) == (hello.client_id, hello.username)
    assert packet.password == hello.password
    assert (packet.keep_alive, packet.receive_max) == (hello.keepalive, hello.receive_max)
    assert packet.clean_start is False
    assert packet.session_expiry_interval == 0xFFFFFFFF
    assert packet.max_packet_size is None
    # 3.1.1 differs in its level and in that it has no properties (their length and 8 bytes here)
    old = Codec311().connect(hello)
    new = Codec5().connect(hello)
    assert old.endswith(new[new.index(b"MQTT") + 8 + _properties(new) :])
    start = old.index(b"MQTT")
    assert old[start + 4] == 4
    assert not old[start + 5] & 0x02  # clean session


def _properties(connect: bytes) -> int:
    """Bytes of the properties of a CONNECT, their length included; all of ours are short."""
    return 1 + connect[connect.index(b"MQTT") + 8]


def test_subscribe_asks_for_qos_1() -> None:
    assert Codec311().subscribe(1, "a/+/b") == b"\x82\x0a\x00\x01\x00\x05a/+/b\x01"
    packet, _ = mqtt5.read(memoryview(Codec5().subscribe(1, "a/+/b")))
    assert isinstance(packet, mqtt5.SubscribePacket)
    assert [(wanted.pattern, wanted.max_qos) for wanted in packet.topic_filters] == [
        ("a/+/b", mqtt5.QoS.AT_LEAST_ONCE)
    ]


@given(st.lists(st.integers(1, 65_535), max_size=100))
def test_a_block_of_pubacks_is_pubacks_in_order(packet_ids: list[int]) -> None:
    assert pubacks(packet_ids) == b"".join(mqtt5.PubAckPacket(i).write() for i in packet_ids)
