"""The command line: `ams-server`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alerts.core.vocabulary import STATUS_BY_LABEL
from console.site import PortTaken
from ingest.broker_url import BrokerUrlError
from ingest.commands import (
    apply_registry,
    list_quarantine,
    migrate_database,
    replay_history,
    retry_quarantine,
    what_if_history,
)
from ingest.invalidate_command import invalidate as invalidate_readings
from ingest.invalidate_command import restore as restore_readings
from ingest.log import configure_logging
from ingest.nats_server import EmbeddedBrokerError
from ingest.registry_command import RegistryInvalid, check_registry_file
from ingest.rules_command import rules
from ingest.settings import EXPECTED, ConfigurationError, Settings, load_settings
from ingest.wire_schema import json_schema
from storage.errors import AlreadyRunning, SchemaError, StartFailed, Unavailable
from storage.invalidations import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Command = TypeVar("Command", bound="Callable[..., Any]")

MENDABLE = (
    ConfigurationError, BrokerUrlError, EmbeddedBrokerError, AlreadyRunning, SchemaError,
    StartFailed, Unavailable, PortTaken,
)  # fmt: skip

HELP = {
    "data_dir": "Directory of everything that the embedded parts keep.",
    "database": "PostgreSQL or TimescaleDB URL; without it an embedded PostgreSQL is used.",
    "broker": "mqtt:// or mqtts:// URL; without it an embedded broker is used.",
    "broker_ca": "CA certificates that the broker's is checked against (mqtts).",
    "broker_certificate": "Client certificate to show to the broker (mqtts).",
    "broker_key": "Key of the client certificate.",
    "mqtt_host": "Where the embedded broker listens.",
    "mqtt_port": "Port of the embedded broker; 0 picks a free one.",
    "http": "HOST:PORT of API, console, metrics and health; port 0 picks a free one.",
    "registry": "Registry applied at the start; else the database's is used.",
    "ready_file": "File written when the server is ready: JSON of its URLs and pid.",
    "accept_from": "Readings older than this are quarantined [default: 400 days before receipt].",
    "retention": "Days for which raw readings are kept.",
    "reporting_zone": "Where days begin for enterprises that name no zone: offset or IANA name.",
    "notice_expiry": "Days after which an undeliverable notice is given up.",
}
STORAGE = ("data_dir", "database", "reporting_zone")


def options(*names: str) -> Callable[[Command], Command]:
    """Give a command the settings of these names as options, and --config."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            default = Settings.model_fields[name].default
            shown = ":".join(map(str, default)) if isinstance(default, tuple) else default
            text = HELP[name] + (f" [default: {shown}]" if shown is not None else "")
            flag = f"--{name.replace('_', '-')}"
            command = click.option(flag, name, metavar=METAVARS.get(name, "FILE"), help=text)(
                command
            )
        config = click.Path(path_type=Path, dir_okay=False)
        return click.option(
            "--config", type=config, envvar="AMS_CONFIG", help="TOML file with any of the settings."
        )(command)

    return decorate


