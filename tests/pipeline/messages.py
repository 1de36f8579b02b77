"""Hypothesis strategies for payloads: valid, mutated and malicious ones."""

from __future__ import annotations

import json
from typing import TypeVar

from hypothesis import strategies as st

from alerts.core.vocabulary import STATUS_BY_LABEL
from tests.pipeline.example import KEYS

T = TypeVar("T")


def mostly(good: st.SearchStrategy[T], odd: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Draw from ``good`` and now and then from ``odd``."""
    return st.integers(0, 24).flatmap(lambda chance: odd if chance == 24 else good)


SPACE = mostly(
    st.sampled_from(["", "", " ", "\n", "\t\r\n "]), st.sampled_from(["\x0c", "\u00a0", "\ufeff"])
)
TIMES = mostly(
    st.sampled_from(
        [
            "2026-11-22T03:20:00Z",
            "2026-11-22T08:20:00.1234567+05:00",
            "2026-11-22t03:20:00z",
            "2026-11-22 03:20:00Z",
            "2026-11-22T03:25:30Z",
            "2026-11-22T03:25:30.000001Z",
            "2025-10-18T03:20:30Z",
            "2025-10-18T03:20:29.999999Z",
            "2016-12-31T23:59:60Z",
            "1969-12-31T23:59:59.9999999Z",
            "0000-02-29T00:00:00Z",
        ]
    ),
    st.sampled_from(
        [
            "2026-11-22T03:20:60Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T03:20:00",
            "2026-11-22T24:00:00Z",
            "٢026-11-22T03:20:00Z",
            "",
        ]
    ),
)
KEY = mostly(
    st.sampled_from(list(KEYS)),
    st.sampled_from(["so2 ", "SO2", "x", "", "\x00", "time", "a" * 300, "\ud800"]),
)
WORDS = """
    NaN Infinity -Infinity 1e400 -1e400 1e309 true false [] {} [1] {"a":1,"a":2} "1" ""
    01 1. .5 +1 1e 0x1 - 1000000000.0000001
"""
TOKENS = mostly(
    st.one_of(
        st.floats(-6000, 6000).map(repr),
        st.integers(-10, 10).map(str),
        st.sampled_from(["-0", "-0.0", "1e-400", "-1", "-1e10", "1e9", "9007199254740993", "1E3"]),
    ),
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.integers(10**300, 10**320).map(str),
        st.sampled_from(["null", *WORDS.split()]),
    ),
)
CODE_TOKENS = mostly(
    st.sampled_from(list(STATUS_BY_LABEL)).map(json.dumps),
    st.sampled_from(["null", "1", "[]", '"\\u0076alid"', '"Valid"', '""']),
)
SEQS = mostly(
    st.sampled_from(["0", "1", "48211", "9223372036854775807", "-0"]),
    st.sampled_from([
        "9223372036854775808", "-1", "1.0", "1e3", "true", '"1"', "null", "1" * 30
    ]),
)  # fmt: skip
CODES = st.sampled_from(list(STATUS_BY_LABEL)[1:])
BOOTS = mostly(
    st.sampled_from(["7f3c9a", "a" * 64, "ж" * 64, "😀" * 64]),
    st.sampled_from(["a" * 65, "", "\x00", "ж" * 65, "\ud83d", "\ud83d\ude00"]),
)


@st.composite
def texts(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """A JSON string of one of ``values``, escaped in one of the ways there are."""
    return json.dumps(draw(values), ensure_ascii=draw(st.booleans()))


def _often_the_key(entry: tuple[str, str]) -> tuple[str, ...]:
    return entry if "7" in entry[1] else entry[:1]


@st.composite
def objects(draw: st.DrawFn, entries: st.SearchStrategy[tuple[str, str]], size: int) -> str:
    """A JSON object of (key, value) texts, which may repeat keys and hold odd white space."""
    pairs = draw(st.lists(entries, max_size=size, unique_by=_often_the_key))
    space = draw(SPACE)
    inside = f",{space}".join(f"{key}{space}:{space}{value}" for key, value in pairs)
    return f"{{{space}{inside}{space}}}"


def _shuffled(draw: st.DrawFn, parts: list[tuple[str, str]]) -> str:
    order = draw(st.permutations(parts))
    if draw(st.integers(0, 19)) == 0:
        order = [*order, draw(st.sampled_from(order))]
    if draw(st.integers(0, 19)) == 0:
        order = [*order, ("stauts", "1")]
    if draw(st.integers(0, 19)) == 0:
        order = order[1:]
    return "{" + ",".join(f'"{key}":{value}' for key, value in order) + "}"


@st.composite
def samples(draw: st.DrawFn) -> str:
    parts = [("time", draw(texts(TIMES)))]
    if draw(st.integers(0, 9)):  # nearly always
        parts.append(("values", draw(objects(st.tuples(texts(KEY), TOKENS), 4))))
    if draw(st.booleans()):
        parts.append(("status", draw(objects(st.tuples(texts(KEY), CODE_TOKENS), 3))))
    return _shuffled(draw, parts)


@st.composite
def near_messages(draw: st.DrawFn) -> bytes:
    """Messages that are right or nearly so."""
    inside = ",".join(draw(st.lists(samples(), min_size=1, max_size=3)))
    parts = [
        ("boot", draw(texts(BOOTS))),
        ("seq", draw(SEQS)),
        ("samples", f"[{inside}]"),
    ]
    return (draw(SPACE) + _shuffled(draw, parts) + draw(SPACE)).encode("utf-8", "surrogatepass")


@st.composite
def good_messages(draw: st.DrawFn) -> bytes:
    """Messages without a fault."""
    number = st.floats(-6000, 6000) | st.integers(-6000, 6000)
    values = draw(st.dictionaries(st.sampled_from(list(KEYS)), number, min_size=1))
    marked = draw(st.lists(st.sampled_from(list(KEYS)), unique=True, max_size=2))
    sample = {"time": draw(st.sampled_from(["2026-11-22T03:20:00Z", "2026-11-22T03:19:00+00:00"]))}
    message = {
        "boot": "7f3c9a",
        "seq": draw(st.integers(0, 2**63 - 1)),
        "samples": [
            {**sample, "values": values, "status": {key: draw(CODES) for key in marked}},
        ],
    }
    return json.dumps(message, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Good messages with some bytes cut, doubled or replaced."""
    payload = bytearray(draw(good_messages()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(payload) - 1))
        end = min(len(payload), at + draw(st.integers(0, 12)))
        what = draw(st.sampled_from(["cut", "double", "replace", "insert"]))
        if what == "cut":
            del payload[at : max(end, at + 1)]
        elif what == "double":
            payload[at:at] = payload[at:end]
        elif what == "replace":
            payload[at] = draw(st.integers(0, 255))
        else:
            payload[at:at] = draw(
                st.sampled_from([b'"', b"\\", b",", b"\\u0041", b"\xed\xa0\x80", b"\x00", b"}"])
            )
        payload = payload or bytearray(b"{")
    return bytes(payload)


PAYLOADS = st.one_of(good_messages(), near_messages(), mutated(), st.binary(max_size=40))
