"""Large messages that no unit should send: deep, wide, long, repeated, or no JSON at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def _message(time: str, values: str, seq: int = 1) -> bytes:
    sample = f'{{"time":"{time}","values":{values}}}'
    return f'{{"boot":"large","seq":{seq},"samples":[{sample}]}}'.encode()


def _deep(rng: Random, time: str) -> bytes:
    depth = rng.choice((50, 900, 1_100, 60_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    return _message(time, f'{{"so2":{opening * depth}1{closing * depth}}}')


def _keys(rng: Random, time: str) -> bytes:
    number = rng.randint(1, 2_000)
    return _message(time, "{" + ",".join(f'"k{n}":{n}' for n in range(number)) + "}")


def _repeated(_: Random, time: str) -> bytes:
    return _message(time, "{" + ",".join(f'"k{n % 2_999}":1' for n in range(3_000)) + "}")


def _samples(rng: Random, time: str) -> bytes:
    sample = f'{{"time":"{time}","values":{{"so2":NaN}}}}'
    many = ",".join([sample] * rng.choice((1_000, 10_001)))
    return f'{{"boot":"large","seq":1,"samples":[{many}]}}'.encode()


def _noise(rng: Random, _: str) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 2, 50, 100_000)))


def _padding(rng: Random, time: str) -> bytes:
    return _message(time, '{"so2":1,"x":1}').ljust(
        rng.choice((10_000, 1_000_000)), rng.choice((b" ", b"\0", b"}"))
    )


def _word(rng: Random, time: str) -> bytes:
    size = rng.choice((1_000, 100_000))
    return rng.choice(
        (
            _message(time, '{"' + "k" * size + '":1}'),
            _message(time, '{"so2":' + "7" * size + "}"),
            _message(time[:-1] + "." + "5" * size + "Z", '{"so2":1}'),
            _message(time, '{"so2":"' + "\\u0000" * size + '"}'),
        )
    )


LARGE: list[Callable[[Random, str], bytes]] = [
    _deep, _keys, _repeated, _samples, _noise, _noise, _padding, _word, _word,
]  # fmt: skip