METAVARS = {
    "data_dir": "DIR",
    "database": "URL",
    "broker": "URL",
    "mqtt_host": "HOST",
    "mqtt_port": "PORT",
    "http": "HOST:PORT",
    "accept_from": "TIME",
    "retention": "DAYS",
    "reporting_zone": "ZONE",
    "notice_expiry": "DAYS",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ams-server", message="%(package)s %(version)s")
def cli() -> None:
    """Ingestion server for automated emission monitoring systems.

    Every option of `serve` is also a key of the TOML file given with --config and an environment
    variable (AMS_ and the name in capitals); flags come before variables, variables before the
    file.

    \b
    Examples:
      ams-server serve --registry deploy/registry.example.yaml
      ams-server serve --database postgresql://ams@db/ams --broker mqtts://ams:secret@broker
      ams-server registry check registry.yaml
      ams-server rules show kz-20min
      ams-server quarantine list
      ams-server invalidate --help
      ams-server replay --start 2026-11-01T00:00:00Z --end 2026-11-02T00:00:00Z
    """  # noqa: D301 - click wants the character itself


@cli.command()
@options(*Settings.model_fields)
def serve(config: Path | None, **flags: str | None) -> None:
    """Run the whole server until SIGTERM or SIGINT.

    \b
    Examples:
      ams-server serve --registry deploy/registry.example.yaml
      ams-server serve --http 0.0.0.0:8080 --mqtt-host 0.0.0.0
      AMS_RETENTION=30 ams-server serve --config ams.toml
    """  # noqa: D301 - click wants the character itself
    from ingest.serve import serve as run_server  # noqa: PLC0415 - the other commands start faster

    settings = load_settings(flags, config)
    configure_logging()
    _run(lambda: run_server(settings, ready=_announce))


def _announce(urls: Any) -> None:  # noqa: ANN401 - the server's own Urls, imported late
    click.echo(f"ready: console and API {urls.http}, MQTT {urls.mqtt}", err=True)


@cli.command()
@options(*STORAGE)
def migrate(config: Path | None, **flags: str | None) -> None:
    """Bring the database schema up to date and say what was applied."""
    for line in _run(lambda: migrate_database(load_settings(flags, config))):
        click.echo(line)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the MQTT payloads."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@cli.group()
def registry() -> None:
    """Check or load a registry of enterprises, channels, permits and recipients."""


@registry.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def registry_check(file: Path) -> None:
    """Validate a registry FILE (or a directory of them) and report every error with its place."""
    faults = check_registry_file(file)
    if faults:
        raise RegistryInvalid(faults)
    click.echo(f"{file}: valid")


@registry.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--effective", metavar="TIME",
    help="Changes apply to windows that end after this [default: now].",
)  # fmt: skip
@options(*STORAGE)
def registry_apply(
    file: Path, effective: str | None, config: Path | None, **flags: str | None
) -> None:
    """Make FILE (or a directory) the registry; a running server takes note by itself."""
    since = None if effective is None else _instant("--effective", effective)
    changes = _run(lambda: apply_registry(load_settings(flags, config), file, since))
    click.echo(changes)


