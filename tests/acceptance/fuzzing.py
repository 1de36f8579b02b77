"""Messages that no unit should send: seeded, without end, and as quick to make as to take."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from tests.acceptance.fuzzing_large import LARGE
from tests.acceptance.publishing import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

READINGS = "ams/v1/gres1/ams-1/readings"
KEYS = ("so2", "nox", "пыль")
GOOD = 12  # of GOOD + 1 parts of a message that are as they should be
HUGE = 400  # one of so many messages is large
NUMBERS = [
    "0", "1", "12.5", "384.2", "-0", "-0.0", "-4", "5e3", "1E2", "4999.999", "-1", "1e-400",
    "9007199254740993",
]  # fmt: skip
ODD_NUMBERS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e309", "1e10", "-2e9", "01", "1.", ".5",
    "+1", "0x1f", "-", "1e", "1_000", "true", "false", "null", '"12"', '""', "[]", "{}", "[1]",
    '{"a":1,"a":2}', "nan", "inf", "None", "1,5", "12a", "١٢",
]  # fmt: skip
ODD_TEXTS = [
    "", "\0", "\ud800", "\udc00\ud800", "a" * 65, "ж" * 64, "😀" * 70, "\u202eso2", "\ufeff",
    "so2\0", "NULL", "' or 1=1 --", "{0}%s$1", "\\", '"', "\x7f", "e\u0301", "\ufffe",
]  # fmt: skip
STATUSES = ["valid", "calibration", "maintenance", "malfunction", "stopped", "substituted"]
SPLICES = [b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"\\u0000", b"\\ud800", b"\\udc00",
           b"\xed\xa0\x80", b"\xff", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x00", b"\xef\xbb\xbf",
           b"NaN", b"1e999", b"null", b"\n", b"\x0c", b"/*", b"\xe2\x80\xa8"]  # fmt: skip
TOPICS = [
    "ams/v1/gres1/ams-9/readings", "ams/v1/nobody/ams-1/readings", "ams/v1///readings",
    "ams/v1/gres1//readings", "ams/v1//ams-1/readings", "ams/v1/GRES1/ams-1/readings",
    "ams/v1/gres1 /ams-1/readings", "ams/v1/гРЭС/😀/readings", "ams/v1/gres1/../readings",
    f"ams/v1/{'a' * 300}/ams-1/readings", f"ams/v1/gres1/{'ж' * 250}/readings",
    "ams/v1/'; drop table readings --/%s/readings", "ams/v1/$SYS/ams-1/readings",
    "ams/v1/null/undefined/readings", "ams/v1/gres1.x/*>/readings",
]  # fmt: skip
ELSEWHERE = [  # topics that hold no readings: what is sent there counts nowhere
    "ams/v1/gres1/ams-1/status", "ams/v1/gres1/ams-1/receipt", "ams/v1/gres1/ams-9/status",
    "ams/v1/gres1/ams-2/receipt", "ams/v1/gres1/readings", "ams/v1/gres1/ams-1/readings/more",
    "ams/v2/gres1/ams-1/readings", "ams/v1/gres1/ams-1/Readings", "ams", "/",
]  # fmt: skip


@dataclass
class Fuzzer:
    """Makes topics and payloads; times that are accepted lie in the two hours before ``now``."""

    seed: int
    now: datetime
    rng: Random = field(init=False)
    times: list[str] = field(init=False)
    corpus: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.times = _times(self.now)
        self.corpus = [self._near() for _ in range(200)]

    def topic(self) -> str:
        """Mostly the known unit's."""
        chance = self.rng.random()
        if chance < 0.9:
            return READINGS
        return self.rng.choice(TOPICS if chance < 0.97 else ELSEWHERE)

    def payload(self) -> bytes:
        rng = self.rng
        if rng.randrange(HUGE) == 0:
            return rng.choice(LARGE)(rng, self.times[0])
        if rng.random() < 0.5:
            return self._near()
        payload = bytearray(rng.choice(self.corpus))
        for _ in range(rng.randint(1, 4)):
            rng.choice(_MUTATIONS)(rng, payload, self.corpus)
        return bytes(payload)

    def _near(self) -> bytes:
        """A message that is right but for a part here and there."""
        rng = self.rng
        samples = ",".join(self._sample() for _ in range(rng.choice((1, 1, 1, 2, 5))))
        parts = [
            ("boot", self._text(["7f3c9a", "b2", "ж" * 64])),
            ("seq", self._one(["0", "1", str(rng.randrange(2**63))], ODD_NUMBERS)),
            (
                "samples",
                self._one([f"[{samples}]"], ["[]", "{}", "null", f"[[{samples}]]", samples]),
            ),
        ]
        return self._object(parts).encode("utf-8", "surrogatepass")

    def _sample(self) -> str:
        rng = self.rng
        keys = rng.sample(KEYS, rng.randint(1, len(KEYS)))
        values = [(self._key(key), self._one(NUMBERS, ODD_NUMBERS)) for key in keys]
        parts = [
            ("time", self._text(self.times[:20], self.times)),
            ("values", self._object(values)),
        ]
        if rng.random() < 0.3:
            codes = [(self._key(key), self._text(STATUSES)) for key in keys[:2]]
            parts.append(("status", self._object(codes)))
        return self._object(parts)

    def _object(self, parts: list[tuple[str, str]]) -> str:
        """JSON text; at times an entry is missing, doubled or in another place."""
        rng = self.rng
        if rng.randrange(GOOD + 1) == GOOD:
            change = rng.randrange(3)
            if change == 0:
                parts = parts[1:]
            elif change == 1:
                parts = [*parts, rng.choice(parts)]
            else:
                rng.shuffle(parts)
        return "{" + ",".join(f"{_quoted(key)}:{value}" for key, value in parts) + "}"

    def _key(self, key: str) -> str:
        return self._any([key], [*ODD_TEXTS, key.upper(), f"k{self.rng.randrange(50)}"])

    def _text(self, good: Sequence[str], odd: Sequence[str] = ()) -> str:
        text = self._any(good, odd or ODD_TEXTS)
        return json.dumps(text) if self.rng.random() < 0.2 else _quoted(text)

    def _one(self, good: Sequence[str], odd: Sequence[str]) -> str:
        if self.rng.randrange(200) == 0:
            return self.rng.choice("-123456789") * self.rng.choice((20, 400, 5_000))
        return self._any(good, odd)

    def _any(self, good: Sequence[str], odd: Sequence[str]) -> str:
        return self.rng.choice(good if self.rng.randrange(GOOD + 1) < GOOD else odd)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _times(now: datetime) -> list[str]:
    """Twenty that are accepted, then odd ones."""
    good = [rfc3339(now - timedelta(minutes=6 * number)) for number in range(20)]
    ahead = [rfc3339(now + timedelta(days=days)) for days in (1, 400, 2_000_000)]
    return [
        *good, *ahead, good[0].replace("T", " "), good[0].lower(), good[0][:-1],
        good[0][:-1] + ".1234567890123456789Z", good[0][:-1] + "+05:00", good[0][:-1] + "-23:59",
        good[0][:-1] + "." + "9" * 3000 + "Z", good[0][:10], "0000-02-29T00:00:00Z", "",
        "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59.999999Z", "2016-12-31T23:59:60Z", "2026-02-30T00:00:00Z",
        "2026-11-22T24:00:00Z", "٢٠٢٦-11-22T03:20:00Z", "1700000000", "yesterday", "NaN",
    ]  # fmt: skip


