"""``ams-simulator replay``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from simulators.epa import read_epa
from simulators.errors import UserError
from simulators.fleet import now
from simulators.instants import DAY, HOUR, rfc3339
from simulators.options import (
    DURATION,
    ENTERPRISE,
    OFFSET,
    SPEED,
    TIME,
    broker_options,
    need_something_to_do,
    registry_out_option,
)
from simulators.progress import finish, shown, stopped_by_signals
from simulators.publisher import Counts
from simulators.registry_out import write_registry
from simulators.replay import Replay, digest, replay_enterprise, replay_permit, run_replay
from simulators.uci import read_uci

if TYPE_CHECKING:
    from datetime import timezone

    from simulators.broker import Broker
    from simulators.recording import Recording

UCI, EPA = "uci-gas-turbine", "epa-cems"
MOST_SAMPLES = 10_000  # in a message

HELP = """Send recorded data as AMS units would have measured it: exactly the numbers of FILES.

\b
uci-gas-turbine  CSV files of the UCI data set "Gas Turbine CO and NOx Emission"; they have no
                 times: each row is --spacing after the one before, the first at --start.
                 Channels co, nox, at, tit, tat and tey; limits for NOX and CO.
epa-cems         hourly emissions of US EPA, CSV or zip: one AMS unit for each EPA unit, in its
                 local standard time. --start moves the first hour; without it the files' own
                 times are sent, for which the server may need --accept-from. Substituted values
                 have the status substituted, hours without operation are sent as stopped.

The same arguments give the same messages: the server knows a second run for duplicates.

\b
Examples:
  ams-simulator replay gt_2014.csv --start 2026-01-01T00:00:00Z --registry-out gt.yaml
  ams-simulator replay gt_2014.csv --start 2026-01-01T00:00:00Z --broker mqtt://127.0.0.1
  ams-simulator replay epacems2017id*.zip --format epa-cems --enterprise idaho \\
      --start 2026-01-01T00:00:00-07:00 --broker mqtt://127.0.0.1 --speed 3600
"""


@click.command(help=HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@broker_options
@registry_out_option
@click.option("--format", "kind", type=click.Choice([UCI, EPA]), help="Default: by the name.")
@click.option("--enterprise", type=ENTERPRISE, help="Default: gas-turbine or idaho.")
@click.option("--start", type=TIME, help="Time of the first row, with offset.")
@click.option("--spacing", type=DURATION, default="1h", show_default=True)
@click.option(
    "--speed", type=SPEED, default="max", show_default=True, help="Times as fast as measured."
)
@click.option(
    "--samples-per-message",
    type=click.IntRange(1, MOST_SAMPLES),
    default=1,
    show_default=True,
)
@click.option(
    "--zone", type=OFFSET, help="Where the enterprise's days begin; standard time of EPA's plants."
)
def replay(  # noqa: PLR0913  one argument for each option
    *,
    files: tuple[str, ...],
    broker: Broker | None,
    registry_out: str | None,
    kind: str | None,
    enterprise: str | None,
    start: int | None,
    spacing: int,
    speed: float,
    samples_per_message: int,
    zone: timezone | None,
) -> int:
    """Send recorded data; returns 1 when messages were left unacknowledged."""
    need_something_to_do(broker, registry_out)
    kind = kind or (EPA if files[0].lower().endswith(".zip") else UCI)
    recording = _read(kind, files, start, spacing, zone)
    if recording.last > now():
        raise UserError(
            f"the replay would end at {rfc3339(recording.last)}, in the future: "
            f"start it at or before {rfc3339(_latest_start(recording))}"
        )
    played = Replay(
        recording,
        enterprise or ("idaho" if kind == EPA else "gas-turbine"),
        samples_per_message,
        f"{kind} {recording.first} {spacing} {samples_per_message} {digest(files)}",
    )
    if registry_out is not None:
        write_registry(
            registry_out, lambda: [replay_enterprise(played)], lambda: [replay_permit(played)]
        )
    return 0 if broker is None else asyncio.run(_run(played, speed, broker))


def _read(
    kind: str, files: tuple[str, ...], start: int | None, spacing: int, zone: timezone | None
) -> Recording:
    if kind == EPA:
        if spacing != HOUR:
            raise UserError("--spacing: the hours of epa-cems are 1h apart, as they were measured")
        return read_epa(files, start, zone)
    if start is None:
        raise UserError("--start is missing: the rows of uci-gas-turbine have no times")
    if DAY % spacing:
        raise UserError("--spacing must divide a day, as 1min, 20min or 1h")
    return read_uci(files, start, spacing, zone)


def _latest_start(recording: Recording) -> int:
    return (now() - (recording.last - recording.first)) // HOUR * HOUR


async def _run(played: Replay, speed: float, broker: Broker) -> int:
    counts = Counts()
    with stopped_by_signals() as stop:
        async with shown("replay", counts, total=played.total()):
            await run_replay(played, speed, broker, counts, stop)
        return finish(counts, stopped=stop.is_set())
