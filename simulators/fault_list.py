"""Which faults there are, by name, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from simulators import faults
from simulators.faults import Chance
from simulators.instants import HOUR, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulators.faults import Stream


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, how to name it, and how often it strikes a unit unless told otherwise."""

    name: str
    apply: Callable[[Stream, Chance], Stream]
    every: int  # microseconds


# in the order in which they apply: analysers, the unit's clock and counter, then the network
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("stuck", faults.stuck, 12 * HOUR),
        Fault("spike", faults.spike, 2 * HOUR),
        Fault("drift", faults.drift, 12 * HOUR),
        Fault("minus-one", faults.minus_one, 8 * HOUR),
        Fault("overflow", faults.overflow, 4 * HOUR),
        Fault("unknown-channel", faults.unknown_channel, 8 * HOUR),
        Fault("clock-skew", faults.clock_skew, 12 * HOUR),
        Fault("restart", faults.restart, 12 * HOUR),
        Fault("repeat-seq", faults.repeat_seq, 12 * HOUR),
        Fault("drop-out", faults.drop_out, 6 * HOUR),
        Fault("backlog", faults.backlog, 8 * HOUR),
        Fault("reordered", faults.reordered, HOUR),
        Fault("duplicate", faults.duplicate, HOUR),
        Fault("malformed", faults.malformed, 2 * HOUR),
    )
}


def parse_faults(text: str) -> dict[str, int]:
    """Return how often each fault of a list strikes, in microseconds, by its name.

    ``text`` is ``none``, ``all`` or names with commas between them, each with an optional average
    time between two of its kind: ``spike=20min,backlog``. Raises ValueError for any other name.
    """
    if text == "none":
        return {}
    if text == "all":
        return {name: fault.every for name, fault in FAULTS.items()}
    chosen = {}
    for item in text.split(","):
        name, _, every = item.strip().partition("=")
        if name not in FAULTS:
            raise ValueError(f"{name!r} is not a fault; there are: none, all, {', '.join(FAULTS)}")
        chosen[name] = parse_duration(every) if every else FAULTS[name].every
    return chosen


def with_faults(  # noqa: PLR0913  what a fault may depend on
    stream: Stream,
    chosen: dict[str, int],
    *,
    seed: str,
    start: int,
    period: int,
    keys: Iterable[str],
) -> Stream:
    """Return ``stream`` with the chosen faults; ``seed`` names the unit and the run."""
    for name, fault in FAULTS.items():
        if name in chosen:
            rng = Random(f"{seed}/{name}")
            stream = fault.apply(stream, Chance(rng, start, chosen[name], period, tuple(keys)))
    return stream
