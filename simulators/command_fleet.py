"""``ams-simulator fleet``."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import click

from simulators.averages import BLOCK
from simulators.fault_list import FAULTS
from simulators.fleet import Course, now, run_fleet
from simulators.fleet_registry import enterprise_entry, permit_entry
from simulators.instants import DAY, MINUTE, SECOND, rfc3339
from simulators.options import (
    DURATION,
    FAULT_LIST,
    SPEED,
    TIME,
    broker_options,
    need_something_to_do,
    registry_out_option,
)
from simulators.plants import fleet_plants
from simulators.progress import finish, shown, stopped_by_signals
from simulators.publisher import Counts
from simulators.registry_out import write_registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.broker import Broker
    from simulators.plants import Plant

CATCH_UP = 10 * MINUTE  # of real time

HELP = f"""Simulate plants: load, fuel, oxygen, emissions, abatement that trips, outages with
shut-down and start-up, calibration at night.

The first three plants are gres1, uktpp and karcement of the example registry, whatever the seed;
further ones are generated from it. gres1 loses its desulphurisation 2 minutes after the start,
for 45: its 20-minute SO2 limit is broken within 20 minutes of simulated time.

Simulated time runs from --start, --speed times as fast as real time, and never ahead of the wall
clock: a run that has caught up goes on live. Without --start a run with --duration ends when
simulated time is now, one without begins so far back that it has caught up after 10 minutes
(with --speed max: a day back).

Equal arguments, --start among them, give equal messages, byte for byte.

\b
Faults: {", ".join(list(FAULTS)[:7])},
{", ".join(list(FAULTS)[7:])};
each can have the average simulated time between two of them at a unit.

With --averages each unit reports the 20-minute means of what it measured, whatever its faults made
of the readings; with --averages-apart 0.3 they are 30 % too high for some hours of a day.

\b
Examples:
  ams-simulator fleet --broker mqtt://127.0.0.1:1883 --plants 3 --speed 60
  ams-simulator fleet --broker mqtt://127.0.0.1 --plants 50 --faults all \\
      --registry-out fleet.yaml
  ams-simulator fleet --broker mqtt://127.0.0.1 --speed max --duration 7d \\
      --faults spike=20min,backlog,duplicate
"""


@click.command(help=HELP)
@broker_options
@registry_out_option
@click.option(
    "--plants", type=click.IntRange(1, 9999), default=3, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all randomness.")
@click.option("--speed", type=SPEED, default="1", show_default=True, help="Factor, or max.")
@click.option("--start", type=TIME, help="First simulated instant, with offset.")
@click.option("--duration", type=DURATION, help="Simulated time to run; without it, for ever.")
@click.option(
    "--period", type=DURATION, default="60s", show_default=True, help="Between two samples."
)
@click.option(
    "--faults", type=FAULT_LIST, default="none", show_default=True, help="none, all or a list."
)
@click.option("--averages", is_flag=True, help="Units report their own 20-minute means too.")
@click.option(
    "--averages-apart",
    type=click.FloatRange(0, 10),
    default=0.0,
    show_default=True,
    help="By which share they are at times too high.",
)
def fleet(  # noqa: PLR0913  one argument for each option
    *,
    broker: Broker | None,
    registry_out: str | None,
    plants: int,
    seed: int,
    speed: float,
    start: int | None,
    duration: int | None,
    period: int,
    faults: dict[str, int],
    averages: bool,
    averages_apart: float,
) -> int:
    """Simulate plants; returns 1 when messages were left unacknowledged."""
    need_something_to_do(broker, registry_out)
    if period % SECOND or DAY % period:
        raise click.BadParameter(
            "must be whole seconds that divide a day, as 10s, 60s or 20min", param_hint="--period"
        )
    if averages and BLOCK % period:
        raise click.BadParameter("must divide 20min with --averages", param_hint="--period")
    chosen = list(fleet_plants(plants, seed))
    if registry_out is not None:
        write_registry(
            registry_out,
            lambda: (enterprise_entry(plant, period) for plant in chosen),
            lambda: (permit_entry(plant) for plant in chosen),
        )
    if broker is None:
        return 0
    wall = now()
    first = default_start(wall, speed, duration) if start is None else start
    if first > wall:
        raise click.BadParameter(
            f"{rfc3339(first)} is in the future; readings would be refused", param_hint="--start"
        )
    end = None if duration is None else first + duration
    course = Course(seed, first, end, period, speed, faults, averages, averages_apart)
    return asyncio.run(_run(chosen, course, broker))


def default_start(wall: int, speed: float, duration: int | None) -> int:
    """Return where a run begins that nobody told: at the latest now, see the command's help."""
    if speed <= 1:
        return wall
    if duration is not None:
        return wall - duration + round(duration / speed)
    return wall - DAY if speed == math.inf else wall - round(CATCH_UP * (speed - 1))


async def _run(plants: Sequence[Plant], course: Course, broker: Broker) -> int:
    counts, place = Counts(), [course.start]

    def position() -> str:
        return rfc3339(place[0] // SECOND * SECOND)

    with stopped_by_signals() as stop:
        async with shown("fleet", counts, total=None, position=position):
            await run_fleet(
                plants,
                course,
                broker,
                counts,
                stop=stop,
                at=lambda time: place.__setitem__(0, time),
            )
        return finish(counts, stopped=stop.is_set())
