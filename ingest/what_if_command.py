"""`ams-server registry what-if`: history under another registry, printed; nothing is stored."""

from __future__ import annotations

import contextlib
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.link import wall_clock
from ingest.registry_command import digest_of
from ingest.what_if import suppose, what_if
from ingest.what_if_file import supposed_registry
from ingest.what_if_report import Lines, as_json, summary, summary_json
from storage.times import to_micros

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from ingest.what_if import WhatIf

_NOTHING = "no difference: the registry says the same"


async def print_what_if(  # noqa: PLR0913 - the question, and how it is answered
    conn: asyncpg.Connection,
    file: Path,
    span: tuple[datetime, datetime],
    *,
    default_zone: str,
    registry: Path | None = None,
    as_lines_of_json: bool = False,
    now: int | None = None,
) -> None:
    """Judge [start, end) under the registry or rule set in ``file``, and print what would differ.

    ``registry`` is the file that a rule set is put into, else the one that was applied last.
    Raises RegistryInvalid, before anything is judged, for a file with errors.
    """
    out, aside = Console(soft_wrap=True, highlight=False), Console(stderr=True)
    now = wall_clock() if now is None else now
    start, end = (to_micros(moment) for moment in span)
    with aside.status(f"reading {file} …"):
        document = supposed_registry(file, registry or await applied_last(conn, default_zone))
        supposed = await suppose(conn, document, since=start, now=now, default_zone=default_zone)
    remarks: list[str] = []
    columns = (TextColumn("what-if"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=aside, transient=True) as progress:
        bar = progress.add_task("what-if", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        async with conn.transaction(isolation="repeatable_read", readonly=True):
            asked = await what_if(
                conn, supposed, (start, end), now=now, advance=advance, remark=remarks.append
            )
            await _print(asked, out, as_lines_of_json=as_lines_of_json)
    if as_lines_of_json:
        out.out(summary_json(supposed.changes, asked.tally, remarks), highlight=False)
        return
    for line in remarks:
        aside.print(line, highlight=False)
    if not supposed.changes:
        out.print(_NOTHING)
        return
    for line in summary(supposed.changes, asked.tally):
        out.print(line, markup=False)


async def _print(asked: WhatIf, out: Console, *, as_lines_of_json: bool) -> None:
    names = asked.supposed.names
    lines = Lines(names, lambda line: out.print(line, markup=False))
    async with aclosing(asked.differences()) as found:
        async for some in found:
            if not as_lines_of_json:
                lines.tell(some)
                continue
            for one in some:
                out.out(as_json(one, names), highlight=False)


async def applied_last(conn: asyncpg.Connection, default_zone: str) -> Path | None:
    """Return where the registry in the database was read from; None where it is no longer so."""
    row = await conn.fetchrow(
        "select source, digest from registry_versions order by id desc limit 1"
    )
    if row is None:
        return None
    path = Path(row["source"])
    with contextlib.suppress(OSError):
        return path if digest_of(path, default_zone) == row["digest"] else None
    return None
