"""Option types of the command line; what is wrong with a value is said in one line."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from simulators.broker import parse_broker
from simulators.fault_list import parse_faults
from simulators.instants import SECOND, parse_duration, parse_instant, parse_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.broker import Broker


class Parsed(click.ParamType[Any]):
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


def parse_id(text: str) -> str:
    """Return a registry id as it is."""
    if not re.fullmatch("[a-z0-9-]{1,40}", text):
        raise ValueError(f"{text!r} is not an id: 1 to 40 of a-z, 0-9 and -")
    return text


def _positive(text: str, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not {expected}")
    return number


TIME = Parsed("TIME", parse_instant)
DURATION = Parsed("DURATION", parse_duration)
OFFSET = Parsed("OFFSET", parse_offset)
FAULT_LIST = Parsed("LIST", parse_faults)
SPEED = Parsed("FACTOR", parse_speed)
RATE = Parsed("RATE", parse_rate)
ENTERPRISE = Parsed("ID", parse_id)
CA_FILE, WAIT = f"{__name__}.ca_file", f"{__name__}.wait"


def _broker(ctx: click.Context, param: click.Parameter, url: str | None) -> Broker | None:
    try:
        broker = None if url is None else parse_broker(url, ctx.meta[CA_FILE])
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return broker and replace(broker, patience=ctx.meta[WAIT] / SECOND)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta[f"{__name__}.{param.name}"] = value


def broker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--broker``, ``--ca-file`` and ``--wait``; ``broker`` is None when not given."""
    broker = click.option(
        "--broker",
        metavar="URL",
        callback=_broker,
        help="mqtt://[user:password@]host[:port] or mqtts://…",
    )
    ca_file = click.option(
        "--ca-file",
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Certificates to trust for mqtts, instead of the system's.",
    )
    wait = click.option(
        "--wait",
        type=DURATION,
        default="30s",
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="How long the first connection may take.",
    )
    return broker(ca_file(wait(command)))


def registry_out_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--registry-out``."""
    return click.option(
        "--registry-out",
        metavar="FILE",
        help="Write the registry that this needs: YAML, or JSON for a name that ends in .json, - "
        "for standard output. Without --broker that is all.",
    )(command)


def need_something_to_do(broker: Broker | None, registry_out: str | None) -> None:
    """Raise UsageError when neither a broker nor a registry file is given."""
    if broker is None and registry_out is None:
        raise click.UsageError("nothing to do: give --broker URL, --registry-out FILE or both")