# ---- mutations of bytes ----


def _flip(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    if payload:
        payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)


def _truncate(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    del payload[rng.randrange(len(payload) + 1) :]


def _cut(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    at = rng.randrange(len(payload) + 1)
    del payload[at : at + rng.randint(1, 12)]


def _double(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    at = rng.randrange(len(payload) + 1)
    payload[at:at] = payload[at : at + rng.randint(1, 40)]


def _insert(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    at = rng.randrange(len(payload) + 1)
    payload[at:at] = rng.choice(SPLICES)


def _splice(rng: Random, payload: bytearray, corpus: list[bytes]) -> None:
    other = rng.choice(corpus)
    payload[rng.randrange(len(payload) + 1) :] = other[rng.randrange(len(other)) :]


def _swap(rng: Random, payload: bytearray, _: list[bytes]) -> None:
    """Put a number's token, or a word, where another number stands."""
    places = [at for at, byte in enumerate(payload) if byte in b"0123456789"]
    if places:
        at = rng.choice(places)
        payload[at : at + 1] = rng.choice(ODD_NUMBERS).encode()


_MUTATIONS: list[Callable[[Random, bytearray, list[bytes]], None]] = [
    _flip, _flip, _truncate, _cut, _double, _insert, _splice, _swap,
]  # fmt: skip
