"""What a user can mend: said in one line, without a traceback."""

from __future__ import annotations

import click


class UserError(click.ClickException):
    """Something that the user can mend; the command exits with code 2."""

    exit_code = 2


class BrokerUnreachableError(UserError):
    """The broker does not answer, or refuses this client; check its address and credentials."""
