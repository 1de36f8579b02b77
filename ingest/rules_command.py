"""`ams-server rules`: what the rule sets say, and whether a file is one."""

from __future__ import annotations

from pathlib import Path

import click

from ingest.registry_faults import Fault, RegistryInvalid
from ingest.rules_resolve import preset, preset_names, read_rule_set
from ingest.rules_show import readable, summary


@click.group()
def rules() -> None:
    """Show the rule sets that limits can be judged by, or check one of your own.

    \b
    Examples:
      ams-server rules list
      ams-server rules show ied-lcp
      ams-server rules check our-rules.yaml
    """  # noqa: D301 - click wants the character itself


@rules.command("list")
def rules_list() -> None:
    """List the rule sets that are shipped: id, newest version, title."""
    for name in preset_names():
        found = preset(name)
        if found is not None:
            click.echo(summary(found))


@rules.command("show")
@click.argument("name", metavar="ID|FILE")
def rules_show(name: str) -> None:
    """Print a rule set in words: conditions, clauses, sources, and what is not verified.

    \b
    Examples:
      ams-server rules show kz-20min
      ams-server rules show our-rules.yaml
    """  # noqa: D301 - click wants the character itself
    found = preset(name)
    if found is None and not Path(name).is_file():
        known = ", ".join(preset_names())
        raise click.ClickException(f'there is no rule set "{name}", nor a file; there are {known}')
    click.echo(readable(found or read_rule_set(name, Path(name).read_bytes())))


@rules.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def rules_check(file: Path) -> None:
    """Validate a rule-set FILE and report every error with its place."""
    try:
        content = file.read_bytes()
    except OSError as error:
        fault = Fault(str(file), 1, 1, "", f"cannot be read: {error.strerror}")
        raise RegistryInvalid([fault]) from None
    found = read_rule_set(str(file), content)
    unverified = sum(not one.verified for version in found.versions for one in version.conditions)
    note = f" ({unverified} conditions not verified)" if unverified else ""
    click.echo(f"{file}: valid{note}")
