"""What a caller of storage must do about a failure: wait, set rows aside, or stop."""

from __future__ import annotations


class Unavailable(Exception):  # noqa: N818 - named after what the caller must know
    """The database is away or gave up half-way: nothing is known to be stored, try again."""


class DataError(Exception):
    """The database refuses rows; ``rows`` are their numbers in the columns that were given."""

    def __init__(self, message: str, rows: list[int]) -> None:
        super().__init__(message)
        self.rows = rows


class AlreadyRunning(Exception):  # noqa: N818 - the sentence that the user reads
    """Another server works on the same data directory or database."""


class StartFailed(Exception):  # noqa: N818 - the sentence that the user reads
    """The database cannot be used as it is configured; the message names the place."""


class Refused(StartFailed, Unavailable):
    """The database takes no connection of ours: who starts says so, who runs waits."""


class SchemaError(Exception):
    """The database's schema is not one that this program can bring up to date."""