@registry.command("what-if")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--start", required=True, metavar="TIME", help="From here on …")
@click.option("--end", required=True, metavar="TIME", help="… up to here (excluded).")
@click.option(
    "--registry", "present", type=click.Path(path_type=Path), metavar="FILE",
    help="Of a rule set: the registry that names it [default: the file applied last].",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON, one item a line.")
@options(*STORAGE)
def registry_what_if(  # noqa: PLR0913 - the command's own options
    file: Path,
    start: str,
    end: str,
    present: Path | None,
    config: Path | None,
    *,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Judge history as if FILE had been the registry since --start; nothing is stored.

    Prints each judgement, alert and verdict that would differ, and how many there are. FILE is a
    registry, a directory of them, or a rule set, which takes the place of the one of its id.

    \b
    Examples:
      ams-server registry what-if tighter.yaml --start 2026-10-01T00:00:00Z \\
          --end 2026-11-01T00:00:00Z
      ams-server registry what-if our-rules.yaml --start 2026-01-01T00:00:00+05:00 \\
          --end 2026-11-01T00:00:00+05:00 --json
    """  # noqa: D301 - click wants the character itself
    span = (_instant("--start", start), _instant("--end", end))
    if span[0] >= span[1]:
        raise ConfigurationError(f"--end {end}: a time after --start {start} expected")
    settings = load_settings(flags, config)
    _run(lambda: what_if_history(settings, file, span, present, as_json=as_json))


@cli.group()
def quarantine() -> None:
    """Show or re-process what was set aside."""


@quarantine.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON, one item a line.")
@options(*STORAGE)
def quarantine_list(config: Path | None, *, as_json: bool, **flags: str | None) -> None:
    """Show what was set aside, and why."""
    _run(lambda: list_quarantine(load_settings(flags, config), as_json=as_json))


@quarantine.command("retry")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@options(*STORAGE)
def quarantine_retry(ids: tuple[int, ...], config: Path | None, **flags: str | None) -> None:
    """Re-process items (all without an ID) under the present registry.

    A running server does it at once; otherwise the next one does it when it starts.
    """
    _run(lambda: retry_quarantine(load_settings(flags, config), list(ids) or None))


@cli.command()
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@click.option("--start", metavar="TIME", help="The last good check: from here on …")
@click.option("--end", metavar="TIME", help="… up to the failed one (excluded).")
@click.option("--restore", type=int, metavar="ID", help="Take this invalidation back instead.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for ever.")
@click.option("--by", required=True, metavar="NAME", help="Who says so; kept for ever.")
@click.option(
    "--status",
    type=click.Choice(["malfunction", "calibration", "maintenance"]),
    default="malfunction",
    show_default=True,
    help="What the readings become.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many readings it would change.")
@options(*STORAGE)
def invalidate(  # noqa: PLR0913 - the command's own options
    channels: tuple[str, ...],
    *,
    start: str | None,
    end: str | None,
    restore: int | None,
    reason: str,
    by: str,
    status: str,
    dry_run: bool,
    config: Path | None,
    **flags: str | None,
) -> None:
    """Take back that stored readings are valid: of each CHANNEL, such as gres1/stack-1/so2.

    Valid readings with start <= time < end get a revision of another status; means, judgements and
    alerts follow, and all stays readable as it was. A running server does it at once, otherwise
    the next one when it starts. It can be taken back with --restore.

    \b
    Examples:
      ams-server invalidate gres1/stack-1/so2 --start 2026-11-01T03:00:00Z \\
          --end 2026-11-02T03:00:00Z --reason "zero check failed" --by "shift 2"
      ams-server invalidate --restore 17 --reason "the check gas was wrong" --by "shift 3"
    """  # noqa: D301 - click wants the character itself
    settings = load_settings(flags, config)
    if not (reason.strip() and by.strip()):
        raise ConfigurationError("--reason and --by: a text expected, an empty one given")
    if restore is not None:
        if channels or start or end or dry_run:
            raise ConfigurationError("--restore: only --reason and --by beside it expected")
        _run(lambda: restore_readings(settings, restore, by.strip(), reason.strip()))
        return
    if not (channels and start and end):
        raise ConfigurationError("CHANNEL, --start and --end expected, or --restore")
    span = (_instant("--start", start), _instant("--end", end))
    if span[0] >= span[1]:
        raise ConfigurationError(f"--end {end}: a time after --start {start} expected")
    asked = Request(channels, *span, STATUS_BY_LABEL[status], reason.strip(), by.strip())
    _run(lambda: invalidate_readings(settings, asked, dry_run=dry_run))


@cli.command()
@click.option("--start", required=True, metavar="TIME", help="From here on …")
@click.option("--end", required=True, metavar="TIME", help="… up to here (excluded).")
@options(*STORAGE)
def replay(start: str, end: str, config: Path | None, **flags: str | None) -> None:
    """Recompute judgements and alerts from stored readings; print each difference.

    Exits with 1 when something differs from what is current, else with 0.
    """
    span = (_instant("--start", start), _instant("--end", end))
    if span[0] >= span[1]:
        raise ConfigurationError(f"--end {end}: a time after --start {start} expected")
    differences = _run(lambda: replay_history(load_settings(flags, config), *span))
    sys.exit(1 if differences else 0)


cli.add_command(rules)


def _instant(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(f"{option}: {text!r} given, {EXPECTED['accept_from']} expected")
    return moment.astimezone(UTC)


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        import uvloop  # noqa: PLC0415 - not everywhere
    except ImportError:
        return asyncio.run(work())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def main() -> None:
    """Run the command line; what the user can mend is one line, never a traceback."""
    try:
        with contextlib.suppress(BrokenPipeError):
            cli.main(standalone_mode=False)
        sys.exit(0)
    except RegistryInvalid as invalid:
        for fault in invalid.faults:
            click.echo(str(fault), err=True)
        sys.exit(2)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        click.echo(f"{command or 'ams-server'}: {error.format_message()}", err=True)
        sys.exit(2)
    except BaseExceptionGroup as group:
        _explain(group)
    except MENDABLE as error:
        click.echo(f"ams-server: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError | BrokerUrlError) else 1)


def _explain(group: BaseExceptionGroup) -> None:
    """Say the one thing that the user can mend, or show what went wrong."""
    mendable, rest = group.split(MENDABLE)
    if mendable is None or rest is not None:
        raise group
    first: BaseException = mendable
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    click.echo(f"ams-server: {first}", err=True)
    sys.exit(1)
