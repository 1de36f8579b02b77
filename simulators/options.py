"""Option types of the command line; what is wrong with a value is said in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from simulators.broker import parse_broker
from simulators.faults import parse_faults
from simulators.instants import parse_duration, parse_instant, parse_offset

if TYPE_CHECKING:
    from collections.abc import Callable


class Parsed(click.ParamType):
    """A value that a function parses; its ValueError becomes the error of the option."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  as click has it
        """Return the parsed value; a default that is parsed already stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_speed(text: str) -> float:
    """Return a factor above 0; ``max`` is as fast as the broker acknowledges."""
    return math.inf if text == "max" else _positive(text, "a factor such as 1, 60 or max")


def parse_rate(text: str) -> float:
    """Return messages a second; ``max`` is as fast as the broker acknowledges."""
    return math.inf if text == "max" else _positive(text, "messages a second, or max")


def _positive(text: str, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not {expected}")
    return number


BROKER = Parsed("URL", parse_broker)
TIME = Parsed("TIME", parse_instant)
DURATION = Parsed("DURATION", parse_duration)
OFFSET = Parsed("OFFSET", parse_offset)
FAULT_LIST = Parsed("LIST", parse_faults)
SPEED = Parsed("FACTOR", parse_speed)
RATE = Parsed("RATE", parse_rate)
