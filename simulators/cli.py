"""The console script ``ams-simulator``."""

from __future__ import annotations

import sys

import click

from simulators.command_fleet import fleet
from simulators.command_load import load
from simulators.command_replay import replay

INTERRUPTED = 130  # what shells expect after Ctrl-C


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ams-server")
def cli() -> None:
    """Simulated AMS units: plants with faults, recorded data, pure load.

    Each command can write the registry that its units need (--registry-out); apply it to the
    server with "ams-server registry apply FILE" or "ams-server serve --registry FILE".
    """


cli.add_command(fleet)
cli.add_command(replay)
cli.add_command(load)


def main() -> None:
    """Run a command; what the user can mend is one line on standard error and exit code 2."""
    try:
        code = cli.main(prog_name="ams-simulator", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        click.echo(f"ams-simulator: {message}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("ams-simulator: stopped", err=True)
        code = INTERRUPTED
    sys.exit(code or 0)
