"""Reads tests/scenarios/*.toml: the format is described in the README beside them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.oracles import HOUR, MINUTE, OUTSIDE_RANGE, SECOND, Limit, Reading

if TYPE_CHECKING:
    from datetime import datetime

FOLDER = Path(__file__).parent.parent / "scenarios"
STATUSES = {
    "": "valid",
    "c": "calibration",
    "m": "maintenance",
    "f": "malfunction",
    "o": "out_of_range",
    "u": "start_up",
    "d": "shut_down",
    "s": "stopped",
    "b": "substituted",
    "!": "valid",  # outside the channel's range: flagged by the server
}
TOKEN = re.compile(
    r"(?P<value>-?\d+(\.\d+)?)?(?P<step>[+-]\d+(\.\d+)?)?(?P<missing>-)?(?P<status>[cmfoudsb!])?"
    r"(x(?P<times>\d+))?"
)
DURATION = re.compile(r"(\d+)(s|min|h|d)")
FIGURES = ("coverage", "warn_at", "clear_at")
DURATIONS = ("open_after", "clear_after")
BOUNDS = ("valid_after", "valid_until")
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": 24 * HOUR}


@dataclass(frozen=True)
class ExpectedAlert:
    """``course``: (instant, state, severity) of each change; times are int64 microseconds."""

    course: tuple[tuple[int, str, str], ...]
    worst: str
    peak: Decimal
    peak_at: int


@dataclass(frozen=True)
class ExpectedBlock:
    """``mean`` None where there is no value at all."""

    start: int
    mean: Decimal | None
    count: int
    expected: int
    judgement: str


@dataclass(frozen=True)
class Scenario:
    """A limit's versions, readings, and what must come of them by ``until``."""

    name: str
    title: str
    start: int
    until: int
    zone: str
    versions: tuple[Limit, ...]
    readings: tuple[Reading, ...]
    alerts: tuple[ExpectedAlert, ...]
    blocks: tuple[ExpectedBlock, ...] | None

    @property
    def window(self) -> int:
        return self.versions[0].window

    @property
    def period(self) -> int:
        return self.versions[0].period


def all_scenarios() -> list[Scenario]:
    return [read_scenario(path) for path in sorted(FOLDER.glob("*.toml"))]


def read_scenario(path: Path) -> Scenario:
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    begin: datetime = text["start"]
    start = int(begin.timestamp()) * SECOND
    versions = tuple(_versions(text["limit"], start))
    every = duration(text.get("every", text["limit"]["period"]))
    readings = [*series(text["series"], start, every), *_single(text.get("reading", []), start)]
    end = start + every * sum(int(t["times"] or 1) for t in _tokens(text["series"]))
    return Scenario(
        name=path.stem,
        title=text["title"],
        start=start,
        until=moment(text["until"], start) if "until" in text else end,
        zone=text.get("zone", "+05:00"),
        versions=versions,
        readings=tuple(sorted(readings)),
        alerts=tuple(_alert(one, start) for one in text.get("alert", [])),
        blocks=tuple(_block(line, start) for line in text["blocks"]) if "blocks" in text else None,
    )


def duration(text: str) -> int:
    match = DURATION.fullmatch(text)
    assert match, f"expected a duration such as 20min, not {text!r}"
    return int(match[1]) * UNITS[match[2]]


def moment(text: str, start: int) -> int:
    """``26:20`` or ``00:05:30`` after the scenario's start, ``-00:15`` before it."""
    hours, minutes, *seconds = (int(part) for part in text.removeprefix("-").split(":"))
    since = hours * HOUR + minutes * MINUTE + (seconds[0] if seconds else 0) * SECOND
    return start - since if text.startswith("-") else start + since


def series(text: str, start: int, every: int) -> list[Reading]:
    readings = []
    time = start
    for token in _tokens(text):
        times = int(token["times"] or 1)
        value, step = token["value"], Decimal(token["step"] or 0)
        for number in range(times):
            if not token["missing"]:
                exact = float(Decimal(value) + number * step) if value else None
                readings.append(_reading(time, exact, token["status"] or ""))
            time += every
    return readings


def _tokens(text: str) -> list[dict[str, str | None]]:
    tokens = []
    for word in text.split():
        match = TOKEN.fullmatch(word)
        assert match, f"expected something like 100x20, 100+5x20, 100cx3 or -x5, not {word!r}"
        tokens.append(match.groupdict())
    return tokens


def _reading(time: int, value: float | None, code: str) -> Reading:
    return Reading(time, value, STATUSES[code], OUTSIDE_RANGE if code == "!" else 0)


def _single(rows: list[dict[str, Any]], start: int) -> list[Reading]:
    return [_reading(moment(r["at"], start), r.get("value"), r.get("status", "")) for r in rows]


def _versions(limit: dict[str, Any], start: int) -> list[Limit]:
    given: dict[str, Any] = {key: limit[key] for key in FIGURES if key in limit}
    given |= {key: duration(limit[key]) for key in DURATIONS if key in limit}
    given |= {key: moment(limit[key], start) for key in BOUNDS if key in limit}
    window, period = duration(limit["average"]), duration(limit["period"])
    first = Limit(limit["value"], window, period, **given)
    if "then" not in limit:
        return [first]
    later = {key: value for key, value in limit.items() if key not in {"then", "valid_after"}}
    change = limit["then"]["valid_after"]
    ended = _versions(
        {k: v for k, v in limit.items() if k != "then"} | {"valid_until": change}, start
    )
    return [*ended, *_versions(later | limit["then"], start)]


def _alert(text: dict[str, Any], start: int) -> ExpectedAlert:
    peak, _, peak_at = text["peak"].partition(" at ")
    lines = (line.split() for line in text["course"])
    course = tuple((moment(at, start), state, severity) for at, state, severity in lines)
    return ExpectedAlert(course, text["worst"], Decimal(peak), moment(peak_at, start))


def _block(line: str, start: int) -> ExpectedBlock:
    at, mean, share, judgement = line.split()
    count, expected = share.split("/")
    exact = None if mean == "-" else Decimal(mean)
    return ExpectedBlock(moment(at, start), exact, int(count), int(expected), judgement)
